/**
 * @file The features of a network trained on the data's own captions by `tessera features`: a folder with
 * tokenizer.json and text.safetensors. It must not be the text encoder that the judged model was trained with, whose
 * errors the model may have learned.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Contrastive } from '../families/contrastive/contrastive.ts';
import { type CaptionEncoder, encodeCaptions, encodeImages } from '../families/contrastive/frozen.ts';
import { loadTowers } from '../families/contrastive/towers.ts';
import { Images, type Picture } from '../image/images.ts';
import { resizeArea } from '../image/resize.ts';
import { readBytes } from '../io/bytes.ts';
import { readSafetensors } from '../io/files.ts';
import type { FeatureExtractor } from './extractor.ts';

const WEIGHTS = 'text.safetensors';

/** Whether a folder holds such a network. */
export function isTowersFolder(folder: string): boolean {
  return existsSync(join(folder, WEIGHTS));
}

/**
 * SHA-256 of a network's weights, in hexadecimal: what tells judges apart. @param folder of the network, or of a run
 */
export async function towersFingerprint(folder: string): Promise<string> {
  return createHash('sha256')
    .update(await readBytes(join(folder, WEIGHTS)))
    .digest('hex');
}

/**
 * What a network is a copy of: the fingerprint of the weights that `export --ranker` has rounded; its own where it is no copy.
 * @param folder of the network, or of a run
 */
export async function towersOrigin(folder: string): Promise<string> {
  const { metadata } = await readSafetensors(join(folder, WEIGHTS));
  return metadata.origin ?? towersFingerprint(folder);
}

/**
 * @param encoder of the folder's tokenizer.json
 * @throws UserError if the weights are damaged
 */
export async function openTowers(folder: string, encoder: CaptionEncoder): Promise<FeatureExtractor> {
  return new TowerFeatures(
    await towersName(folder),
    await loadTowers(join(folder, WEIGHTS), encoder.vocabSize),
    encoder,
  );
}

/** The name of a network's features in results: another training in the same folder has another. */
export async function towersName(folder: string): Promise<string> {
  return `contrastive:${folder}@${(await towersFingerprint(folder)).slice(0, 8)}`;
}

class TowerFeatures implements FeatureExtractor {
  readonly name: string;
  readonly dimension: number;
  private readonly model: Contrastive;
  private readonly encoder: CaptionEncoder;

  constructor(name: string, model: Contrastive, encoder: CaptionEncoder) {
    this.name = name;
    this.model = model;
    this.encoder = encoder;
    this.dimension = model.config.dim;
  }

  async images(pictures: readonly Picture[]): Promise<Float64Array> {
    const { imageSize } = this.model.sizes;
    if (pictures.length === 0) return new Float64Array(0);
    const images = Images.of(pictures.map(picture => resizeArea(picture, imageSize, imageSize)));
    return Float64Array.from(await encodeImages(this.model, images));
  }

  readonly text = async (captions: readonly string[]): Promise<Float64Array> => {
    if (captions.length === 0) return new Float64Array(0);
    return Float64Array.from(await encodeCaptions(this.model, this.encoder, captions));
  };

  dispose(): void {
    this.model.dispose();
  }
}
