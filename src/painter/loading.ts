/** @file What is seen while the run is loaded: how many bytes of how many, and what to do where it does not load. */
import type { LoadProgress } from '../browser/read-run.ts';
import { element, failure, fill } from '../web/page/dom.ts';

export class LoadingView {
  readonly root = element('div', { class: 'loading', 'aria-live': 'polite' });
  private readonly words = element('p');
  private readonly bar = element('progress', { 'aria-label': 'how much of the model is loaded' });
  private readonly total: number;

  /** @param total bytes of all files that are loaded */
  constructor(total: number) {
    this.total = total;
  }

  begin(): void {
    this.bar.removeAttribute('value');
    fill(this.words, 'Loading the model');
    fill(this.root, this.words, this.bar);
    this.root.hidden = false;
  }

  hear({ loaded }: LoadProgress): void {
    this.bar.max = this.total;
    this.bar.value = loaded;
    const isThere = loaded >= this.total;
    fill(
      this.words,
      isThere ? 'Unpacking the model' : `Loading the model: ${megabytes(loaded)} of ${megabytes(this.total)} MB`,
    );
  }

  end(): void {
    this.root.hidden = true;
    fill(this.root);
  }

  /** What went wrong, and a button that tries again. */
  fail(error: unknown, again: () => void): void {
    this.root.hidden = false;
    fill(
      this.root,
      failure(explained(error)),
      element('p', {}, element('button', { type: 'button', class: 'main', onclick: again }, 'Try again')),
    );
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

/** The usual reasons, in words of those who open pages. */
function explained(error: unknown): unknown {
  const hint = reasonOf();
  if (hint === undefined) return error;
  const message = error instanceof Error ? error.message : String(error);
  return Object.assign(new Error(message), { hint });
}

function reasonOf(): string | undefined {
  if (typeof WebAssembly === 'undefined')
    return 'This browser runs no WebAssembly, or it is switched off: open the page in another one.';
  if (location.protocol === 'file:') {
    return 'A folder that was exported must lie on a web server. `tessera export --single page.html` makes a page that opens from a disk.';
  }
  if (!navigator.onLine) return 'This device is offline. Go online once; from then on the page has what it needs.';
  return undefined;
}
