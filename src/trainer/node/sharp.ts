/**
 * @file `sharp` of a worker in a browser, as far as the program uses it: pictures are decoded by the browser itself, and cropped,
 * scaled and lettered on a canvas. What is scaled differs from libvips in its last bits; what has its size already is
 * the same to the bit.
 */
import { Buffer } from 'buffer';
import { breaksOff } from '../../image/kind.ts';

type Canvas = OffscreenCanvas;
type Change = (canvas: Canvas) => Canvas;

interface Options {
  readonly raw?: { readonly width: number; readonly height: number; readonly channels: number };
  readonly text?: { readonly text: string; readonly font: string };
}

function contextOf(canvas: Canvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
  if (context === null) throw new Error('no canvas to be had');
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  return context;
}

/** A canvas that is painted on. */
function drawn(
  size: { readonly width: number; readonly height: number },
  draw: (context: OffscreenCanvasRenderingContext2D) => void,
): Canvas {
  const canvas = new OffscreenCanvas(size.width, size.height);
  draw(contextOf(canvas));
  return canvas;
}

class Sharp {
  private readonly source: Uint8Array | undefined;
  private readonly options: Options;
  private readonly changes: Change[] = [];
  private output: 'raw' | 'png' = 'png';
  private channels: 3 | 4 = 4;

  constructor(source: Uint8Array | undefined, options: Options) {
    this.source = source;
    this.options = options;
  }

  async metadata() {
    const { width, height } = await decode(this.bytes());
    return { format: 'picture', width, height, channels: 4, autoOrient: { width, height } };
  }

  /** Browsers turn pictures as EXIF says. */
  autoOrient(): this {
    return this;
  }

  flatten({ background }: { readonly background: string }): this {
    return this.change(canvas =>
      drawn(canvas, context => {
        context.fillStyle = background;
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.drawImage(canvas, 0, 0);
      }),
    );
  }

  resize(width: number, height: number, { fit }: { readonly fit: 'cover' | 'fill' | string }): this {
    return this.change(canvas => {
      if (canvas.width === width && canvas.height === height) return canvas;
      const scale = Math.max(width / canvas.width, height / canvas.height);
      const [w, h] = fit === 'cover' ? [width / scale, height / scale] : [canvas.width, canvas.height];
      const place = [(canvas.width - w) / 2, (canvas.height - h) / 2, w, h] as const;
      return drawn({ width, height }, context => context.drawImage(canvas, ...place, 0, 0, width, height));
    });
  }

  extract(window: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  }): this {
    return this.change(canvas => drawn(window, context => context.drawImage(canvas, -window.left, -window.top)));
  }

  extend(edges: {
    readonly left: number;
    readonly right: number;
    readonly top: number;
    readonly bottom: number;
    readonly background: string;
  }): this {
    return this.change(canvas => {
      const width = canvas.width + edges.left + edges.right;
      const height = canvas.height + edges.top + edges.bottom;
      return drawn({ width, height }, context => {
        context.fillStyle = edges.background;
        context.fillRect(0, 0, width, height);
        context.drawImage(canvas, edges.left, edges.top);
      });
    });
  }

  toColourspace(): this {
    return this;
  }

  removeAlpha(): this {
    this.channels = 3;
    return this;
  }

  raw(): this {
    this.output = 'raw';
    return this;
  }

  png(): this {
    this.output = 'png';
    return this;
  }

  async toBuffer(options?: { readonly resolveWithObject?: boolean }): Promise<unknown> {
    const canvas = this.changes.reduce((made, change) => change(made), await this.begin());
    if (this.output === 'png') {
      const blob = await canvas.convertToBlob({ type: 'image/png' });
      return Buffer.from(await blob.arrayBuffer());
    }
    const { width, height } = canvas;
    const { data } = contextOf(canvas).getImageData(0, 0, width, height);
    const bytes = this.channels === 3 ? withoutAlpha(data) : Buffer.from(data.buffer);
    return options?.resolveWithObject === true
      ? { data: bytes, info: { width, height, channels: this.channels } }
      : bytes;
  }

  private change(change: Change): this {
    this.changes.push(change);
    return this;
  }

  private bytes(): Uint8Array {
    if (this.source === undefined) throw new Error('sharp: expected the bytes of a picture');
    return this.source;
  }

  private async begin(): Promise<Canvas> {
    const { raw, text } = this.options;
    if (text !== undefined) return lettered(text);
    if (raw === undefined) return decode(this.bytes());
    const pixels = new ImageData(raw.width, raw.height);
    const source = this.bytes();
    for (let i = 0; i < raw.width * raw.height; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = source[raw.channels * i + c];
      pixels.data[4 * i + 3] = 255;
    }
    return drawn(raw, context => context.putImageData(pixels, 0, 0));
  }
}

/** @throws Error if it is no picture, or not a whole one, of which browsers would give what there is */
async function decode(bytes: Uint8Array): Promise<Canvas> {
  if (breaksOff(bytes)) throw new Error('the picture breaks off');
  const bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  try {
    return drawn(bitmap, context => context.drawImage(bitmap, 0, 0));
  } finally {
    bitmap.close();
  }
}

function withoutAlpha(rgba: Uint8ClampedArray): Buffer {
  const rgb = Buffer.alloc((rgba.length / 4) * 3);
  for (let i = 0; i < rgba.length / 4; i++) for (let c = 0; c < 3; c++) rgb[3 * i + c] = rgba[4 * i + c];
  return rgb;
}

/** One line of text, cut to its ink, black on nothing. @param label in the markup of Pango, without tags */
function lettered({ text, font }: { readonly text: string; readonly font: string }): Canvas {
  const [, weight = '', size = '12'] = /^DejaVu Sans (Bold )?(\d+)$/.exec(font) ?? [];
  const plain = text.replaceAll('\u200e', '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  const face = `${weight === '' ? '' : 'bold '}${size}px "DejaVu Sans", Verdana, sans-serif`;
  const measuring = contextOf(new OffscreenCanvas(1, 1));
  measuring.font = face;
  const box = measuring.measureText(plain);
  const [left, right] = [Math.floor(-box.actualBoundingBoxLeft), Math.ceil(box.actualBoundingBoxRight)];
  const [top, bottom] = [Math.floor(-box.actualBoundingBoxAscent), Math.ceil(box.actualBoundingBoxDescent)];
  if (right <= left || bottom <= top) throw new Error('no text to render');
  return drawn({ width: right - left, height: bottom - top }, context => {
    context.font = face;
    context.fillText(plain, -left, -top);
  });
}

/** Endings of the pictures that every browser reads. */
const format = {
  picture: {
    input: { buffer: true, fileSuffix: ['.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.gif', '.webp', '.avif'] },
  },
} as const;

function open(source: Uint8Array | Options, options: Options = {}): Sharp {
  return source instanceof Uint8Array ? new Sharp(source, options) : new Sharp(undefined, source);
}

/** What `sharp` exports; the bundle makes it the default. */
export const sharp = Object.assign(open, { format });
