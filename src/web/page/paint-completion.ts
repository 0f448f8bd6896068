/** @file A picture to complete: dropped, chosen or taken from a painting; shown as the run sees it, with the mask over it. */
import type { GivenPicture, PaintingFacts, PaintOrder } from '../studio/paint/messages.ts';
import { call, keyed } from './api.ts';
import { element, failure, fill } from './dom.ts';
import { MaskEditor } from './mask-editor.ts';

export interface CompletionOptions {
  readonly facts: PaintingFacts;
  readonly signal: AbortSignal;
}

export class CompletionView {
  readonly root = element('details', { class: 'paint-completion' });
  private readonly options: CompletionOptions;
  private readonly file = element('input', {
    type: 'file',
    accept: 'image/png,image/jpeg,image/webp',
    id: 'paint-file',
    class: 'hidden',
  });
  private readonly drop: HTMLElement;
  private readonly place = element('div');
  private readonly editor: MaskEditor | undefined;
  private given: GivenPicture | undefined;

  constructor(options: CompletionOptions) {
    this.options = options;
    const { grid, imageSize, paints } = options.facts;
    this.file.addEventListener('change', () => {
      const [file] = this.file.files ?? [];
      this.file.value = '';
      if (file !== undefined) void this.take(file);
    });
    this.drop = element(
      'div',
      { class: 'paint-drop' },
      this.file,
      element('label', { class: 'button', for: 'paint-file' }, 'Choose a picture'),
      element('span', { class: 'soft' }, ' or drop or paste one here'),
    );
    const summary = element('summary', {}, 'Complete a picture');
    if (grid === null) {
      fill(this.root, summary, element('p', { class: 'soft' }, `No effect: ${paints}.`));
      return;
    }
    this.editor = new MaskEditor({ grid, imageSize, onChange: () => {} });
    fill(this.root, summary, this.drop, this.place);
    this.listen();
  }

  /** What an order says of it; undefined where nothing is completed. */
  get completion(): PaintOrder['completion'] {
    if (this.given === undefined || this.editor === undefined) return undefined;
    return { picture: this.given.id, keep: this.editor.mask.keep };
  }

  /** Whether a picture is there of which nothing would be painted. */
  get isWhole(): boolean {
    return this.given !== undefined && this.editor?.mask.painted === 0;
  }

  /** Takes a picture, whose mask stays what it was. */
  async take(blob: Blob): Promise<void> {
    const { facts, signal } = this.options;
    this.root.open = true;
    fill(this.place, element('p', { class: 'soft', role: 'status' }, 'Reading the picture …'));
    try {
      const type = /^image\/(png|jpeg|webp)$/.test(blob.type) ? blob.type : 'image/png'; // what it is, the bytes say
      const body = new Blob([blob], { type });
      this.given = await call<GivenPicture>(`/api/pictures?run=${facts.id}`, { method: 'POST', body, signal });
      this.show(this.given);
      this.root.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      this.given = undefined;
      if (!signal.aborted) fill(this.place, failure(error));
    }
  }

  /** Shows what was completed before. */
  restore({ picture, keep }: NonNullable<PaintOrder['completion']>): void {
    if (this.editor === undefined) return;
    const url = `/api/pictures/${picture}`;
    this.given = { id: picture, url, reconstruction: `${url}/copy` };
    this.root.open = true;
    this.editor.set(keep);
    this.show(this.given);
  }

  private show({ url, reconstruction }: GivenPicture): void {
    const { editor } = this;
    if (editor === undefined) return;
    editor.show(keyed(reconstruction), 'the picture as the run sees it');
    const original = element('img', { src: keyed(url), alt: 'the picture as it was given', class: 'paint-given' });
    const remove = () => {
      this.given = undefined;
      fill(this.place);
    };
    fill(
      this.place,
      editor.root,
      element(
        'div',
        { class: 'paint-about' },
        original,
        element(
          'p',
          { class: 'soft' },
          'Small: the picture as it was given, its middle square. Large: as the run sees it, which is what stays where it is kept. ',
          element('a', { href: keyed(url), download: 'picture.png' }, 'Save it'),
          ' ',
          element('button', { type: 'button', onclick: remove }, 'Remove'),
        ),
      ),
    );
  }

  private listen(): void {
    const { drop, root } = this;
    root.addEventListener('dragover', event => {
      event.preventDefault();
      drop.classList.add('paint-over');
    });
    root.addEventListener('dragleave', () => drop.classList.remove('paint-over'));
    root.addEventListener('drop', event => {
      event.preventDefault();
      drop.classList.remove('paint-over');
      const [file] = event.dataTransfer?.files ?? [];
      if (file !== undefined) void this.take(file);
    });
    const paste = (event: ClipboardEvent) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
      if (file !== undefined) void this.take(file);
    };
    document.addEventListener('paste', paste);
    this.options.signal.addEventListener('abort', () => document.removeEventListener('paste', paste));
  }
}
