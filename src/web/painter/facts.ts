/** @file What a page that paints knows of its run before anything is loaded: written into the document by whoever exports it. */

/** A file of the run. */
export interface PageFile {
  /** Below the page; empty in a page that is one file, which has it itself. */
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** Whether it is compressed, with its bytes in planes. */
  readonly isPacked: boolean;
}

export interface PageFacts {
  /** The run's name, for the picture's file. */
  readonly run: string;
  readonly family: string;
  readonly weights: string;
  /** Of the file of weights that was exported, as `tessera sample` says it of its pictures. */
  readonly weightsSha256: string;
  readonly step: number;
  readonly imageSize: number;
  readonly grid: number;
  /** Captions that are offered first, and painted for a surprise; may be none. */
  readonly examples: readonly string[];
  /** How codes follow one another. */
  readonly order: string;
  /** By their names in a run. */
  readonly files: Readonly<Record<string, PageFile>>;
  /** The file of what codes pictures, which painting alone does not need. */
  readonly encoder: string;
  /** Whose pictures it learnt from, as text; null where that is not known. */
  readonly credits: string | null;
  readonly isSingle: boolean;
}

/** The element of the document that holds them, as JSON. */
export const FACTS_ID = 'facts';
