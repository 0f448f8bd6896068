/**
 * @file Marks patches of a picture by mouse, pen, finger or keys. What is marked is painted anew; the rest stays. Below it its tools, and
 * what the keys do.
 */

import { element, fill } from './dom.ts';
import { download } from './download.ts';
import { Mask, type Stroke } from './mask.ts';
import { maskFile, readMask } from './mask-file.ts';

/** Keys that move the cursor, by columns and rows. */
const WAYS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export interface MaskEditorOptions {
  readonly grid: number;
  /** Side of the picture in pixels. */
  readonly imageSize: number;
  readonly onChange: () => void;
  /** Without what people who paint often have besides: whole rows, and masks as files. */
  readonly isSimple?: boolean;
}

export class MaskEditor {
  readonly root = element('div', { class: 'paint-mask' });
  readonly mask: Mask;
  private readonly options: MaskEditorOptions;
  private readonly picture = element('img', { alt: '' });
  private readonly canvas: HTMLCanvasElement;
  private readonly said = element('p', { class: 'soft paint-said', 'aria-live': 'polite' });
  private readonly rows: HTMLInputElement;
  private readonly sizes: HTMLInputElement;
  private readonly eraser: HTMLInputElement;
  private readonly undos = element(
    'button',
    { type: 'button', onclick: () => this.change(() => this.mask.undo()) },
    'Undo',
  );
  private readonly redos = element(
    'button',
    { type: 'button', onclick: () => this.change(() => this.mask.redo()) },
    'Redo',
  );
  private cursor = 0;
  private hover: number | undefined;

  constructor(options: MaskEditorOptions) {
    const { grid } = options;
    this.options = options;
    this.mask = new Mask(grid);
    this.canvas = element('canvas', {
      ...{ tabindex: 0, role: 'application', width: grid * 16, height: grid * 16 },
      'aria-label': 'patches to paint anew: arrow keys move, space marks or unmarks',
    });
    this.rows = element('input', { type: 'range', id: 'paint-rows', min: 0, max: grid, value: grid, step: 1 });
    this.rows.addEventListener('input', () => this.change(() => this.mask.keepRows(Number(this.rows.value))));
    this.sizes = element('input', { type: 'number', id: 'paint-brush', min: 1, max: grid, value: 1 });
    this.sizes.addEventListener('input', () => this.draw());
    this.eraser = element('input', { type: 'checkbox', id: 'paint-eraser' });
    this.listen();
    this.build();
    this.draw();
  }

  /** Shows another picture below the mask, which stays. */
  show(url: string, alt: string): void {
    this.picture.src = url;
    this.picture.alt = alt;
  }

  /** Puts another mask in its place. */
  set(keep: readonly boolean[]): void {
    this.change(() => this.mask.set(keep));
  }

  private get size(): number {
    return Math.min(this.options.grid, Math.max(1, Math.floor(Number(this.sizes.value)) || 1));
  }

  private get stroke(): Stroke | undefined {
    return this.eraser.checked ? 'keep' : undefined;
  }

  private change(work: () => void): void {
    work();
    this.draw();
    this.options.onChange();
  }

  private listen(): void {
    const { canvas, mask } = this;
    canvas.addEventListener('pointerdown', event => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      this.cursor = this.patchAt(event);
      this.change(() => mask.begin(this.cursor, this.size, this.stroke));
    });
    canvas.addEventListener('pointermove', event => {
      this.hover = this.patchAt(event);
      if (canvas.hasPointerCapture(event.pointerId)) {
        this.cursor = this.hover;
        this.change(() => mask.move(this.cursor, this.size));
      } else this.draw();
    });
    const end = () => this.change(() => mask.end());
    canvas.addEventListener('pointerup', end);
    canvas.addEventListener('pointercancel', end);
    canvas.addEventListener('pointerleave', () => {
      this.hover = undefined;
      this.draw();
    });
    canvas.addEventListener('focus', () => this.draw());
    canvas.addEventListener('blur', () => this.draw());
    canvas.addEventListener(
      'wheel',
      event => {
        event.preventDefault();
        this.resize(event.deltaY < 0 ? 1 : -1);
      },
      { passive: false },
    );
    this.root.addEventListener('keydown', event => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const letter = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (letter === 'z' || letter === 'y')) {
      event.preventDefault();
      this.change(() => (letter === 'y' || event.shiftKey ? this.mask.redo() : this.mask.undo()));
    } else if (event.key === '[' || event.key === ']') this.resize(event.key === ']' ? 1 : -1);
    else if (event.target === this.canvas) this.cursorKey(event);
  }

  /** Keys of the picture itself. */
  private cursorKey(event: KeyboardEvent): void {
    const { mask } = this;
    const way = WAYS[event.key];
    if (way !== undefined) {
      event.preventDefault();
      const { grid } = this.options;
      const within = (value: number) => Math.min(grid - 1, Math.max(0, value));
      const [x, y] = [within((this.cursor % grid) + way[0]), within(Math.floor(this.cursor / grid) + way[1])];
      this.cursor = y * grid + x;
      this.draw();
      this.say();
    } else if (event.key === ' ' || event.key === 'Enter') {
      event.preventDefault();
      this.change(() => {
        mask.begin(this.cursor, this.size, this.stroke);
        mask.end();
      });
      this.say();
    } else if (event.key === 'e') {
      this.eraser.checked = !this.eraser.checked;
      this.say();
    }
  }

  private resize(by: number): void {
    this.sizes.value = String(Math.min(this.options.grid, Math.max(1, this.size + by)));
    this.draw();
  }

  private say(): void {
    const { grid } = this.options;
    const [row, column] = [Math.floor(this.cursor / grid) + 1, (this.cursor % grid) + 1];
    const tool = this.eraser.checked ? ', eraser' : '';
    fill(this.said, `Row ${row}, column ${column}: ${this.mask.keep[this.cursor] ? 'kept' : 'painted anew'}${tool}`);
  }

  private patchAt({ clientX, clientY }: MouseEvent): number {
    const { grid } = this.options;
    const box = this.canvas.getBoundingClientRect();
    const place = (at: number, length: number) => Math.min(grid - 1, Math.max(0, Math.floor((at / length) * grid)));
    return place(clientY - box.top, box.height) * grid + place(clientX - box.left, box.width);
  }

  private draw(): void {
    const { mask, canvas } = this;
    const { grid } = this.options;
    const context = canvas.getContext('2d')!;
    const patch = canvas.width / grid;
    const style = getComputedStyle(this.root);
    const [paper, link] = ['--paper', '--link'].map(name => style.getPropertyValue(name) || '#888');
    context.clearRect(0, 0, canvas.width, canvas.height);
    mask.keep.forEach((kept, i) => {
      const [x, y] = [(i % grid) * patch, Math.floor(i / grid) * patch];
      if (!kept) hatch(context, { x, y, patch, paper, link });
    });
    context.strokeStyle = link;
    context.lineWidth = 2;
    const at = this.hover ?? (document.activeElement === canvas ? this.cursor : undefined);
    if (at !== undefined) {
      const from = -Math.floor((this.size - 1) / 2);
      const [x, y] = [(at % grid) + from, Math.floor(at / grid) + from];
      context.strokeRect(x * patch + 1, y * patch + 1, this.size * patch - 2, this.size * patch - 2);
    }
    this.undos.disabled = !mask.canUndo;
    this.redos.disabled = !mask.canRedo;
    const { rows } = mask;
    if (rows !== undefined) this.rows.value = String(rows);
    fill(this.rowCount, rows === undefined ? 'Keep only the top rows' : `Keep only the top rows: ${rows} of ${grid}`);
    fill(this.count, `${mask.painted} of ${grid ** 2} patches are painted anew`);
  }

  private readonly rowCount = element('label', { for: 'paint-rows' });
  private readonly count = element('p', { class: 'paint-count' });

  private build(): void {
    const { grid, imageSize, isSimple = false } = this.options;
    const all = (kept: boolean) => () => this.change(() => this.mask.set(this.mask.keep.map(() => kept)));
    const button = (words: string, onclick: () => void) => element('button', { type: 'button', onclick }, words);
    const save = async () => download(await maskFile(this.mask.keep, imageSize), 'mask.png');
    const file = element('input', { type: 'file', accept: 'image/*', id: 'paint-mask-file', class: 'hidden' });
    file.addEventListener('change', () => {
      const [given] = file.files ?? [];
      file.value = '';
      if (given === undefined) return;
      void readMask(given, grid).then(
        keep => this.change(() => this.mask.set(keep)),
        (error: Error) => fill(this.said, error.message),
      );
    });
    fill(
      this.root,
      element('div', { class: 'paint-board' }, this.picture, this.canvas),
      element(
        'div',
        { class: 'paint-tools' },
        this.count,
        isSimple ? undefined : element('p', { class: 'paint-field' }, this.rowCount, this.rows),
        element(
          'p',
          { class: 'paint-row' },
          element('label', { for: 'paint-brush' }, 'Brush ', this.sizes),
          element('label', { for: 'paint-eraser' }, this.eraser, ' eraser'),
        ),
        element(
          'p',
          { class: 'paint-row' },
          this.undos,
          this.redos,
          button('Keep all', all(true)),
          button('All anew', all(false)),
        ),
        isSimple
          ? undefined
          : element(
              'p',
              { class: 'paint-row' },
              button('Save mask', () => void save()),
              element('label', { class: 'button', for: 'paint-mask-file' }, 'Load mask'),
              file,
            ),
        this.said,
        element(
          'p',
          { class: 'soft paint-keys' },
          'Click or drag marks what is painted anew; from a marked patch on it unmarks. Wheel or [ ]: size of the brush. ',
          'Keys: arrows, space, e for the eraser, Ctrl-Z, Ctrl-Y.',
        ),
      ),
    );
  }
}

interface Hatch {
  readonly x: number;
  readonly y: number;
  readonly patch: number;
  readonly paper: string;
  readonly link: string;
}

/** A marked patch: paper with a stroke through it, so that it is told without colours. */
function hatch(context: CanvasRenderingContext2D, { x, y, patch, paper, link }: Hatch): void {
  context.globalAlpha = 0.72;
  context.fillStyle = paper;
  context.fillRect(x, y, patch, patch);
  context.globalAlpha = 0.9;
  context.strokeStyle = link;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, y + patch);
  context.lineTo(x + patch, y);
  context.stroke();
  context.globalAlpha = 1;
}
