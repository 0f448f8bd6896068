/** @file Which patches of a picture are kept and which are painted anew, as somebody changes it: strokes that can be undone. No DOM. */

/** What is done with patches. */
export type Stroke = 'anew' | 'keep';

/** Most strokes that can be undone. */
const MOST = 200;

export class Mask {
  /** Patches along each side. */
  readonly grid: number;
  private now: readonly boolean[];
  private past: (readonly boolean[])[] = [];
  private future: (readonly boolean[])[] = [];
  private stroke: { readonly kind: Stroke; readonly before: readonly boolean[]; last: number } | undefined;

  /** @param grid patches along each side; all are kept at first */
  constructor(grid: number) {
    this.grid = grid;
    this.now = new Array<boolean>(grid ** 2).fill(true);
  }

  /** [grid * grid] in raster order: true is kept. */
  get keep(): readonly boolean[] {
    return this.now;
  }

  /** Patches that are painted anew. */
  get painted(): number {
    return this.now.filter(kept => !kept).length;
  }

  /** How many whole rows from the top are kept, if those are all that is kept; undefined of any other mask. */
  get rows(): number | undefined {
    const kept = this.grid ** 2 - this.painted;
    return kept % this.grid === 0 && this.now.every((each, i) => each === i < kept) ? kept / this.grid : undefined;
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** Begins a stroke at a patch: what is marked there decides, unless it is said, whether it marks or erases. */
  begin(patch: number, size: number, kind: Stroke = this.now[patch] ? 'anew' : 'keep'): void {
    this.stroke = { kind, before: this.now, last: patch };
    this.dab(patch, size);
  }

  /** Goes on with the stroke, over all patches on the straight way from the last one. */
  move(patch: number, size: number): void {
    const { stroke, grid } = this;
    if (stroke === undefined || stroke.last === patch) return;
    const [fromX, fromY] = [stroke.last % grid, Math.floor(stroke.last / grid)];
    const [byX, byY] = [(patch % grid) - fromX, Math.floor(patch / grid) - fromY];
    const steps = Math.max(Math.abs(byX), Math.abs(byY));
    for (let step = 1; step <= steps; step++) {
      const [x, y] = [fromX + Math.round((byX * step) / steps), fromY + Math.round((byY * step) / steps)];
      this.dab(y * grid + x, size);
    }
    stroke.last = patch;
  }

  /** Ends the stroke, which is undone as one. */
  end(): void {
    const before = this.stroke?.before;
    this.stroke = undefined;
    if (before !== undefined) this.remember(before);
  }

  /** Puts another mask in its place. @param keep [grid * grid] */
  set(keep: readonly boolean[]): void {
    this.end();
    const before = this.now;
    this.now = [...keep];
    this.remember(before);
  }

  keepRows(rows: number): void {
    this.set(this.now.map((_, i) => i < rows * this.grid));
  }

  undo(): void {
    this.end();
    const before = this.past.pop();
    if (before === undefined) return;
    this.future.push(this.now);
    this.now = before;
  }

  redo(): void {
    this.end();
    const after = this.future.pop();
    if (after === undefined) return;
    this.past.push(this.now);
    this.now = after;
  }

  private remember(before: readonly boolean[]): void {
    if (before.every((kept, i) => kept === this.now[i])) return;
    this.past = [...this.past, before].slice(-MOST);
    this.future = [];
  }

  /** A square of patches whose middle, of an even size the one before it, is at a patch. */
  private dab(patch: number, size: number): void {
    const { grid, stroke } = this;
    const [x, y] = [patch % grid, Math.floor(patch / grid)];
    const from = -Math.floor((size - 1) / 2);
    this.now = this.now.map((kept, i) => {
      const [dx, dy] = [(i % grid) - x - from, Math.floor(i / grid) - y - from];
      const isHit = dx >= 0 && dx < size && dy >= 0 && dy < size;
      return isHit ? stroke?.kind === 'keep' : kept;
    });
  }
}
