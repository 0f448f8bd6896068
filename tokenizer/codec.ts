/**
 * @file Pictures to codes and back, for programs: a patch tokenizer that takes pictures instead of tensors, checks what it
 * is given, and lets the event loop turn between pieces.
 */

import * as tf from '@tensorflow/tfjs-core';
import { checkValue, found, listCheck, pictureCheck } from '../src/core/checks.ts';
import { UserError } from '../src/core/errors.ts';
import { turnOfEventLoop } from '../src/core/platform/platform.ts';
import { fill, Images, type Picture } from '../src/image/images.ts';
import { imagesToTensor, tensorToImages } from '../src/image/pixels.ts';
import type { PatchTokenizer } from './patch.ts';

const picturesCheck = listCheck('pictures', pictureCheck());

/** What shows a patch that has no code. */
const UNPAINTED = [235, 235, 235] as const;

/** Pixels that go through the tokenizer between two turns of the event loop: some ten milliseconds of a processor. */
const PIECE_PIXELS = 1 << 15;

/** A patch tokenizer as a program uses it. */
export class PictureCodec {
  /** Pixels along each side of a picture. */
  readonly imageSize: number;
  /** Codes along each side of a picture. */
  readonly grid: number;
  /** Number of different codes. */
  readonly vocabSize: number;
  /** @internal */
  readonly patch: PatchTokenizer;
  private disposed = false;
  private uses = 0;

  /**
   * @internal
   * @param patch taken over: `dispose` frees it
   */
  constructor(patch: PatchTokenizer) {
    this.patch = patch;
    this.imageSize = patch.imageSize;
    this.grid = patch.grid;
    this.vocabSize = patch.vocabSize;
  }

  /** Codes of a picture, grid * grid. */
  get codes(): number {
    return this.grid ** 2;
  }

  /**
   * The codes of pictures of the tokenizer's size.
   * @returns [pictures, grid * grid] int32, picture by picture, each in raster order
   * @throws UserError if something is no picture, or one of another size
   */
  async encode(pictures: readonly Picture[]): Promise<Int32Array> {
    checkValue('encode: pictures', pictures, picturesCheck);
    const { imageSize: S, codes: N } = this;
    const wrong = pictures.find(({ width, height }) => width !== S || height !== S);
    if (wrong !== undefined) {
      throw new UserError('encode', `expected ${S} x ${S} pixels, got ${wrong.width} x ${wrong.height}`);
    }
    const result = new Int32Array(pictures.length * N);
    await this.inPieces(pictures.length, async (from, to) => {
      const images = imagesToTensor(Images.of(pictures.slice(from, to)));
      const codes = this.patch.encode(images);
      result.set((await codes.data()) as Int32Array, from * N);
      images.dispose();
      codes.dispose();
    });
    return result;
  }

  /**
   * Pictures of codes.
   * @param codes [n, grid * grid], as of `encode`; patches whose code is -1 become light grey
   * @throws UserError if they are not whole pictures, or not codes of this codebook
   */
  async decode(codes: Int32Array): Promise<Picture[]> {
    const N = this.codes;
    this.checkCodes('decode', codes, -1);
    const pictures: Picture[] = [];
    await this.inPieces(codes.length / N, async (from, to) => {
      pictures.push(...(await this.decodePiece(codes.subarray(from * N, to * N))));
    });
    return pictures;
  }

  /**
   * @param where the function, for messages; @param least the smallest number that is allowed, 0 or -1
   * @throws UserError unless these are codes of whole pictures
   */
  checkCodes(where: string, codes: Int32Array, least: number): void {
    const { codes: N, vocabSize: K } = this;
    const expected = `${where}: codes`;
    if (!(codes instanceof Int32Array)) throw new UserError(expected, `expected an Int32Array, got ${found(codes)}`);
    if (codes.length % N !== 0) throw new UserError(expected, `expected a multiple of ${N}, got ${codes.length}`);
    const wrong = codes.findIndex(code => code < least || code >= K);
    if (wrong >= 0) {
      throw new UserError(expected, `expected numbers from ${least} to ${K - 1}, got ${codes[wrong]} at ${wrong}`);
    }
  }

  /** Frees the weights, once what uses them is done. Whatever is asked of it then is refused. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.uses === 0) this.patch.dispose();
  }

  /** Does work of `count` pictures some at a time, and lets the event loop turn in between. */
  private async inPieces(count: number, work: (from: number, to: number) => Promise<void>): Promise<void> {
    const piece = Math.max(1, Math.floor(PIECE_PIXELS / this.imageSize ** 2));
    this.uses++;
    try {
      for (let from = 0; from < count; from += piece) {
        await turnOfEventLoop();
        if (this.disposed) throw disposedError();
        await work(from, Math.min(count, from + piece));
      }
      if (this.disposed) throw disposedError();
    } finally {
      this.uses--;
      if (this.disposed && this.uses === 0) this.patch.dispose();
    }
  }

  private async decodePiece(codes: Int32Array): Promise<Picture[]> {
    const { grid, codes: N } = this;
    // The convolutions let a patch influence the pixels of its neighbours. One that is not there yet is decoded as a copy of
    // the patch on its left, which shows there least; its own pixels are overwritten below.
    const filled = Int32Array.from(codes, (code, i) => (code >= 0 ? code : lastBefore(codes, i - (i % N), i)));
    const ids = tf.tensor2d(filled, [codes.length / N, N], 'int32');
    const images = this.patch.decode(ids);
    const pictures = (await tensorToImages(images)).pictures();
    ids.dispose();
    images.dispose();
    const side = this.imageSize / grid;
    codes.forEach((code, i) => {
      if (code >= 0) return;
      const place = i % N;
      const box = { left: (place % grid) * side, top: Math.floor(place / grid) * side, width: side, height: side };
      fill(pictures[Math.floor(i / N)], box, UNPAINTED);
    });
    return pictures;
  }
}

/**
 * What comes back from the codes of pictures of the tokenizer's size.
 * @param patch still the caller's
 * @throws UserError if something is no picture, or one of another size
 */
export async function reconstructPictures(patch: PatchTokenizer, pictures: readonly Picture[]): Promise<Picture[]> {
  const codec = new PictureCodec(patch);
  return codec.decode(await codec.encode(pictures));
}

function disposedError(): UserError {
  return new UserError('codec', 'it was disposed of', 'open it again');
}

function lastBefore(codes: Int32Array, first: number, index: number): number {
  for (let i = index - 1; i >= first; i--) if (codes[i] >= 0) return codes[i];
  return 0;
}
