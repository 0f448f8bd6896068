/** @file The page: a caption in, a picture out, and what can be done with it. */
import { readKnown } from '../browser/read-run.ts';
import { type PaintOptions, Tessera } from '../browser/tessera.ts';
import { UserError } from '../core/errors.ts';
import { type RunSource, runFiles } from '../io/runfiles.ts';
import { element, failure, fill } from '../web/page/dom.ts';
import { download } from '../web/page/download.ts';
import type { PageFacts } from '../web/painter/facts.ts';
import { aboutPage } from './about.ts';
import { type Asked, describe, type Part, type Result } from './asked.ts';
import { TileCanvas } from './canvas.ts';
import { CaptionField } from './captions.ts';
import { askedByLink, linkOf } from './link.ts';
import { LoadingView } from './loading.ts';
import { pictureInput, readPicture } from './own-picture.ts';
import { PartEditor } from './part-editor.ts';
import { fileName, pngFile } from './png-file.ts';
import { SettingsForm } from './settings.ts';
import { forgetOthers, pageSource, withEncoder } from './sources.ts';
import { Strip } from './strip.ts';

/** Where the parts of the engine are. */
export interface EngineFiles {
  readonly workerUrl: string;
  readonly wasmUrl: string;
}

export class PainterPage {
  private readonly facts: PageFacts;
  private readonly engine: EngineFiles;
  private readonly source: RunSource;
  private readonly captions: CaptionField;
  private readonly settings = new SettingsForm();
  private readonly canvas: TileCanvas;
  private readonly strip = new Strip(result => this.show(result));
  private readonly editor: PartEditor;
  private readonly loading: LoadingView;
  private readonly said = element('p', { class: 'said soft', 'aria-live': 'polite' });
  private readonly trouble = element('div');
  private readonly stop = element(
    'button',
    { type: 'button', hidden: true, onclick: () => this.abort?.abort() },
    'Stop',
  );
  private readonly actions = element('p', { class: 'actions', hidden: true });
  private tessera: Tessera | undefined;
  private hasEncoder = false;
  private isWanted = false;
  private abort: AbortController | undefined;
  private shown: Result | undefined;

  constructor(facts: PageFacts, engine: EngineFiles) {
    const { grid, imageSize, files, encoder } = facts;
    this.facts = facts;
    this.engine = engine;
    this.source = pageSource(facts);
    this.captions = new CaptionField(facts.examples, () => void this.paint());
    this.canvas = new TileCanvas({ grid, imageSize });
    const needed = Object.entries(files).filter(([name]) => name !== encoder && name !== runFiles.learnt);
    this.loading = new LoadingView(needed.reduce((sum, [, { bytes }]) => sum + bytes, 0));
    this.editor = new PartEditor({
      ...{ grid, imageSize },
      onPaint: (kept, picture) => void this.paint({ kept, picture }),
      onClose: () => this.closeEditor(),
    });
  }

  /** Builds the page and loads the run. */
  async open(main: HTMLElement): Promise<void> {
    this.build(main);
    const linked = askedByLink();
    if (linked !== undefined) this.write(linked);
    window.addEventListener('hashchange', () => {
      const asked = askedByLink();
      if (asked === undefined) return;
      this.write(asked);
      void this.paint();
    });
    void readKnown(this.source)
      .then(known => this.captions.know(known))
      .catch(() => {}); // without captions it paints as well
    await this.load();
  }

  private async load(): Promise<void> {
    this.loading.begin();
    try {
      this.tessera = await this.openTessera(this.source);
    } catch (error) {
      this.loading.fail(error, () => void this.load());
      return;
    }
    this.loading.end();
    this.settings.own(this.tessera.info.sampling);
    void forgetOthers(this.facts);
    if (!this.isWanted && this.captions.caption === '') {
      this.captions.caption = this.captions.surprise() ?? this.tessera.info.captions[0] ?? '';
    }
    await this.paint();
  }

  private openTessera(source: RunSource): Promise<Tessera> {
    return Tessera.load(source, {
      ...this.engine,
      ...(this.facts.isSingle && { backend: 'wasm' as const }),
      onProgress: progress => this.loading.hear(progress),
    });
  }

  private write(asked: Asked): void {
    this.captions.caption = asked.caption;
    this.settings.write(asked);
  }

  private build(main: HTMLElement): void {
    const form = element('form', { class: 'ask', novalidate: true });
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.paint();
    });
    const button = (words: string, onclick: () => void, attributes = {}) =>
      element('button', { type: 'button', onclick, ...attributes }, words);
    fill(
      form,
      this.captions.root,
      element(
        'p',
        { class: 'ask-go' },
        element('button', { type: 'submit', class: 'main' }, 'Paint'),
        button('Surprise me', () => this.surprise()),
      ),
      this.captions.help,
    );
    fill(
      this.actions,
      button('Another', () => this.another(), { class: 'main' }),
      button('Save', () => void this.save()),
      button('Change a part', () => void this.change()),
      this.facts.isSingle ? undefined : button('Copy link', () => void this.copyLink()),
    );
    fill(
      main,
      form,
      element(
        'div',
        { class: 'stage' },
        element('div', { class: 'board' }, this.canvas.root, this.loading.root),
        element('div', { class: 'under' }, this.said, this.stop),
        this.trouble,
        this.actions,
        this.editor.root,
      ),
      element(
        'div',
        { class: 'more' },
        this.settings.root,
        pictureInput(file => void this.begin(file)),
      ),
      this.strip.root,
      aboutPage(this.facts),
    );
  }

  /** Paints what is asked for, once the run is there. */
  private async paint(part?: Part): Promise<void> {
    this.isWanted = true;
    const asked = this.settings.read(this.captions.caption);
    if (asked === undefined) return;
    const { tessera } = this;
    if (tessera === undefined) {
      fill(this.said, 'It paints as soon as the model is there.');
      return;
    }
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.closeEditor();
    fill(this.trouble);
    this.actions.hidden = true;
    this.stop.hidden = false;
    if (part === undefined && !this.facts.isSingle) history.replaceState(null, '', linkOf(asked));
    this.canvas.clear(part?.picture, cell => part?.kept.mask[cell] === true);
    try {
      const result = await this.follow(tessera, asked, { part, signal: abort.signal });
      if (abort.signal.aborted) return;
      this.strip.add(result);
      this.show(result, { isDrawn: true });
    } catch (error) {
      if (abort !== this.abort) return; // another painting has begun
      if (abort.signal.aborted) fill(this.said, 'Stopped.');
      else fill(this.trouble, failure(error));
      this.actions.hidden = this.shown === undefined;
    } finally {
      if (abort === this.abort) this.stop.hidden = true;
    }
  }

  /** Shows the tiles as they are painted, to the last one. */
  private async follow(
    tessera: Tessera,
    asked: Asked,
    { part, signal }: { readonly part?: Part; readonly signal: AbortSignal },
  ): Promise<Result> {
    const { caption, ...settings } = asked;
    const options: PaintOptions = { ...settings, kept: part?.kept, signal };
    const isCoarseFirst = this.facts.order !== 'raster';
    let last: Pick<Result, 'codes' | 'picture'> | undefined;
    for await (const { codes, picture, done, total } of tessera.paint(caption, options)) {
      if (signal.aborted) break;
      fill(this.said, `Painting: ${done} of ${total} tiles`);
      this.canvas.appear(picture, cell => isCoarseFirst || codes[cell] >= 0);
      last = { codes, picture };
    }
    signal.throwIfAborted();
    if (last === undefined) throw new UserError('painting', 'nothing came of it', 'try again');
    const result = { asked, ...last, part };
    await this.canvas.finish(result.picture, describe(result));
    return result;
  }

  private show(result: Result, { isDrawn = false }: { readonly isDrawn?: boolean } = {}): void {
    this.shown = result;
    this.closeEditor();
    if (!isDrawn) {
      this.abort?.abort();
      this.canvas.show(result.picture, describe(result));
      this.write(result.asked);
      if (!this.facts.isSingle) history.replaceState(null, '', linkOf(result.asked));
    }
    fill(this.trouble);
    fill(this.said, describe(result));
    this.actions.hidden = false;
    const linkButton = this.actions.lastElementChild;
    if (linkButton instanceof HTMLElement && !this.facts.isSingle) linkButton.hidden = result.part !== undefined;
  }

  private another(): void {
    const asked = this.settings.read(this.captions.caption);
    if (asked === undefined) return;
    this.settings.seed = asked.seed + 1;
    void this.paint(this.shown?.part);
  }

  private surprise(): void {
    const caption = this.captions.surprise();
    if (caption === undefined) this.settings.seed = Math.floor(Math.random() * 2 ** 32);
    else this.captions.caption = caption;
    void this.paint();
  }

  private async save(): Promise<void> {
    const { shown, tessera, facts } = this;
    if (shown === undefined || tessera === undefined) return;
    const file = await pngFile(shown, { facts, sampling: tessera.info.sampling, backend: tessera.backend });
    download(file, fileName(shown));
  }

  private async copyLink(): Promise<void> {
    if (this.shown === undefined) return;
    const link = linkOf(this.shown.asked);
    try {
      await navigator.clipboard.writeText(link);
      fill(this.said, 'The link is copied: whoever opens it sees this picture painted.');
    } catch {
      fill(this.said, `This browser copies nothing here; the link is ${link}`);
    }
  }

  private async change(): Promise<void> {
    if (this.shown === undefined) return;
    await this.openEditor(
      this.shown,
      'Brush over what shall be painted anew; the rest stays. The caption may be another one.',
    );
  }

  /** Takes a picture of the visitor's own. */
  private async begin(file: Blob): Promise<void> {
    fill(this.trouble);
    try {
      const picture = await readPicture(file, this.facts.imageSize);
      const tessera = await this.withEncoder();
      const codes = await tessera.encode(picture);
      const words =
        'This is your picture as the model can paint it. Brush over what shall be painted anew, and say what it shall be.';
      await this.openEditor({ codes, picture: await tessera.decode(codes) }, words);
    } catch (error) {
      fill(this.trouble, failure(error));
    }
  }

  /** The run with what codes pictures, which is loaded at the first picture. */
  private async withEncoder(): Promise<Tessera> {
    const { tessera, facts, source } = this;
    if (tessera === undefined)
      throw new UserError('your picture', 'the model is not loaded yet', 'wait for it, and try again');
    if (this.hasEncoder) return tessera;
    fill(this.said, 'Loading what reads pictures …');
    const whole = await this.openTessera(withEncoder(source, facts.encoder));
    this.abort?.abort();
    tessera.dispose();
    this.tessera = whole;
    this.hasEncoder = true;
    fill(this.said);
    return whole;
  }

  private async openEditor(coded: Pick<Result, 'codes' | 'picture'>, words: string): Promise<void> {
    await this.editor.open(coded, words);
    document.body.classList.add('is-editing');
  }

  private closeEditor(): void {
    if (!this.editor.isOpen) return;
    this.editor.close();
    document.body.classList.remove('is-editing');
    fill(this.said, this.shown === undefined ? '' : describe(this.shown));
  }
}
