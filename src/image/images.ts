/**
 * @file Pictures as bytes: to and from tensors, PNG with text in it, scaling, pasting. What is drawn around pictures is
 * grid.ts. PNG text follows the PNG specification (third edition, sections 11.3.3.2 tEXt and 11.3.3.4 iTXt).
 */

import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { UserError } from '../core/errors.ts';

/** 8-bit RGB, rows from the top, three bytes a pixel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A colour as three bytes. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** A picture of one colour. */
export function blank(width: number, height: number, colour: Rgb = [255, 255, 255]): Picture {
  const picture = { width, height, data: new Uint8Array(width * height * 3) };
  fill(picture, { left: 0, top: 0, width, height }, colour);
  return picture;
}

/**
 * Pictures from a batch of float images; values outside [0, 1] are clipped, NaN becomes 0.
 * @param values [n, height, width, 3] float32 in [0, 1]; n = 1 needs no batch axis
 */
export function fromFloats(values: Float32Array, height: number, width: number): Picture[] {
  const size = height * width * 3;
  if (size === 0 || values.length % size !== 0) {
    throw new RangeError(`fromFloats: expected a multiple of ${height} x ${width} x 3 values, got ${values.length}`);
  }
  return Array.from({ length: values.length / size }, (_, n) => {
    const data = new Uint8Array(size);
    // A clamped array rounds halves to even and clips; it does what is wanted but for the scale.
    const bytes = new Uint8ClampedArray(data.buffer);
    for (let i = 0; i < size; i++) bytes[i] = values[n * size + i] * 255;
    return { width, height, data };
  });
}

/** One picture from [height, width, 3] float32 in [0, 1]. */
export function fromFloat(values: Float32Array, height: number, width: number): Picture {
  const pictures = fromFloats(values, height, width);
  if (pictures.length !== 1) throw new RangeError(`fromFloat: expected one image, got ${pictures.length}`);
  return pictures[0];
}

/** @returns [height, width, 3] float32 in [0, 1] */
export function toFloat(picture: Picture): Float32Array {
  return Float32Array.from(picture.data, byte => byte / 255);
}

/** Every pixel becomes `scale` x `scale` of the same colour. @param scale a whole number of at least 1 */
export function resizeNearest(picture: Picture, scale: number): Picture {
  if (!Number.isInteger(scale) || scale < 1)
    throw new RangeError(`resizeNearest: expected a whole scale, got ${scale}`);
  const width = picture.width * scale;
  const height = picture.height * scale;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / scale) * picture.width;
    for (let x = 0; x < width; x++) {
      const from = (row + Math.floor(x / scale)) * 3;
      const to = (y * width + x) * 3;
      data[to] = picture.data[from];
      data[to + 1] = picture.data[from + 1];
      data[to + 2] = picture.data[from + 2];
    }
  }
  return { width, height, data };
}

/**
 * Scales to any size by averaging the area each new pixel covers; enlarging repeats and blends pixels.
 * @param width at least 1; @param height at least 1
 */
export function resizeArea(picture: Picture, width: number, height: number): Picture {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`resizeArea: expected whole sizes of at least 1, got ${width} x ${height}`);
  }
  if (picture.width % width === 0 && picture.height % height === 0) return reduceWhole(picture, width, height);
  const columns = coverage(picture.width, width);
  const rows = coverage(picture.height, height);
  const data = new Uint8Array(width * height * 3);
  const sum = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      sum.fill(0);
      for (const [fromY, shareY] of rows[y]) {
        for (const [fromX, shareX] of columns[x]) {
          const at = (fromY * picture.width + fromX) * 3;
          for (let c = 0; c < 3; c++) sum[c] += picture.data[at + c] * shareX * shareY;
        }
      }
      for (let c = 0; c < 3; c++) data[(y * width + x) * 3 + c] = Math.round(sum[c]);
    }
  }
  return { width, height, data };
}

/** `resizeArea` where every new pixel covers the same number of whole ones, which is the usual case and much quicker. */
function reduceWhole(picture: Picture, width: number, height: number): Picture {
  const [across, down] = [picture.width / width, picture.height / height];
  const data = new Uint8Array(width * height * 3);
  const sums = new Uint32Array(width * 3);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let row = y * down; row < (y + 1) * down; row++) {
      let at = row * picture.width * 3;
      for (let x = 0; x < width * 3; x += 3) {
        for (let i = 0; i < across; i++, at += 3) {
          sums[x] += picture.data[at];
          sums[x + 1] += picture.data[at + 1];
          sums[x + 2] += picture.data[at + 2];
        }
      }
    }
    for (let x = 0; x < width * 3; x++) data[y * width * 3 + x] = Math.round(sums[x] / (across * down));
  }
  return { width, height, data };
}

/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Fills a box in place; parts outside the picture are left out. */
export function fill(picture: Picture, { left, top, width, height }: Box, colour: Rgb): void {
  const right = Math.min(picture.width, left + width);
  const bottom = Math.min(picture.height, top + height);
  for (let y = Math.max(0, top); y < bottom; y++) {
    for (let x = Math.max(0, left); x < right; x++) picture.data.set(colour, (y * picture.width + x) * 3);
  }
}

/** Copies one picture into another in place; parts outside are left out. */
export function paste(target: Picture, source: Picture, left: number, top: number): void {
  const from = Math.max(0, -left);
  const width = Math.min(source.width, target.width - left) - from;
  if (width <= 0) return;
  for (let y = Math.max(0, -top); y < source.height && top + y < target.height; y++) {
    const row = source.data.subarray((y * source.width + from) * 3, (y * source.width + from + width) * 3);
    target.data.set(row, ((top + y) * target.width + left + from) * 3);
  }
}

/**
 * Reads any image format that sharp reads, as sRGB on white; only the first frame of an animation.
 * @param where opens the message of a failure, e.g. the file's name
 * @throws UserError if the bytes are not an image
 */
export async function decodePicture(bytes: Uint8Array, where: string): Promise<Picture> {
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error' })
      .autoOrient()
      .flatten({ background: '#fff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = info.width * info.height;
    if (info.channels === 3) return { width: info.width, height: info.height, data: new Uint8Array(data) };
    const rgb = Uint8Array.from({ length: pixels * 3 }, (_, i) => data[Math.floor(i / 3) * info.channels]); // grey
    return { width: info.width, height: info.height, data: rgb };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(where, `expected an image, got ${bytes.length} bytes that are none (${reason})`);
  }
}

/**
 * @param options.text entries to store in the file, by keyword (1 to 79 Latin characters, e.g. `caption`); values are any
 *   text. ASCII is stored as tEXt, which every tool shows; anything else as iTXt in UTF-8.
 */
export async function encodePng(
  picture: Picture,
  { text = {} }: { readonly text?: Readonly<Record<string, string>> } = {},
): Promise<Uint8Array> {
  const { width, height, data } = picture;
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  const chunks = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
  const afterHeader = SIGNATURE.length + 12 + 13; // IHDR always comes first and holds 13 bytes
  return new Uint8Array(Buffer.concat([png.subarray(0, afterHeader), ...chunks, png.subarray(afterHeader)]));
}

/** The text entries of a PNG: tEXt, iTXt and zTXt, by keyword. @throws UserError if the bytes are not a PNG */
export function readPngText(bytes: Uint8Array, where = 'PNG'): Record<string, string> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!file.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new UserError(where, 'expected a PNG file');
  const text: Record<string, string> = {};
  let at = SIGNATURE.length;
  while (at + 12 <= file.length) {
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const body = file.subarray(at + 8, at + 8 + length);
    if (body.length < length) break; // cut short
    const end = body.indexOf(0);
    const keyword = body.toString('latin1', 0, end);
    if (type === 'tEXt') text[keyword] = body.toString('latin1', end + 1);
    if (type === 'zTXt') text[keyword] = inflateSync(body.subarray(end + 2)).toString('latin1');
    if (type === 'iTXt') text[keyword] = internationalText(body.subarray(end + 1));
    at += 12 + length;
  }
  return text;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function textChunk(keyword: string, value: string): Buffer {
  if (!/^[!-~\xa1-\xff](?:[ -~\xa1-\xff]{0,77}[!-~\xa1-\xff])?$/.test(keyword)) {
    throw new RangeError(`encodePng: expected a keyword of 1 to 79 Latin characters, got ${JSON.stringify(keyword)}`);
  }
  const clean = value.replaceAll('\0', ''); // NUL separates fields
  const ascii = /^[\n -~]*$/.test(clean);
  // iTXt: keyword, NUL, not compressed (0, method 0), no language, NUL, no translated keyword, NUL, UTF-8.
  const body = ascii
    ? Buffer.concat([Buffer.from(`${keyword}\0`, 'latin1'), Buffer.from(clean, 'latin1')])
    : Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(clean, 'utf8')]);
  const chunk = Buffer.alloc(12 + body.length);
  chunk.writeUInt32BE(body.length, 0);
  chunk.write(ascii ? 'tEXt' : 'iTXt', 4, 'latin1');
  body.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + body.length)), 8 + body.length);
  return chunk;
}

/** CRC-32 as in PNG annex D; node:zlib has one only since Node 20.15. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** The value of an iTXt chunk, from after the keyword. */
function internationalText(body: Buffer): string {
  const compressed = body[0] === 1;
  const language = body.indexOf(0, 2);
  const translated = body.indexOf(0, language + 1);
  const value = body.subarray(translated + 1);
  return (compressed ? inflateSync(value) : value).toString('utf8');
}

/** For each of `size` pixels, which of `from` pixels it covers and by what share; shares add to 1. */
function coverage(from: number, size: number): readonly (readonly (readonly [number, number])[])[] {
  const scale = from / size;
  return Array.from({ length: size }, (_, i) => {
    const start = i * scale;
    const end = start + scale;
    const shares: [number, number][] = [];
    for (let at = Math.floor(start); at < Math.min(from, end); at++) {
      const share = (Math.min(at + 1, end) - Math.max(at, start)) / scale;
      if (share > 1e-9) shares.push([at, share]);
    }
    return shares;
  });
}
