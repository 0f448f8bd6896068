/** @file `tessera reconstruct`: images through a run's patch tokenizer and back, with the error in dB. */

import { existsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Split } from '../../data/dataset.ts';
import { openDataset } from '../../data/open.ts';
import { reconstructPictures } from '../../tokenizer/codec.ts';
import type { ImagesConfig } from '../config/run.ts';
import { firstLine, UserError } from '../core/errors.ts';
import { counted } from '../core/numbers.ts';
import { readRun } from '../families/config.ts';
import { decodeImage } from '../image/decode.ts';
import { type Picture, spreadPlaces } from '../image/images.ts';
import { encodePng } from '../image/png.ts';
import { writeAtomic } from '../io/atomic.ts';
import { readBytes } from '../io/bytes.ts';
import { expectOutput, sheetText } from '../io/outputs.ts';
import { mean } from '../metrics/intervals.ts';
import { psnr } from '../metrics/similarity.ts';
import { divideAsTrained } from './known-sides.ts';
import { openPatchTokenizer } from './open-tokenizers.ts';
import { reconstructionSheet } from './reconstruction-sheet.ts';
import { itemsOfSides } from './run-images.ts';
import { type EngineFlags, runOrShipped, type Session, startEngine } from './session.ts';

export interface ReconstructRequest extends EngineFlags {
  /** Default: the model that comes with the package. */
  readonly run?: string;
  /** Image files, folders of captioned images or other data sets. */
  readonly inputs: readonly string[];
  readonly out: string;
  /** Whether the user gave the name `out`. */
  readonly named: boolean;
  readonly numImages: number;
  /** Sides of the data sets that images are taken of; default all. */
  readonly split?: readonly Split[];
}

/** What came back. */
export interface Reconstruction {
  readonly images: number;
  /** Mean over the images, in dB. */
  readonly psnr: number;
}

/**
 * Writes a picture of originals above reconstructions.
 * @throws UserError if the run has no patch tokenizer, or an input no readable image
 */
export async function reconstructImages(session: Session, request: ReconstructRequest): Promise<Reconstruction> {
  await expectOutput('reconstruct: --out', request.out, {
    kind: 'sheet',
    named: request.named,
    inputs: request.inputs.flatMap(filesOf),
  });
  const run = runOrShipped(session, request.run);
  const tokenizer = await openPatchTokenizer(run, { where: 'reconstruct', start: () => startEngine(session, request) });
  const { images } = await readRun(run, 'reconstruct');
  const originals = await readPictures(session, request, { run, images });
  const pictures = await reconstructPictures(tokenizer, originals);
  tokenizer.dispose();
  const decibels = mean(originals.map((original, i) => psnr(original, pictures[i])));
  const note = `${counted(originals.length, 'image')}, mean PSNR ${decibels.toFixed(2)} dB`;
  const sheet = await reconstructionSheet(originals, pictures, { columns: Math.min(8, originals.length), note });
  await writeAtomic(request.out, await encodePng(sheet, { text: sheetText('reconstructions') }));
  return { images: originals.length, psnr: decibels };
}

const IMAGE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif|svg)$/i;

/** What of an input is not written over: an image, or the folder that a data set lies in. */
function filesOf(input: string): string[] {
  return !existsSync(input) || IMAGE.test(input) || statSync(input).isDirectory() ? [input] : [input, dirname(input)];
}

async function readPictures(
  session: Session,
  { inputs, numImages, split }: ReconstructRequest,
  { run, images }: { readonly run: string; readonly images: ImagesConfig },
): Promise<Picture[]> {
  const size = images.imageSize;
  const pictures: Picture[] = [];
  const add = async (bytes: Uint8Array, name: string) => {
    try {
      pictures.push(await decodeImage(bytes, { size }));
    } catch (error) {
      throw new UserError('reconstruct', `${name} is no readable image (${firstLine(error)})`);
    }
  };
  for (const input of inputs) {
    if (!existsSync(input)) throw new UserError('reconstruct', `no such file or folder: ${input}`);
    const isImage = (await stat(input)).isFile() && IMAGE.test(input);
    if (isImage) {
      await add(await readBytes(input), input);
      continue;
    }
    const dataset = await openDataset(input);
    const items =
      split === undefined
        ? dataset.items
        : itemsOfSides(await divideAsTrained(session, dataset, { run, images }), split, 'reconstruct');
    for (const i of spreadPlaces(items.length, numImages)) await add(await items[i].read(), items[i].id);
  }
  return pictures;
}
