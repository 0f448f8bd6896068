/** @file Reads the files of a run on a page: those that painting needs, with progress over all of them, and what it knows. */
import { preferredWeights, type RunBytes, type RunSource, runFiles, weightKinds } from '../io/runfiles.ts';
import { parseSafetensors } from '../io/safetensors.ts';
import { damaged, type LearntCaptions, MOST_TEXT, parseLearnt } from '../runs/learnt/parse.ts';
import { listCaptions } from '../runs/learnt/search.ts';

export interface LoadProgress {
  /** Bytes that are there by now, of all files together. */
  readonly loaded: number;
  /** How many there will be; undefined where a server does not say. */
  readonly total?: number;
  /** The file that the news is of. */
  readonly file: string;
}

/** A run as a page has read it. */
export interface ReadRun {
  readonly bytes: RunBytes;
  /** Numbers that painting needs. */
  readonly parameters: number;
}

/** @throws UserError if a file is missing or cannot be had; the signal's reason once it is aborted */
export async function readRun(
  source: RunSource,
  options: { readonly onProgress?: (progress: LoadProgress) => void; readonly signal?: AbortSignal } = {},
): Promise<ReadRun> {
  const { onProgress, signal } = options;
  const states = new Map<string, { loaded: number; total?: number }>();
  const read = async (file: string) => {
    states.set(file, { loaded: 0 });
    const hear = (loaded: number, total?: number) => {
      if (signal?.aborted === true) return;
      states.set(file, { loaded, total });
      const all = [...states.values()];
      const sum = (of: (state: (typeof all)[number]) => number) => all.reduce((total, state) => total + of(state), 0);
      const known = all.every(state => state.total !== undefined);
      onProgress?.({
        loaded: sum(state => state.loaded),
        total: known ? sum(state => state.total ?? 0) : undefined,
        file,
      });
    };
    return unlessAborted(signal, source.bytes(file, hear, signal));
  };
  const config = await read(runFiles.config); // where there is none, nothing else is asked for
  const weightsFile = await unlessAborted(signal, chooseWeights(source));
  const [captions, patch, weights] = await Promise.all([runFiles.captions, runFiles.patch, weightsFile].map(read));
  const parameters = countNumbers(weights, weightsFile) + countNumbers(patch, runFiles.patch);
  return { bytes: { config, captions, patch, weights, weightsFile }, parameters };
}

/** Which of a run's weights are painted with. */
async function chooseWeights(source: RunSource): Promise<string> {
  if (await source.has(runFiles.ema)) return runFiles.ema;
  const there = await Promise.all(weightKinds.map(kind => source.has(runFiles[kind])));
  return runFiles[preferredWeights(weightKinds.filter((_, i) => there[i]))];
}

/** What comes of some work, or the signal's reason once it is aborted, whichever is first. */
function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Numbers in a file of tensors. */
function countNumbers(bytes: Uint8Array, where: string): number {
  let count = 0;
  for (const { data } of parseSafetensors(bytes, where).tensors.values()) count += data.length;
  return count;
}

/** The words and captions of a run; undefined where it keeps none. @throws UserError if they are damaged */
export async function readKnown(source: RunSource): Promise<LearntCaptions | undefined> {
  if (!(await source.has(runFiles.learnt))) return undefined;
  const packed = await source.bytes(runFiles.learnt);
  return parseLearnt(runFiles.learnt, await unpacked(packed));
}

/** Text that was compressed; some servers send it as it was before. @throws UserError if it was not, or is longer than any run's */
async function unpacked(bytes: Uint8Array): Promise<string> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return new TextDecoder().decode(bytes);
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw damaged(runFiles.learnt);
    });
    if (done) return text;
    text += value;
    if (text.length > MOST_TEXT) {
      await reader.cancel();
      throw damaged(runFiles.learnt);
    }
  }
}

/** The captions that a run knows, those of the most images first. */
export function captionsOf(known: LearntCaptions | undefined): string[] {
  if (known === undefined) return [];
  return listCaptions(known, known.lists.length).captions.map(({ caption }) => caption);
}
