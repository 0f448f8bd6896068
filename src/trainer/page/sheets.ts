/** @file The newest sheets of pictures: what the model paints, and what its patch tokenizer makes of pictures. */
import type { SheetKind } from '../../runs/sheet-history.ts';
import { element, fill } from '../../web/page/dom.ts';

const WORDS: Readonly<Record<SheetKind, readonly [heading: string, missing: string]>> = {
  samples: ['Samples', 'The first pictures are painted after some steps of the model.'],
  reconstructions: ['Reconstructions', 'Pictures from their codes come with the first steps of the patch tokenizer.'],
};

export class NewestSheets {
  readonly root = element('div', { class: 'run-pictures' });
  private readonly addresses = new Map<SheetKind, string>();
  private kind: SheetKind = 'samples';

  take(kind: SheetKind, png: Uint8Array): void {
    const before = this.addresses.get(kind);
    this.addresses.set(kind, URL.createObjectURL(new Blob([png as Uint8Array<ArrayBuffer>], { type: 'image/png' })));
    if (before !== undefined) URL.revokeObjectURL(before);
    this.draw();
  }

  show(kind: SheetKind): void {
    this.kind = kind;
    this.draw();
  }

  clear(): void {
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
    this.addresses.clear();
    this.draw();
  }

  private draw(): void {
    const [heading, missing] = WORDS[this.kind];
    const address = this.addresses.get(this.kind);
    const inner =
      address === undefined
        ? element('p', { class: 'missing' }, missing)
        : element(
            'a',
            { href: address, target: '_blank' },
            element('img', { src: address, alt: `${heading}, newest` }),
          );
    fill(this.root, element('p', { class: 'sheet-head' }, heading), element('div', { class: 'sheets' }, inner));
  }
}
