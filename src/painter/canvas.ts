/**
 * @file The picture as it appears: a mosaic whose tiles come up one after another, no faster than an eye follows, until it is
 * whole. Where motion is not wanted tiles are there at once.
 */
import { element } from '../web/page/dom.ts';

/** Milliseconds in which the tiles of a picture come up, at least; and of one tile. */
const ALL = 1100;
const ONE = 260;
/** A pause longer than this is not made up for. */
const LATEST = 60;
/** Side of the drawing in pixels, at least: pictures are small, and screens are not. */
const SIDE = 768;

export class TileCanvas {
  readonly root: HTMLCanvasElement;
  private readonly grid: number;
  private readonly picture: HTMLCanvasElement;
  /** By cell: when its tile began to come up; undefined where nothing has been painted. */
  private since: (number | undefined)[] = [];
  /** Cells that have been painted and wait. */
  private queue: number[] = [];
  private last = 0;
  private frame = 0;
  private isWhole = false;
  private shown: (() => void) | undefined;

  constructor({ grid, imageSize }: { readonly grid: number; readonly imageSize: number }) {
    this.grid = grid;
    const side = imageSize * Math.max(1, Math.ceil(SIDE / imageSize));
    this.root = element('canvas', { width: side, height: side, role: 'img', 'aria-label': 'nothing painted yet' });
    this.picture = element('canvas', { width: imageSize, height: imageSize });
    this.clear();
    document.addEventListener('visibilitychange', () => this.run()); // a page that is not seen has no frames
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw(performance.now()));
  }

  /** Empty again, but for tiles that stay. */
  clear(kept?: ImageData, isKept: (cell: number) => boolean = () => false): void {
    cancelAnimationFrame(this.frame);
    this.isWhole = false;
    this.queue = [];
    this.since = Array.from({ length: this.grid ** 2 }, (_, cell) => (isKept(cell) ? -ONE : undefined));
    if (kept !== undefined) this.put(kept);
    this.draw(performance.now());
  }

  /** Shows what is there of a picture. @param has whether a cell has been painted */
  appear(picture: ImageData, has: (cell: number) => boolean): void {
    this.put(picture);
    const waiting = new Set(this.queue);
    for (let cell = 0; cell < this.since.length; cell++) {
      if (has(cell) && this.since[cell] === undefined && !waiting.has(cell)) this.queue.push(cell);
    }
    this.run();
  }

  /** Shows a finished picture, as soon as all of its tiles are up. */
  async finish(picture: ImageData, words: string): Promise<void> {
    this.appear(picture, () => true);
    this.root.setAttribute('aria-label', words);
    if (this.queue.length > 0) {
      await new Promise<void>(resolve => {
        this.shown = resolve;
      });
    }
  }

  /** Shows a finished picture at once. */
  show(picture: ImageData, words: string): void {
    this.clear(picture, () => true);
    this.isWhole = true;
    this.root.setAttribute('aria-label', words);
    this.draw(performance.now());
  }

  private put(picture: ImageData): void {
    this.picture.getContext('2d')?.putImageData(picture, 0, 0);
  }

  private run(): void {
    cancelAnimationFrame(this.frame);
    if (matchMedia('(prefers-reduced-motion: reduce)').matches || document.hidden) this.raise(this.queue.length, -ONE);
    const now = performance.now();
    this.raise(Math.floor((Math.min(now - this.last, LATEST) / ALL) * this.since.length), now);
    this.draw(now);
    const isUp = this.queue.length === 0 && this.since.every(at => at === undefined || now - at >= ONE);
    if (this.queue.length === 0) {
      this.shown?.();
      this.shown = undefined;
    }
    if (!isUp) this.frame = requestAnimationFrame(() => this.run());
  }

  /** Lets waiting tiles come up. */
  private raise(count: number, at: number): void {
    if (count < 1) return;
    for (const cell of this.queue.splice(0, count)) this.since[cell] = at;
    this.last = performance.now();
  }

  private draw(now: number): void {
    const { root, grid, picture, since } = this;
    const context = root.getContext('2d');
    if (context === null) return;
    const side = root.width;
    const tile = side / grid;
    context.imageSmoothingQuality = 'high';
    context.clearRect(0, 0, side, side);
    if (this.isWhole || since.every(at => at !== undefined && now - at >= ONE)) {
      context.drawImage(picture, 0, 0, side, side);
      return;
    }
    context.fillStyle = getComputedStyle(root).getPropertyValue('--grid') || '#ccc';
    since.forEach((at, cell) => {
      const [x, y] = [(cell % grid) * tile, Math.floor(cell / grid) * tile];
      const done = at === undefined ? 0 : Math.min(1, Math.max(0, (now - at) / ONE));
      if (done < 1) drawTile(context, { x, y, tile, gap: tile * 0.06 });
      if (done > 0) drawPart(context, picture, { x, y, tile, done, side });
    });
  }
}

/** A place without a tile. */
function drawTile(
  context: CanvasRenderingContext2D,
  { x, y, tile, gap }: { readonly x: number; readonly y: number; readonly tile: number; readonly gap: number },
): void {
  context.globalAlpha = 1;
  context.beginPath();
  context.roundRect(x + gap, y + gap, tile - 2 * gap, tile - 2 * gap, tile * 0.1);
  context.fill();
}

/** A tile on its way up: a growing part of the picture, which stays where it belongs. */
function drawPart(
  context: CanvasRenderingContext2D,
  picture: HTMLCanvasElement,
  part: { readonly x: number; readonly y: number; readonly tile: number; readonly done: number; readonly side: number },
): void {
  const { x, y, tile, done, side } = part;
  const eased = 1 - (1 - done) ** 3;
  const inset = ((1 - eased) * tile) / 3;
  context.save();
  context.globalAlpha = eased;
  context.beginPath();
  context.rect(x + inset, y + inset, tile - 2 * inset, tile - 2 * inset);
  context.clip();
  context.drawImage(picture, 0, 0, side, side);
  context.restore();
}
