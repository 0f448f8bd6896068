/**
 * @file What painting reads of a run, wherever it lies: the names of its files, which of its weights, and whether files belong
 * together. A folder of Node is runfolder.ts.
 */
import { UserError } from '../core/errors.ts';

/** Files by what they hold; `last`, `ema` and `best` are the weights of what paints. */
export const runFiles = {
  config: 'config.json',
  captions: 'tokenizer.json',
  learnt: 'captions.jsonl.gz',
  patch: 'patch.safetensors',
  last: 'model.safetensors',
  ema: 'ema.safetensors',
  best: 'best.safetensors',
} as const;

export const weightKinds = ['ema', 'best', 'last'] as const;
export type WeightKind = (typeof weightKinds)[number];

/** Which weights a run is painted with: those asked for, or the averaged ones, or the only ones that are there. */
export function preferredWeights(there: readonly WeightKind[], wanted?: WeightKind): WeightKind {
  return wanted ?? (there.length === 1 ? there[0] : 'ema');
}

/** Where a run is read from: a folder, an address, files that were dropped on a page. */
export interface RunSource {
  /**
   * The bytes of a file, which the caller may keep.
   * @param onProgress hears how many are there by now, and how many there will be, where that is known
   * @param signal may end the work; nobody waits for it then
   * @throws UserError if there is no such file, or it cannot be had
   */
  bytes(name: string, onProgress?: (loaded: number, total?: number) => void, signal?: AbortSignal): Promise<Uint8Array>;
  has(name: string): Promise<boolean>;
}

/** The files of a run that painting reads. */
export interface RunBytes {
  readonly config: Uint8Array;
  readonly captions: Uint8Array;
  readonly patch: Uint8Array;
  readonly weights: Uint8Array;
  /** Which file the weights are, for messages. */
  readonly weightsFile: string;
}

/** A file beside a model's weights, and the fingerprint that they were trained with; undefined where they name none. */
export type Companion = readonly [what: string, file: string, wanted: string | undefined];

/**
 * @param weights their file; @param found the fingerprint that the companion has
 * @throws UserError if it is not the one that the weights were trained with
 */
export function expectCompanion(weights: string, [what, file, wanted]: Companion, found: string): void {
  if (wanted === undefined || wanted === found) return;
  throw new UserError(
    weights,
    `was trained with another ${what}: it needs the one with SHA-256 ${wanted.slice(0, 16)}..., ${file} is ${found.slice(0, 16)}...`,
    'put back the file that the run was trained with, or train again in another folder',
  );
}
