/** @file Where pictures are dropped, or chosen. */
import { element } from '../../web/page/dom.ts';
import { chosenIn, type Dropped, droppedBy } from './dropped.ts';

export class DropView {
  readonly root: HTMLElement;

  constructor(take: (dropped: Dropped) => void, fail: (error: unknown) => void) {
    const folder = element('input', { type: 'file', webkitdirectory: true, hidden: true });
    const archive = element('input', { type: 'file', multiple: true, hidden: true });
    const buttons = [
      ['Choose a folder', folder],
      ['Choose a ZIP file or pictures', archive],
    ] as const;
    this.root = element(
      'section',
      { class: 'drop', 'aria-label': 'pictures' },
      element('p', {}, element('strong', {}, 'Drop a folder or a ZIP file of captioned pictures')),
      element(
        'p',
        { class: 'soft' },
        'A caption is a text beside its picture (cat.txt with cat.png), or a row of metadata.jsonl, captions.csv or the like. Some dozens of pictures are enough to begin with.',
      ),
      element(
        'div',
        { class: 'choose' },
        buttons.map(([words, input]) => {
          const button = element('button', { type: 'button' }, words);
          button.addEventListener('click', () => input.click());
          return [button, input];
        }),
      ),
    );
    const found = (dropped: Dropped | undefined) => {
      if (dropped === undefined) fail(new Error('expected files or a folder, got something else'));
      else take(dropped);
    };
    for (const input of [folder, archive]) {
      input.addEventListener('change', () => {
        if (input.files !== null && input.files.length > 0) found(chosenIn(input.files));
      });
    }
    this.root.addEventListener('dragover', event => {
      event.preventDefault();
      this.root.classList.add('is-over');
    });
    this.root.addEventListener('dragleave', () => this.root.classList.remove('is-over'));
    this.root.addEventListener('drop', event => {
      event.preventDefault();
      this.root.classList.remove('is-over');
      if (event.dataTransfer !== null) droppedBy(event.dataTransfer).then(found, fail);
    });
  }
}
