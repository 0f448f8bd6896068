/**
 * @file Pictures take turns to be decoded, by the memory that they need: however many are asked for at once, those that must lie
 * in memory as a whole are no more than a few at a time.
 */

/** What the header tells of the memory that decoding needs. */
export interface Bulk {
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** Interlaced or progressive: the last pixel may come before the second. */
  readonly isProgressive?: boolean;
  /** Of EXIF; above 1 the picture is turned or mirrored. */
  readonly orientation?: number;
}

/** Encodings that are decoded a few lines at a time; all others need the whole picture in memory. */
const BY_LINES: ReadonlySet<string> = new Set(['jpeg', 'png', 'tiff']);
/** What a picture that is decoded by lines needs, as a share of one that is not. */
const LINES_SHARE = 1 / 16;
/** Most pixels in memory at once: half a gigabyte of red, green, blue and alpha. */
const PIXELS = 2 ** 27;

/** The pixels that lie in memory while a picture is decoded. */
export function pixelsHeld({ width, height, format, isProgressive, orientation = 1 }: Bulk): number {
  const byLines = BY_LINES.has(format) && isProgressive !== true && orientation <= 1;
  return width * height * (byLines ? LINES_SHARE : 1);
}

/** Jobs of different weights, as many at once as a budget has room for, in the order in which they come. */
export class Turns {
  private readonly budget: number;
  private readonly waiting: { readonly weight: number; readonly begin: () => void }[] = [];
  private held = 0;

  constructor(budget: number) {
    this.budget = budget;
  }

  /** Runs a job when there is room for it; one that is heavier than the budget runs alone. */
  async run<T>(weight: number, job: () => Promise<T>): Promise<T> {
    if (this.waiting.length > 0 || !this.hasRoom(weight)) {
      await new Promise<void>(begin => this.waiting.push({ weight, begin }));
    } else {
      this.held += weight;
    }
    try {
      return await job();
    } finally {
      this.held -= weight;
      this.beginNext();
    }
  }

  private hasRoom(weight: number): boolean {
    return this.held === 0 || this.held + weight <= this.budget;
  }

  private beginNext(): void {
    for (let next = this.waiting[0]; next !== undefined && this.hasRoom(next.weight); next = this.waiting[0]) {
      this.waiting.shift();
      this.held += next.weight;
      next.begin();
    }
  }
}

/** Those of this process, whose memory is one. */
export const decodingTurns = new Turns(PIXELS);
