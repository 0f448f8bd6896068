/** @file A finished picture as the PNG that `tessera sample` would write: its pixels, and how it was made as text in it. */

import type { Sampling } from '../browser/messages.ts';
import { withPngText } from '../image/png-text.ts';
import type { PageFacts } from '../web/painter/facts.ts';
import type { Result } from './asked.ts';

export async function pngFile(
  result: Result,
  { facts, sampling, backend }: { readonly facts: PageFacts; readonly sampling: Sampling; readonly backend: string },
): Promise<Blob> {
  const { asked, codes, picture, part } = result;
  const { run, family, weights, weightsSha256 } = facts;
  const made: Record<string, string | number> = {
    ...{ run, family, weights, weights_sha256: weightsSha256, backend, seed: asked.seed },
    temperature: asked.temperature ?? sampling.temperature,
    ...(sampling.fineTemperature !== 1 && { fineTemperature: sampling.fineTemperature }),
    topK: sampling.topK,
    topP: sampling.topP,
    cfgScale: asked.guidance ?? sampling.guidance,
    image: 0,
    codes: codes.join(' '),
    ...(part !== undefined && { completed: 'on a page' }),
  };
  const text = Object.entries(made).map(([key, value]) => [`tessera:${key}`, String(value)]);
  const plain = await (await pngOf(picture)).arrayBuffer();
  const named = { Title: asked.caption, Software: 'Tessera', ...Object.fromEntries(text) };
  return new Blob([withPngText(new Uint8Array(plain), named) as BlobPart], { type: 'image/png' });
}

/** The pixels alone. */
export function pngOf(picture: ImageData): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext('2d')?.putImageData(picture, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      blob => (blob === null ? reject(new Error('this browser wrote no PNG')) : resolve(blob)),
      'image/png',
    );
  });
}

/** A name that every file system takes. */
export function fileName({ asked: { caption, seed } }: Result): string {
  const words = caption
    .normalize('NFKD')
    .toLowerCase()
    .match(/[\p{Letter}\p{Number}]+/gu) ?? ['picture'];
  return `${words.join('-').slice(0, 60)}-seed${seed}.png`;
}
