/**
 * @file What the stages of a training share: the data and its split, decoded images, the caption tokenizer, the log and
 * the progress lines. Which stages there are is the families' matter (src/families/parts.ts).
 */
import { existsSync } from 'node:fs';
import type { Dataset, Item, Problem } from '../../../data/dataset.ts';
import { type Decoded, decodeAll } from '../../../data/decoded.ts';
import { type Division, describeDivision } from '../../../data/division.ts';
import { problemLines } from '../../../data/reasons.ts';
import { fromDisk, fromMemory, ImageBatches } from '../../../data/stream.ts';
import { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import { keptFormats, type RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { counted, formatWhole } from '../../core/numbers.ts';
import { shellWord } from '../../core/shell.ts';
import { hearSignal, isStop } from '../../core/stopping.ts';
import { activeDevice } from '../../device/device.ts';
import { storedConfig } from '../../families/config.ts';
import { type StageName, stageTitles } from '../../families/family.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readJson, writeJson } from '../../io/files.ts';
import { JsonLines, readJsonLines, truncateAfter } from '../../io/jsonlines.ts';
import { type RunPaths, runPaths } from '../../io/runfolder.ts';
import { loadState } from '../../io/state.ts';
import type { ImageStream } from '../../training/captioned.ts';
import { type PlannedRhythm, sampleEveryOf } from '../../training/fit.ts';
import type { TrainOptions } from '../../training/loop.ts';
import type { Metrics } from '../../training/measured.ts';
import { owesEvaluation, savedStep } from '../../training/saved-training.ts';
import type { LoopConfig, Watcher } from '../../training/task.ts';
import { LogFiles } from '../logs/log-files.ts';
import { sectionOf, type TrainedStage } from '../plan/costs.ts';
import type { KeptPlan } from '../plan/kept.ts';
import { refitSaved, withSteps } from '../plan/refit.ts';
import type { RunData } from '../run-data.ts';
import { cropsOf, fitsMemory, measuredAtMost, whyNothingHeldOut } from '../run-images.ts';
import type { Session, StageOptions } from '../session.ts';
import type { Sheet, SheetKind } from '../sheet-history.ts';
import { loopOf } from './loop-config.ts';
import { PictureLines } from './picture-lines.ts';
import { goOnCommand, type TrainRequest } from './request.ts';

/** Said of a part that is the one of what the run was started from. */
export const TAKEN = 'kept as it was';

interface DecodedImages {
  /** All crops of the training images; undefined where they do not fit the memory. */
  readonly training: Decoded | undefined;
  /** The middle crops of held-out images; there may be none. */
  readonly heldOut: Decoded;
}

function isTrainedStage(name: StageName | 'model' | undefined): name is TrainedStage {
  return name !== undefined && name in sectionOf;
}

/** A stage of a job. */
interface JobStage {
  readonly name: StageName | 'model';
  readonly title: string;
}

export class Job {
  readonly session: Session;
  readonly request: TrainRequest;
  readonly paths: RunPaths;
  /** What was planned of the stages, e.g. `plan?.stages.codes?.seconds`; undefined of a run that was made without a plan. */
  readonly plan: KeptPlan | undefined;
  private settled: RunConfig;
  private readonly stages: readonly JobStage[];
  private readonly data: RunData | undefined;
  private readonly pictures: PictureLines;
  private reported = false;
  private records: JsonLines | undefined;
  /** The log for other programs. */
  private logFiles: LogFiles | undefined;
  private decoded: DecodedImages | undefined;
  /** The stage that was begun last. */
  private current: string;

  /** @param options.stages all stages, in order; @param options.data absent where no stage has anything to do */
  constructor(
    session: Session,
    request: TrainRequest,
    options: {
      readonly stages: readonly JobStage[];
      readonly data: RunData | undefined;
      readonly plan?: KeptPlan;
    },
  ) {
    this.session = session;
    this.request = request;
    this.settled = request.config;
    this.stages = options.stages;
    this.current = options.stages[0].title;
    this.data = options.data;
    this.plan = options.plan;
    this.paths = runPaths(request.out);
    this.pictures = new PictureLines(session);
  }

  /** The run's; its numbers of steps may become others where they follow the time. */
  get config(): RunConfig {
    return this.settled;
  }

  /** Seconds that the loop of a stage may take; undefined where its steps stand. */
  async timeOf(stage: string): Promise<TrainOptions['fit']> {
    const name = this.stages.find(({ title }) => title === stage)?.name;
    if (this.plan === undefined || !isTrainedStage(name)) return undefined;
    const { seconds, most } = await refitSaved(this.plan, this.paths);
    const planned = name === 'model' ? this.plannedRhythm : undefined;
    return seconds[name] === undefined ? undefined : { seconds: seconds[name], most: most[name], planned };
  }

  /** Gives the stages that are left the time that those before have left, and says so. */
  async fitRest(): Promise<void> {
    if (this.plan === undefined) return;
    const before = this.config;
    const fitted = withSteps(before, await refitSaved(this.plan, this.paths));
    const [was, is] = [before.train.steps, fitted.train.steps];
    if (was === is) return;
    await this.keep(fitted);
    const wasTuned = this.plan.stages.patch?.ifNeeded === true;
    const less = wasTuned ? 'the patch tokenizer had to be tuned' : 'this machine is slower than was measured';
    const why = is > was ? 'time is left' : less;
    this.session.reporter.message(
      `${why}: ${counted(is, 'step')} of the ${before.family} instead of ${formatWhole(was)}`,
    );
  }

  /** Takes over other steps of a stage that is under way, which its state has already. */
  async setSteps(stage: string, steps: number, before: number): Promise<void> {
    const name = this.stages.find(({ title }) => title === stage)?.name;
    if (!isTrainedStage(name)) return;
    const planned = name === 'model' ? this.plannedRhythm : undefined;
    const sampleEvery = planned && sampleEveryOf(planned, steps);
    await this.keep(withSteps(this.config, { steps: { [name]: steps }, sampleEvery }));
    const isMore = steps > (this.plan?.stages[name]?.steps ?? Number.POSITIVE_INFINITY);
    const quicker = isMore ? 'quicker than was measured' : 'quicker again';
    const why = steps < before ? 'slower than was measured' : quicker;
    const goal = steps < before ? 'to keep to the time' : 'in the time that is left';
    this.session.reporter.message(`${why}: ${counted(steps, 'step')} instead of ${formatWhole(before)}, ${goal}`);
  }

  /** Of the model's samples, where it follows the steps. */
  private get plannedRhythm(): PlannedRhythm | undefined {
    const { steps, sampleEvery } = this.plan?.stages.model ?? {};
    return steps === undefined || sampleEvery === undefined ? undefined : { steps, sampleEvery };
  }

  private async keep(config: RunConfig): Promise<void> {
    this.settled = config;
    await writeJson(this.paths.config, storedConfig(config));
  }

  /** @param options.seconds that it will take from here, where that is known better than by the plan */
  begin(stage: string, options: Pick<StageOptions, 'total' | 'step' | 'unit' | 'seconds'> = {}): void {
    this.current = stage;
    const expected = { seconds: this.secondsOf(stage), secondsAfter: this.secondsAfter(stage) };
    this.session.reporter.stage(stage, { ...this.place(stage), ...expected, ...options });
  }

  /** Seconds that a stage was planned to take in all. */
  secondsOf(stage: string): number | undefined {
    const name = this.stages.find(({ title }) => title === stage)?.name;
    const plan = name && this.plan?.stages[name];
    if (plan?.ifNeeded !== true) return plan?.seconds;
    return plan.seconds + (plan.loopSeconds ?? 0); // which is asked where it is begun
  }

  /** Those of all that comes after a stage; null where that is not known of all. */
  private secondsAfter(stage: string): number | null {
    const place = this.stages.findIndex(({ title }) => title === stage);
    const { before = 0, of = this.stages.length, secondsAfter } = this.request.stages ?? {};
    const others = of > before + this.stages.length ? secondsAfter : 0;
    const later = [...this.stages.slice(place + 1).map(({ title }) => this.secondsOf(title)), others];
    return later.reduce<number | null>((sum, each) => (sum === null || each === undefined ? null : sum + each), 0);
  }

  skip(stage: string, reason: string): void {
    this.session.reporter.skip(stage, reason, this.place(stage));
  }

  /** Says how to go on. */
  stopped(stage: string, saved = true): undefined {
    this.session.reporter.done(saved ? 'stopped; saved' : 'stopped');
    this.session.reporter.message(`${stage} stopped; go on with: ${goOnCommand(this.request)}`);
    return undefined;
  }

  /** Does the job's work and closes its log. @returns undefined if it was stopped, which is said */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!isStop(this.session.signal, error)) throw error;
      return this.stopped(this.current, false); // a training loop saves, and says so itself
    } finally {
      await this.logFiles?.close();
      this.records?.close();
    }
  }

  private place(stage: string): { index: number; of: number } {
    const { before, of } = this.request.stages ?? { before: 0, of: this.stages.length };
    return { index: before + this.stages.findIndex(({ title }) => title === stage) + 1, of };
  }

  /** Whether the data is there; a run that has nothing left to do can be without. */
  get hasData(): boolean {
    return this.data !== undefined;
  }

  /** The items on all sides; what could not be used, and how they were divided, is said at the first call. */
  async items(): Promise<Division> {
    const { division, dataset, count } = this.known;
    if (!this.reported) {
      this.reported = true;
      this.reportProblems(dataset.problems, count);
      this.reportUnused(dataset.unused);
      const none = whyNothingHeldOut(division, this.config.images);
      for (const line of [...dataset.notices, describeDivision(division), none]) {
        if (line !== undefined) this.session.reporter.message(line);
      }
    }
    return division;
  }

  /** Fingerprint of the image of an item. */
  imageOf(id: string): string {
    return this.known.imageOf(id);
  }

  private get known(): RunData {
    if (this.data === undefined) throw new Error('a stage needs the data of a run that was taken for done');
    return this.data;
  }

  /** Names the items that were skipped; with `strict` the first stops the run. */
  reportProblems(problems: Dataset['problems'], good: number): void {
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
    const few = problemLines(problems, 5);
    const more = problems.length > 5 ? [`  ... see \`tessera data inspect ${shellWord(data)}\``] : [];
    const skipped = counted(problems.length, 'item');
    this.session.reporter.message([`${skipped} skipped, ${good} used:`, ...few, ...more], { isWarning: true });
  }

  /** Counts and names files that lie beside the data. */
  private reportUnused(unused: Dataset['unused']): void {
    if (unused.length === 0) return;
    const few = problemLines(unused, 3);
    const files = unused.length === 1 ? '1 other file' : `${unused.length} other files`;
    this.session.reporter.message([`${files} not used:`, ...few]);
  }

  /** How many held-out images are measured on, at most. */
  get measuredAtMost(): number {
    return measuredAtMost(this.config.images);
  }

  /** The held-out images (middle crops) and, where they fit, all crops of the training images. */
  async images(): Promise<DecodedImages> {
    if (this.decoded !== undefined) return this.decoded;
    const { images, seed } = this.config;
    const { training, heldOut } = await this.items();
    const onProgress = (step: number, total: number) =>
      this.session.reporter.update({ step, total, note: 'decoding', beforehand: true });
    const { signal } = this.session;
    const crops = { ...cropsOf(images, seed), onProgress, signal, checked: true };
    const decodeFew = (items: readonly Item[]) =>
      decodeAll(items.slice(0, this.measuredAtMost), { ...crops, crops: 1 });
    const held = await decodeFew(heldOut);
    const all = fitsMemory(training.length, images) ? await decodeAll(training, crops) : undefined;
    this.reportProblems([...held.problems, ...(all?.problems ?? [])], held.items.length + (all?.items.length ?? 0));
    if (all?.items.length === 0) throw new UserError('data', `none of ${training.length} images can be decoded`);
    if (heldOut.length > 0 && held.items.length === 0) {
      this.session.reporter.message(`nothing is held out (none of ${heldOut.length} such images can be decoded)`, {
        isWarning: true,
      });
    }
    this.decoded = { training: all, heldOut: held };
    return this.decoded;
  }

  /** Frees the decoded images, and the memory of tensors of other shapes than the next stage's. */
  releaseImages(): void {
    this.decoded = undefined;
    activeDevice().trim();
  }

  /** Training images with captions, from memory or from disk. */
  async stream(options: { readonly batchSize: number; readonly balance?: number }): Promise<ImageStream> {
    const { images, seed, caption } = this.config;
    const { training } = await this.images();
    const source =
      training === undefined ? fromDisk((await this.items()).training, cropsOf(images, seed)) : fromMemory(training);
    const onProblem = (problem: Problem, good: number) => this.reportProblems([problem], good);
    return new ImageBatches(source, { ...options, seed, firstShare: caption.firstShare, onProblem });
  }

  /** Trains the caption tokenizer, or reads the one that is there. */
  async captionStage(): Promise<BpeTokenizer> {
    const { paths } = this;
    if (existsSync(paths.captions)) {
      this.skip(stageTitles.captions, this.config.from === undefined ? 'done before' : TAKEN);
      return BpeTokenizer.fromJSON(await readJson(paths.captions), paths.captions);
    }
    this.begin(stageTitles.captions);
    const { training } = await this.items();
    const pause = () => hearSignal(this.session.signal);
    await pause();
    const tokenizer = await BpeTokenizer.trainPausing(
      training.flatMap(({ captions }) => captions),
      { vocabSize: this.config.caption.vocabSize, pause },
    );
    await writeAtomic(paths.captions, JSON.stringify(tokenizer.toJSON()));
    this.session.reporter.done(`${tokenizer.vocabSize} entries from ${counted(training.length, 'item')}`);
    return tokenizer;
  }

  /** The settings of a stage's training loop; one that has become shorter keeps the rhythm that it had. */
  loop(stage: TrainedStage): LoopConfig {
    const { steps, fitted } = this.plan?.stages[stage] ?? {};
    const { seed, [sectionOf[stage]]: config } = this.config;
    return loopOf(config, { seed, planned: fitted === true ? steps : undefined });
  }

  /** Opens metrics.jsonl for a stage, without the records that the resumed stage will write again. */
  async watcher(stage: string, state: string): Promise<Watcher> {
    const isAfter = await recordsAfter(stage, state);
    this.records?.close();
    await truncateAfter(this.paths.metrics, isAfter);
    this.records = new JsonLines(this.paths.metrics);
    await this.logFiles?.close();
    this.logFiles = new LogFiles(this.paths, keptFormats(this.config.train), line =>
      this.session.reporter.message(line),
    );
    await this.logFiles.rewrite();
    return { onMessage: message => this.session.reporter.message(message) };
  }

  log(stage: string, record: Readonly<Record<string, number | string>>): void {
    this.records?.append({ stage, ...record });
    this.logFiles?.append({ stage, ...record });
  }

  /** Has what was logged on disk before the state that calls it done. */
  async syncLog(): Promise<void> {
    this.records?.sync();
    await this.logFiles?.sync();
  }

  /** Says which picture was written, unless it was said just before. */
  reportPicture(step: number, path: string): void {
    this.pictures.wrote(step, path);
  }

  /** Says of the pictures of a stage that ends which were the last. */
  reportLastPictures(): void {
    this.pictures.end();
  }

  /** Shows a sheet to those who read the log elsewhere. */
  logSheet(kind: SheetKind, sheet: Sheet): void {
    this.logFiles?.sheet(kind, sheet);
  }
}

/** Tells the records of a stage that it will write again when it goes on from the state in a folder. */
export async function recordsAfter(stage: string, state: string): Promise<(record: unknown) => boolean> {
  // Before the first state all is written again, also what was measured before the first step.
  const begun = (await loadState(state)) !== undefined;
  const [saved, owes] = [begun ? await savedStep(state) : -1, await owesEvaluation(state)];
  return record => {
    const { stage: its, step = 0 } = record as { stage?: string; step?: number };
    const isMeasured = Object.keys(record as object).some(key =>
      /^(val_|check_|(collapsed|turned|guessing)$)/.test(key),
    );
    const isBeginning = saved <= 0 && 'note' in (record as object);
    return its === stage && (step > saved || isBeginning || (step === saved && owes && isMeasured));
  };
}

/** What a stage has logged up to the step that it goes on from. */
export async function loggedBefore(
  job: Job,
  { name, state }: { readonly name: string; readonly state: string },
): Promise<Metrics[]> {
  if ((await loadState(state)) === undefined) return [];
  const isAfter = await recordsAfter(name, state);
  const records = readJsonLines(job.paths.metrics, what => job.session.reporter.message(what));
  return records.filter((record): record is Metrics => {
    const { stage } = record as { readonly stage?: string };
    return stage === name && !isAfter(record);
  });
}
