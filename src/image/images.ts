/**
 * @file Images as bytes: many of one size in one array, one of them as a picture, and drawing in a picture's pixels. Files are
 * png.ts and decode.ts, floats and tensors pixels.ts, what is drawn around pictures sheet.ts.
 */

/** 8-bit RGB, rows from the top, three bytes a pixel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly data: Uint8Array;
}

/** Pixels across and down. */
export type Size = Pick<Picture, 'width' | 'height'>;

/** A colour as three bytes. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Images of one size, one after another in one array. Parts of it are views: they share the bytes. */
export class Images {
  readonly count: number;
  readonly width: number;
  readonly height: number;
  /** [count, height, width, 3] RGB. */
  readonly bytes: Uint8Array;

  /**
   * @param bytes [n, height, width, 3], kept and not copied; n may be 0
   * @param size at least one pixel
   * @throws RangeError if the bytes are no whole number of images
   */
  constructor(bytes: Uint8Array, { width, height }: Size) {
    const one = width * height * 3;
    if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0) || bytes.length % one !== 0) {
      throw new RangeError(`images: expected [n, ${height}, ${width}, 3] bytes, got ${bytes.length}`);
    }
    this.bytes = bytes;
    this.width = width;
    this.height = height;
    this.count = bytes.length / one;
  }

  /** `count` black images. */
  static allocate(count: number, size: Size): Images {
    return new Images(new Uint8Array(count * size.width * size.height * 3), size);
  }

  /**
   * Pictures copied into one array.
   * @param pictures at least one, all of one size
   * @throws RangeError if a size differs or there are none
   */
  static of(pictures: readonly Picture[]): Images {
    if (pictures.length === 0) throw new RangeError('images: expected at least one picture, got none');
    const images = Images.allocate(pictures.length, pictures[0]);
    for (const [i, picture] of pictures.entries()) images.set(i, picture);
    return images;
  }

  /** Bytes of one image. */
  private get stride(): number {
    return this.width * this.height * 3;
  }

  /** Image `i` as a picture that shares its bytes. @throws RangeError unless 0 <= i < count */
  at(i: number): Picture {
    this.expectIndex(i);
    const { width, height, stride } = this;
    return { width, height, data: this.bytes.subarray(i * stride, (i + 1) * stride) };
  }

  /** Copies a picture of the same size into place `i`. @throws RangeError unless 0 <= i < count and the size is the same */
  set(i: number, { width, height, data }: Picture): void {
    this.expectIndex(i);
    if (width !== this.width || height !== this.height || data.length !== this.stride) {
      throw new RangeError(
        `images: expected ${this.width} x ${this.height} pixels, got ${width} x ${height} (${data.length} bytes)`,
      );
    }
    this.bytes.set(data, i * this.stride);
  }

  /** The images from `from` up to `to`, sharing their bytes; ends outside are cut to what is there, as for an array. */
  slice(from: number, to: number = this.count): Images {
    const [start, end] = [from, to].map(i => Math.min(this.count, Math.max(0, i)) * this.stride);
    return new Images(this.bytes.subarray(start, Math.max(start, end)), this);
  }

  /** All images as pictures that share their bytes. */
  pictures(): Picture[] {
    return Array.from({ length: this.count }, (_, i) => this.at(i));
  }

  private expectIndex(i: number): void {
    if (!(Number.isInteger(i) && i >= 0 && i < this.count)) {
      throw new RangeError(`images: expected a place from 0 to ${this.count - 1}, got ${i}`);
    }
  }
}

/** `count` of `n` places, spread evenly from the first on; all n where there are no more. */
export function spreadPlaces(n: number, count: number): number[] {
  const take = Math.min(n, count);
  return Array.from({ length: take }, (_, i) => Math.floor((i * n) / take));
}

/** A picture of one colour. */
export function blank(width: number, height: number, colour: Rgb = [255, 255, 255]): Picture {
  const picture = { width, height, data: new Uint8Array(width * height * 3) };
  fill(picture, { left: 0, top: 0, width, height }, colour);
  return picture;
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
