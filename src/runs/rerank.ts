/**
 * @file Ranks pictures by how well a network of captions and images says that they fit a caption, as DALL-E does with its samples
 * (Ramesh et al. 2021, section 2.6): a CLIP, or one that `tessera features` has trained. Knows nothing of what made the pictures.
 */

import { UserError } from '../core/errors.ts';
import { type ClipTowers, loadClipTowers } from '../features/clip.ts';
import type { FeatureExtractor } from '../features/extractor.ts';
import { reason } from '../features/hub.ts';
import type { HubOptions } from '../features/hub-options.ts';
import { isTowersFolder } from '../features/trained.ts';
import type { Picture } from '../image/images.ts';
import { runPaths } from '../io/runfolder.ts';

export type ClipOptions = HubOptions;

/** A loaded network that ranks pictures. */
export interface Ranker {
  /** The folder or hub id it came from. */
  readonly name: string;
  /**
   * How well each picture fits one caption: cosine of the angle between image and text embeddings.
   * @param caption cut to the positions the model has, its end mark kept
   * @returns one score in [-1, 1] a picture, in their order; 0 where an embedding is the zero vector
   * @throws UserError if the model's files do not fit each other
   */
  score(caption: string, pictures: readonly Picture[]): Promise<Float64Array>;
  /** Frees the model; scores are no longer possible. */
  dispose(): Promise<void>;
}

/** A loaded CLIP. */
export type Clip = Ranker;

const WHERE = 'rerank';

/**
 * What ranks the pictures of a run: what was asked for, or the network that came with it; undefined where nothing is ranked.
 * @throws UserError if pictures are to be chosen and there is nothing to choose by
 */
export function chosenRanker(
  { run, rerank, bestOf }: { readonly run: string; readonly rerank?: string; readonly bestOf?: number },
  command: string,
): string | undefined {
  if (rerank !== undefined || bestOf === undefined) return rerank;
  const own = runPaths(run).ranker;
  if (isTowersFolder(own)) return own;
  throw new UserError(
    command,
    `expected --rerank with --best-of, got none, and none came with ${run}`,
    'add --rerank: a folder of `tessera features`, or a folder or hub id of a CLIP',
  );
}

/**
 * Loads what ranks: a folder of `tessera features`, for which a backend must be active, or a CLIP. @throws UserError
 */
export async function loadRanker(name: string, options: ClipOptions = {}): Promise<Ranker> {
  if (!isTowersFolder(name)) return loadClip(name, options);
  return new TowersRanker(name, await (await import('./open-features.ts')).openNamedFeatures(name));
}

class TowersRanker implements Ranker {
  readonly name: string;
  private readonly towers: FeatureExtractor;

  constructor(name: string, towers: FeatureExtractor) {
    this.name = name;
    this.towers = towers;
  }

  async score(caption: string, pictures: readonly Picture[]): Promise<Float64Array> {
    const { towers } = this;
    const d = towers.dimension;
    const text = await towers.text?.([caption]);
    const images = await towers.images(pictures);
    if (text === undefined) throw new Error(`${towers.name} knows no captions`);
    return Float64Array.from(pictures, (_, i) => cosine(images.subarray(i * d, (i + 1) * d), text));
  }

  async dispose(): Promise<void> {
    await this.towers.dispose();
  }
}

/** Loads a CLIP from a folder or the hub; see `loadClipTowers`. @throws UserError */
export async function loadClip(dirOrHubId: string, options: ClipOptions = {}): Promise<Clip> {
  return new OnnxClip(await loadClipTowers(WHERE, dirOrHubId, options));
}

/** Indices of the scores, best first; equal scores keep their order, and NaN comes last. */
export function rank(scores: ArrayLike<number>): number[] {
  const key = (i: number): number => (Number.isNaN(scores[i]) ? Number.NEGATIVE_INFINITY : scores[i]);
  return Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return x === y ? a - b : x < y ? 1 : -1;
  });
}

class OnnxClip implements Ranker {
  readonly name: string;
  private towers: ClipTowers | undefined;

  constructor(towers: ClipTowers) {
    this.towers = towers;
    this.name = towers.name;
  }

  async score(caption: string, pictures: readonly Picture[]): Promise<Float64Array> {
    const { towers } = this;
    if (towers === undefined) throw new Error(`Clip.score: ${this.name} was disposed of`);
    try {
      const { text, images } = await towers.embed(caption, pictures);
      const scores = new Float64Array(pictures.length);
      if (text !== undefined) for (const [i, image] of images.entries()) scores[i] = cosine(image, text);
      return scores;
    } catch (error) {
      throw new UserError(WHERE, `${this.name} cannot score pictures (${reason(error)})`);
    }
  }

  async dispose(): Promise<void> {
    const { towers } = this;
    this.towers = undefined;
    await towers?.dispose();
  }
}

function cosine(a: Float32Array | Float64Array, b: Float32Array | Float64Array): number {
  if (a.length !== b.length) throw new Error(`image embeddings have ${a.length} numbers, text embeddings ${b.length}`);
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}
