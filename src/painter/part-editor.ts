/** @file Painting a part of a picture anew: a brush over its patches, what is marked is painted, the rest stays. */
import type { Kept } from '../browser/tessera.ts';
import { element, fill } from '../web/page/dom.ts';
import { MaskEditor } from '../web/page/mask-editor.ts';
import { pngOf } from './png-file.ts';

/** A picture and the codes that it is made of. */
export interface CodedPicture {
  readonly codes: Int32Array;
  readonly picture: ImageData;
}

export interface PartEditorOptions {
  readonly grid: number;
  readonly imageSize: number;
  readonly onPaint: (kept: Kept, picture: ImageData) => void;
  readonly onClose: () => void;
}

export class PartEditor {
  readonly root = element('section', { class: 'part-editor', 'aria-label': 'paint a part anew', hidden: true });
  private editor: MaskEditor;
  private readonly board = element('div');
  private readonly paint = element('button', { type: 'button', class: 'main' }, 'Paint the marked part');
  private readonly hint = element('p', { class: 'soft' });
  private readonly options: PartEditorOptions;
  private coded: CodedPicture | undefined;
  private address = '';

  constructor(options: PartEditorOptions) {
    this.options = options;
    this.editor = this.fresh();
    this.paint.addEventListener('click', () => this.go());
    const close = element('button', { type: 'button', onclick: () => options.onClose() }, 'Back');
    fill(
      this.root,
      element('h2', {}, 'Paint a part anew'),
      this.hint,
      this.board,
      element('p', { class: 'actions' }, this.paint, close),
    );
    this.root.addEventListener('keydown', event => {
      if (event.key === 'Escape') options.onClose();
    });
  }

  get isOpen(): boolean {
    return !this.root.hidden;
  }

  /** @param words what is said above it */
  async open(coded: CodedPicture, words: string): Promise<void> {
    this.coded = coded;
    fill(this.hint, words);
    URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(await pngOf(coded.picture));
    this.editor = this.fresh();
    this.editor.show(this.address, 'the picture whose patches are marked');
    fill(this.board, this.editor.root);
    this.root.hidden = false;
    this.change();
    this.root.querySelector('canvas')?.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: 'nearest' });
  }

  close(): void {
    this.root.hidden = true;
  }

  /** An editor with nothing marked, and nothing to undo. */
  private fresh(): MaskEditor {
    const { grid, imageSize } = this.options;
    return new MaskEditor({ grid, imageSize, onChange: () => this.change(), isSimple: true });
  }

  private change(): void {
    this.paint.disabled = this.editor.mask.painted === 0;
  }

  private go(): void {
    if (this.coded === undefined || this.editor.mask.painted === 0) return;
    const { codes, picture } = this.coded;
    this.options.onPaint({ codes, mask: [...this.editor.mask.keep] }, picture);
  }
}
