/**
 * @file `tessera train`: runs whatever stage of a run is missing and goes on with the one that was interrupted. Images,
 * caption tokenizer, patch tokenizer, codes, transformer; each leaves files by which the next start knows that it is done.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Dataset, type Item, openDataset } from '../../data/index.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';
import { activeNative } from '../backends/native.ts';
import { writeAtomic, writeSafetensors } from '../checkpoint.ts';
import { type CodeSet, readCodes, writeCodes } from '../codes.ts';
import { codebookSizeOf, type RunConfig } from '../config.ts';
import { Dalle } from '../dalle.ts';
import { UserError } from '../errors.ts';
import { JsonLines, truncateAfter } from '../jsonlines.ts';
import { encodePng } from '../pictures.ts';
import { checkTokenizers, Tessera } from '../pipeline.ts';
import { Random } from '../random.ts';
import { fingerprint, lockRun, openRun, type RunPaths, runPaths } from '../runs.ts';
import { type CaptionedCodes, DalleTask } from '../tasks/dalle.ts';
import { loadPatchTokenizer, PatchTask, savePatchTokenizer } from '../tasks/patch.ts';
import { asTensors, type LoopConfig, savedStep, train, type Watcher } from '../train.ts';
import { encodeItems } from './encode.ts';
import {
  type DecodedItems,
  DiskStream,
  decodeItems,
  fitsMemory,
  MemoryStream,
  type SplitItems,
  splitDataset,
} from './images.ts';
import { reconstructionSheet, reconstructPictures, spreadPictures } from './reconstructions.ts';
import { drawSampleGrid, pickCaptions, type SampleCaptions } from './samples.ts';
import type { Session } from './session.ts';

export interface TrainRequest {
  readonly data: string;
  readonly out: string;
  /** The config of a new run. */
  readonly config: RunConfig;
  /** What the user asked for by flag or file: must agree with a run that is there. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly format?: string;
  readonly strict?: boolean;
  /** Captions of the sample grid; by default some of the data's, trained on and held out. */
  readonly sampleCaptions?: SampleCaptions;
  /** Place of this command's stages among those of a longer job. */
  readonly stages?: { readonly before: number; readonly of: number };
}

const STAGES = ['caption tokenizer', 'patch tokenizer', 'codes', 'transformer'] as const;
type Stage = (typeof STAGES)[number];

/** Most held-out images that the patch tokenizer is measured on. */
const MEASURED = 1024;

/** Images shown in reconstructions.png and on the terminal. */
const SHOWN = 12;

/**
 * Trains a run to its end.
 * @returns false if it was stopped before; started again it goes on
 */
export async function trainRun(session: Session, request: TrainRequest): Promise<boolean> {
  const { data, out, format, strict } = request;
  // A new run begins with its data: where that cannot be used, nothing is written.
  const dataset = existsSync(runPaths(out).config) ? undefined : await openDataset(data, { format, strict });
  if (dataset !== undefined) splitDataset(dataset, request.config.images);
  const { config, resumed } = await openRun(out, request.config, request.given);
  const job = new TrainJob(session, request, config, dataset);
  if (resumed) session.reporter.message(`${request.out}: going on with the run that is there`);
  const unlock = await lockRun(out);
  try {
    return await job.run();
  } finally {
    await unlock();
  }
}

class TrainJob {
  private readonly session: Session;
  private readonly request: TrainRequest;
  private readonly config: RunConfig;
  private readonly paths: RunPaths;
  private dataset: Dataset | undefined;
  private split: SplitItems | undefined;
  private records: JsonLines | undefined;
  private decoded: { readonly training: DecodedItems | undefined; readonly heldOut: DecodedItems } | undefined;

  constructor(session: Session, request: TrainRequest, config: RunConfig, dataset?: Dataset) {
    this.session = session;
    this.request = request;
    this.config = config;
    this.paths = runPaths(request.out);
    this.dataset = dataset;
  }

  async run(): Promise<boolean> {
    try {
      const captions = await this.captionStage();
      const patch = await this.patchStage();
      if (patch === undefined) return false;
      const codes = await this.codeStage(patch);
      if (codes === undefined) return false;
      // The transformer wants the memory of the decoded images, and of tensors of other shapes than its own.
      this.decoded = undefined;
      activeNative()?.memoryPool.trim();
      const finished = await this.transformerStage(captions, patch, codes);
      patch.dispose();
      return finished;
    } finally {
      this.records?.close();
    }
  }

  private begin(stage: Stage, options: { readonly total?: number; readonly unit?: string } = {}): void {
    this.session.reporter.stage(stage, { ...this.place(stage), ...options });
  }

  private skip(stage: Stage, reason: string): void {
    this.session.reporter.skip(stage, reason, this.place(stage));
  }

  private place(stage: Stage): { index: number; of: number } {
    const { before, of } = this.request.stages ?? { before: 0, of: STAGES.length };
    return { index: before + STAGES.indexOf(stage) + 1, of };
  }

  /** The items on both sides of the split; what could not be used is named at the first call. */
  private async open(): Promise<SplitItems> {
    if (this.split !== undefined) return this.split;
    const { data, format, strict } = this.request;
    this.dataset ??= await openDataset(data, { format, strict });
    this.reportProblems(this.dataset.problems, this.dataset.items.length);
    this.split = splitDataset(this.dataset, this.config.images);
    return this.split;
  }

  /** Names the items that were skipped; with `strict` the first stops the run. */
  private reportProblems(problems: Dataset['problems'], good: number): void {
    if (problems.length === 0) return;
    const { data, strict } = this.request;
    if (strict === true) {
      const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
      throw new UserError(
        data,
        `${problems[0].id}: ${problems[0].what}${more}`,
        'mend or remove it, or leave out --strict to skip it',
      );
    }
    const few = problems.slice(0, 3).map(({ id, what }) => `  ${id}: ${what}`);
    const more = problems.length > few.length ? [`  ... see \`tessera data inspect ${data}\``] : [];
    this.session.reporter.message([`${problems.length} items skipped, ${good} used:`, ...few, ...more].join('\n'));
  }

  /** The held-out images (middle crops) and, where they fit, all crops of the training images. */
  private async images(): Promise<NonNullable<TrainJob['decoded']>> {
    if (this.decoded !== undefined) return this.decoded;
    const { images, seed } = this.config;
    const { training, heldOut } = await this.open();
    const onProgress = (step: number, total: number) => this.session.reporter.update({ step, total, note: 'decoding' });
    const some = (items: readonly Item[]) =>
      decodeItems(items.slice(0, MEASURED), images, { crops: 1, seed, onProgress });
    const held = await some(heldOut);
    const all = fitsMemory(training.length, images)
      ? await decodeItems(training, images, { crops: images.crops, seed, onProgress })
      : undefined;
    // With nothing held out both sides are the same items.
    const unique = (items: readonly { readonly id: string }[]) => new Set(items.map(({ id }) => id)).size;
    const problems = new Map([...held.problems, ...(all?.problems ?? [])].map(problem => [problem.id, problem]));
    this.reportProblems([...problems.values()], unique([...held.items, ...(all?.items ?? [])]));
    if (all?.items.length === 0) throw new UserError('data', `none of ${training.length} images can be decoded`);
    // Where nothing held out is sound, it is measured on what is trained on, as where nothing is held out.
    this.decoded = { training: all, heldOut: held.items.length > 0 ? held : await some(training) };
    return this.decoded;
  }

  private async captionStage(): Promise<BpeTokenizer> {
    const { paths } = this;
    if (existsSync(paths.captions)) {
      this.skip('caption tokenizer', 'done before');
      return BpeTokenizer.fromJSON(JSON.parse(await readFile(paths.captions, 'utf8')));
    }
    this.begin('caption tokenizer');
    const { training } = await this.open();
    const tokenizer = BpeTokenizer.train(
      training.flatMap(({ captions }) => captions),
      { vocabSize: this.config.caption.vocabSize },
    );
    await writeAtomic(paths.captions, JSON.stringify(tokenizer.toJSON()));
    this.session.reporter.done(`${tokenizer.vocabSize} entries from ${training.length} items`);
    return tokenizer;
  }

  private async patchStage(): Promise<PatchTokenizer | undefined> {
    const { config, paths, session } = this;
    if (existsSync(paths.patch) && (await savedStep(paths.patchState)) >= config.patchTrain.steps) {
      this.skip('patch tokenizer', 'done before');
      return loadPatchTokenizer(config, paths.patch);
    }
    const tokenizer = new PatchTokenizer(config.patch, config.images.imageSize, new Random(config.seed).fork('patch'));
    const { steps, batchSize } = config.patchTrain;
    this.begin('patch tokenizer', { total: steps, unit: 'images' });
    const { training, heldOut } = await this.images();
    const options = { batchSize, seed: config.seed };
    const stream =
      training === undefined
        ? new DiskStream((await this.open()).training, config.images, options)
        : new MemoryStream(training, options);
    const task = new PatchTask(tokenizer, stream, {
      config: config.patchTrain,
      imageSize: config.images.imageSize,
      heldOut: heldOut.images,
    });
    const shown = spreadPictures(heldOut.images, config.images.imageSize, SHOWN);
    let psnr = '';
    const result = await train(task, this.loop(config.patchTrain), {
      folder: paths.patchState,
      now: session.now,
      signal: session.signal,
      watcher: {
        ...(await this.watcher('patch', paths.patchState)),
        onStep: ({ step, loss, units }) => session.reporter.update({ step, loss, amount: units, note: psnr }),
        onLog: record => {
          this.log('patch', record);
          if (record.val_psnr !== undefined)
            psnr = `${record.val_psnr.toFixed(1)} dB, ${(100 * record.val_usage).toFixed(0)}% of codes`;
        },
        onSample: async step => {
          const again = await reconstructPictures(tokenizer, shown);
          const note = psnr === '' ? `step ${step}` : `step ${step}, held-out images, ${psnr}`;
          const sheet = await reconstructionSheet(shown, again, { columns: SHOWN / 2, note });
          await writeAtomic(paths.reconstructions, await encodePng(sheet));
          session.reporter.pictures(
            again.slice(0, 6).map(picture => ({ picture })),
            { pictureColumns: 24 },
          );
        },
        onSave: async (_, average) => {
          this.records?.sync();
          await savePatchTokenizer(paths.patch, asTensors(average), tokenizer);
        },
      },
    });
    if (!result.finished) return this.stopped('patch tokenizer');
    session.reporter.done(psnr);
    tokenizer.dispose();
    return loadPatchTokenizer(config, paths.patch);
  }

  private async codeStage(patch: PatchTokenizer): Promise<{ training: CodeSet; heldOut: CodeSet } | undefined> {
    const { paths, config } = this;
    const made = await fingerprint(paths.patch);
    if (existsSync(paths.trainingCodes) && existsSync(paths.heldOutCodes)) {
      this.skip('codes', 'done before');
      return {
        training: await readCodes(paths.trainingCodes, made),
        heldOut: await readCodes(paths.heldOutCodes, made),
      };
    }
    this.begin('codes', { unit: 'images' });
    const { training, heldOut } = await this.open();
    await mkdir(dirname(paths.trainingCodes), { recursive: true });
    const decoded = await this.images();
    const held = await this.encodeAll(patch, heldOut, 1, heldOut.length <= MEASURED ? decoded.heldOut : undefined);
    if (held === undefined) return this.stopped('codes');
    await writeCodes(paths.heldOutCodes, held, made);
    const all = await this.encodeAll(patch, training, config.images.crops, decoded.training);
    if (all === undefined) return this.stopped('codes');
    await writeCodes(paths.trainingCodes, all, made);
    this.session.reporter.done(`${all.ids.length} images, ${all.crops} crops each`);
    return { training: all, heldOut: held };
  }

  /** Encodes all crops of the items and names those that could not be; undefined if stopped. */
  private async encodeAll(
    patch: PatchTokenizer,
    items: readonly Item[],
    crops: number,
    decoded?: DecodedItems,
  ): Promise<CodeSet | undefined> {
    const encoded = await encodeItems(patch, items, { config: this.config, crops, decoded, session: this.session });
    if (encoded === undefined) return undefined;
    this.reportProblems(encoded.problems, encoded.set.ids.length);
    return encoded.set;
  }

  private async transformerStage(
    captions: BpeTokenizer,
    patch: PatchTokenizer,
    codes: { training: CodeSet; heldOut: CodeSet },
  ): Promise<boolean> {
    const { config, paths, session } = this;
    if (existsSync(paths.weights.last) && (await savedStep(paths.modelState)) >= config.train.steps) {
      this.skip('transformer', 'done before');
      return true;
    }
    if (existsSync(paths.weights.last)) await checkTokenizers(paths, 'last');
    const vocabulary = { caption: captions.vocabSize, image: codebookSizeOf(config.patch), grid: config.patch.grid };
    const model = new Dalle(config.model, vocabulary, new Random(config.seed).fork('model'));
    this.begin('transformer', { total: config.train.steps, unit: 'tokens' });
    const { training, heldOut } = await this.captioned(codes);
    const task = new DalleTask(
      model,
      captions,
      { training, heldOut },
      {
        batchSize: config.train.batchSize,
        accumulate: config.train.accumulate,
        bpeDropout: config.caption.bpeDropout,
        balance: config.train.balance,
        seed: config.seed,
        imageSize: config.images.imageSize,
      },
    );
    const metadata = {
      format: 'tessera transformer',
      patch_tokenizer: await fingerprint(paths.patch),
      caption_tokenizer: await fingerprint(paths.captions),
    };
    const tessera = new Tessera({ folder: paths.folder, config, captions, patch, model });
    const wanted = this.request.sampleCaptions ?? pickCaptions(training, heldOut);
    let validation = '';
    const result = await train(task, this.loop(config.train), {
      folder: paths.modelState,
      now: session.now,
      signal: session.signal,
      watcher: {
        ...(await this.watcher('transformer', paths.modelState)),
        onStep: ({ step, loss, units }) => session.reporter.update({ step, loss, amount: units, note: validation }),
        onLog: record => {
          this.log('transformer', record);
          if (record.val_image !== undefined) validation = `held out ${record.val_image.toFixed(3)} nats a code`;
        },
        onSample: async step => {
          const { sheet, painted } = await drawSampleGrid(tessera, wanted, { note: `step ${step}` });
          await writeAtomic(paths.samples, await encodePng(sheet));
          session.reporter.pictures(painted.slice(0, 6), { pictureColumns: 24 });
        },
        onBest: async (weights, { step }) => {
          await writeSafetensors(paths.weights.best, asTensors(weights), { ...metadata, step: String(step) });
        },
        onSave: async (weights, average, step) => {
          this.records?.sync();
          const described = { ...metadata, step: String(step) };
          await writeSafetensors(paths.weights.last, asTensors(weights), described);
          await writeSafetensors(paths.weights.ema, asTensors(average), described);
        },
      },
    });
    if (task.cut.size > 0) {
      session.reporter.message(`${task.cut.size} captions were longer than ${config.model.captionLength} ids and cut`);
    }
    model.dispose();
    if (!result.finished) return this.stopped('transformer') ?? false;
    session.reporter.done(validation);
    return true;
  }

  /** Joins codes with the captions of the items they were made of. */
  private async captioned(codes: {
    training: CodeSet;
    heldOut: CodeSet;
  }): Promise<{ training: CaptionedCodes; heldOut: CaptionedCodes }> {
    await this.open();
    const captionsOf = new Map((this.dataset as Dataset).items.map(({ id, captions }) => [id, captions]));
    const join = (set: CodeSet): CaptionedCodes => ({
      set,
      captions: set.ids.map(id => {
        const captions = captionsOf.get(id);
        if (captions !== undefined) return captions;
        throw new UserError(
          'train',
          `${id} was encoded, but ${this.request.data} does not have it now`,
          `use the data the run was started with, or remove ${dirname(this.paths.trainingCodes)} to encode again`,
        );
      }),
    });
    return { training: join(codes.training), heldOut: join(codes.heldOut) };
  }

  private loop(config: RunConfig['patchTrain'] | RunConfig['train']): LoopConfig {
    const rhythm = 'evalEvery' in config ? config : { ...patchRhythm(config.steps), accumulate: 1 };
    return { ...config, ...rhythm, seed: this.config.seed };
  }

  /** Opens metrics.jsonl, without the records that the resumed stage will write again. */
  private async watcher(stage: string, state: string): Promise<Watcher> {
    const step = await savedStep(state);
    this.records?.close();
    await truncateAfter(this.paths.metrics, record => isAfter(record, stage, step));
    this.records = new JsonLines(this.paths.metrics);
    return { onMessage: message => this.session.reporter.message(message) };
  }

  private log(stage: string, record: Readonly<Record<string, number>>): void {
    this.records?.append({ stage, ...record });
  }

  private stopped(stage: Stage): undefined {
    this.session.reporter.done('stopped; saved');
    this.session.reporter.message(
      `${stage} stopped; go on with: tessera train --data ${this.request.data} --out ${this.request.out}`,
    );
    return undefined;
  }
}

function isAfter(record: unknown, stage: string, step: number): boolean {
  const { stage: its, step: at } = record as { stage?: string; step?: number };
  return its === stage && (at ?? 0) > step;
}

/** How often the patch tokenizer is checked: it has no rhythm of its own in the config. */
function patchRhythm(steps: number): Pick<LoopConfig, 'evalEvery' | 'sampleEvery' | 'saveEvery' | 'logEvery'> {
  const tenth = Math.max(1, Math.ceil(steps / 10));
  return { evalEvery: tenth, sampleEvery: tenth, saveEvery: tenth, logEvery: 10 };
}
