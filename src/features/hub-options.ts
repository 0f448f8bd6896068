/** @file How a network is fetched. By itself, because the library's declarations name it and must do without the optional peer. */

/** Weights as stored in the ONNX files; a local folder holds one or more of them. */
export type HubPrecision = 'fp32' | 'fp16' | 'q8';

export interface HubOptions {
  /** Which weights; the default is fp32 from the hub, and the most exact there is in a local folder. */
  readonly precision?: HubPrecision;
  /** Pictures in one run of the model, default 8. */
  readonly batchSize?: number;
  /** Where downloads are kept; the default is a folder inside the installed `@huggingface/transformers`. */
  readonly cacheDir?: string;
  /** Called before anything of a model of the hub is read. @param folder where its files are kept */
  readonly onModel?: (model: { readonly id: string; readonly revision: string; readonly folder: string }) => void;
  /** Called while a file comes from the hub. @param total bytes, 0 if the server does not say */
  readonly onDownload?: (file: string, loaded: number, total: number) => void;
}
