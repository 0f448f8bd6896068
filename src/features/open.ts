/** @file Features by their name, as the command line has it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import type { CaptionEncoder } from '../families/contrastive/frozen.ts';
import { type FeatureExtractor, networkOf } from './extractor.ts';
import type { HubOptions } from './hub-options.ts';
import { isNsfwjsNetwork, nsfwjsName, nsfwjsNetworks, openNsfwjs } from './nsfwjs.ts';
import { openOnnx } from './onnx.ts';
import { PixelFeatures, pixelFeatures } from './pixel-grid.ts';
import { RandomFeatures, randomFeatures } from './random-conv.ts';
import { isTowersFolder, openTowers, towersName } from './trained.ts';

export interface FeatureOptions extends HubOptions {
  /** Reads a caption tokenizer; only the folders of `tessera features` need it. */
  readonly readCaptions: (path: string) => Promise<CaptionEncoder>;
}

/**
 * Opens features; a backend must have been selected.
 * @param name `pixels`, `random`, `inception`, `mobilenet`, a folder made by `tessera features`, or a folder or hub id of an
 *   ONNX network
 * @throws UserError if there is no such thing
 */
export async function openFeatures(name: string, options: FeatureOptions): Promise<FeatureExtractor> {
  if (name === 'pixels') return new PixelFeatures();
  if (name === 'random') return new RandomFeatures();
  if (isNsfwjsNetwork(name)) return openNsfwjs(name);
  if (isTowersFolder(name)) return openTowers(name, await options.readCaptions(join(name, 'tokenizer.json')));
  if (!existsSync(name) && !name.includes('/')) {
    throw new UserError(
      'features',
      `expected pixels, random, ${nsfwjsNetworks.join(', ')}, a folder or a hub id, got "${name}"`,
      `train features of your data with \`tessera features --data datasets/emoji --out features/emoji\``,
    );
  }
  return openOnnx(name, options);
}

/**
 * Tells results that were measured through features from others, by the name that they have in a log.
 * @param asked the features as `openFeatures` takes them
 */
export async function featuresMatcher(asked: string): Promise<(logged: string) => boolean> {
  if (asked === 'pixels') return logged => logged === pixelFeatures;
  if (asked === 'random') return logged => logged === randomFeatures;
  if (isNsfwjsNetwork(asked)) {
    const name = await nsfwjsName(asked);
    return logged => logged === name;
  }
  if (isTowersFolder(asked)) {
    const network = networkOf(await towersName(asked));
    return logged => networkOf(logged) === network;
  }
  const names = [`onnx:${asked}`, `clip:${asked}`]; // a precision may follow
  return logged => names.some(name => logged === name || logged.startsWith(`${name}:`));
}
