/**
 * @file Watching a training for collapse: at every validation some held-out captions are painted, and what comes of it is
 * compared with real images by rules that were fixed before any run (metrics/collapse.ts). A verdict is logged and said;
 * nothing is done about it.
 */

import type { Decoded } from '../../../data/decoded.ts';
import type { Division } from '../../../data/division.ts';
import { FEWEST_CHECKED, type RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { familyOf } from '../../families/families.ts';
import { RandomFeatures } from '../../features/random-conv.ts';
import { type Picture, spreadPlaces } from '../../image/images.ts';
import {
  afterCheck,
  type Collapse,
  type CollapseState,
  checkFloor,
  checkSamples,
  isFloor,
  unchecked,
  verdictOf,
} from '../../metrics/collapse.ts';
import { type Matrix, matrix } from '../../metrics/matrix.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Task } from '../../training/task.ts';
import type { Painter } from '../open-painter.ts';
import { type Job, loggedBefore } from './job.ts';

/** Measures samples at every validation of a training. */
export interface SampleWatch {
  /** Paints with the weights as they are. @returns `check_kid`, `check_coverage`, `check_spread` */
  check(signal?: AbortSignal): Promise<Metrics>;
  /** Moves on by a record of the log, and says so when the verdict changes. */
  log(record: Metrics): void;
  /** The task with these measurements among its validations. Where it has no loss of its own, the best is by KID. */
  watched(task: Task): Task;
  dispose(): void;
}

/** Most real pictures that samples are compared with. */
const REAL = 512;
/** Always the same draws, so that checks of one training can be compared. */
const SEED = 2;

const sayings: Readonly<Record<Collapse, string>> = {
  nonfinite: 'the loss is not finite',
  coverage: 'samples cover less than a tenth of what real images cover, three checks in a row',
  regressed: 'samples are twice as far from real images as they were at best, three checks in a row',
  spread: 'samples are less than a fifth as different from each other as real images are',
};

/** Why samples cannot be watched beside so many images; undefined where they can. */
function whyUnwatched({ training, heldOut }: { readonly training: number; readonly heldOut: number }) {
  if (Math.min(training, heldOut) >= FEWEST_CHECKED) return undefined;
  return `samples are not watched for collapse: that needs ${FEWEST_CHECKED} held-out and ${FEWEST_CHECKED} training images, there are ${heldOut} and ${training}`;
}

/**
 * Makes sure that a watch that was asked for can be had, by what the data lists.
 * @throws UserError if there are too few images
 */
export function expectWatchable(count: number, sides: Pick<Division, 'training' | 'heldOut'>): void {
  const [training, heldOut] = [sides.training.length, sides.heldOut.length];
  if (count === 0 || whyUnwatched({ training, heldOut }) === undefined) return;
  const share = Math.ceil((20 * (FEWEST_CHECKED + 2)) / (training + heldOut)) / 20;
  const more = heldOut < FEWEST_CHECKED && share <= 0.5 ? `--validation ${share} holds out more; ` : '';
  throw new UserError(
    'train',
    `train.checkSamples ${count}: samples are watched beside ${FEWEST_CHECKED} held-out and ${FEWEST_CHECKED} training images at least, got ${heldOut} and ${training}`,
    `${more}--check-samples 0 trains without`,
  );
}

/** Says before anything is trained that samples cannot be watched, where the config wants it. @returns why */
export async function reportUnwatched(job: Job): Promise<string | undefined> {
  if (job.config.train.checkSamples === 0 || !job.hasData) return undefined;
  const { training, heldOut } = await job.items();
  const why = whyUnwatched({ training: training.length, heldOut: heldOut.length });
  if (why !== undefined) job.session.reporter.message(why, { isWarning: true });
  return why;
}

/** The watch over a training, or why there is none although the config wants it. */
export async function openWatch(
  job: Job,
  stage: string,
  painter: Painter,
): Promise<{ readonly watch?: SampleWatch; readonly why?: string }> {
  const { checkSamples: count } = job.config.train;
  if (count === 0) return {}; // images that nobody looks at are not decoded
  const { training, heldOut } = await job.images();
  // Where the images do not fit the memory, there are held-out ones enough for both sides.
  const reference = training ?? heldOut;
  const trained = training?.items.length ?? (await job.items()).training.length;
  const unsaid = (why: string) => {
    job.session.reporter.message(why, { isWarning: true });
    return { why };
  };
  const few = whyUnwatched({ training: trained, heldOut: heldOut.items.length });
  if (few !== undefined) return unsaid(few);
  const settings = watchSettings(job.config);
  // Features that need no training and no download: they only have to notice what is gone.
  const features = new RandomFeatures();
  const rowsOf = async (pictures: readonly Picture[]) => matrix(await features.images(pictures), features.dimension);
  const real = await rowsOf(firstCrops(heldOut, REAL));
  const others = await rowsOf(firstCrops(reference, count));
  const floor = checkFloor(real, others, new Random(SEED));
  if (!isFloor(floor, real)) {
    void features.dispose();
    return unsaid(
      'samples are not watched for collapse: real images are all alike, or those on the two sides share nothing',
    );
  }
  const captions = Array.from({ length: count }, (_, i) => heldOut.items[i % heldOut.items.length].captions[0]);
  const judged = new Verdict(floor);
  await replay(job, stage, judged);

  const check = async (signal?: AbortSignal) => {
    const samples: Matrix = await rowsOf(await painter.paint(captions, { seed: SEED, ...settings, signal }));
    const { kid, coverage, spread } = checkSamples(samples, real, floor);
    return { check_kid: kid, check_coverage: coverage, check_spread: spread };
  };
  const watch: SampleWatch = {
    check,
    watched: task => withChecks(task, check),
    log: record => {
      const changed = judged.add(record);
      if (changed === undefined) return;
      job.log(stage, { step: record.step, collapsed: changed });
      job.session.reporter.message(
        changed === 'none'
          ? `step ${record.step}: samples are no longer collapsed`
          : `step ${record.step}: ${judged.checks > 1 ? '' : 'not varied yet, or '}collapsed (${changed}): ${sayings[changed]}`,
        { isWarning: true },
      );
    },
    dispose: () => {
      void features.dispose();
    },
  };
  return { watch };
}

/** See `SampleWatch.watched`. */
export function withChecks(task: Task, check: SampleWatch['check']): Task {
  const evaluate = async (signal?: AbortSignal) => {
    const measured = await task.evaluate(signal);
    const checked = await check(signal);
    const loss = measured?.loss ?? Number.NaN;
    return { ...measured, ...checked, loss: Number.isFinite(loss) ? loss : checked.check_kid };
  };
  // A task may be a class, with private fields too: its methods are called on itself.
  const all: { readonly [Name in keyof Required<Task>]: Task[Name] } = {
    parameters: task.parameters,
    unit: task.unit,
    unitsPerStep: task.unitsPerStep,
    imagesPerStep: task.imagesPerStep,
    flopsPerStep: task.flopsPerStep,
    batch: task.batch?.bind(task),
    players: task.players,
    begin: task.begin?.bind(task),
    afterStep: task.afterStep?.bind(task),
    evaluate,
    save: task.save?.bind(task),
    restore: task.restore?.bind(task),
    setSteps: task.setSteps?.bind(task),
    remarks: task.remarks?.bind(task),
    dispose: task.dispose?.bind(task),
  };
  return all;
}

/**
 * How samples are painted to be measured: without guidance, which trades variety away, and in half of the usual steps, of a
 * family that has such settings.
 */
export function watchSettings(config: RunConfig): { readonly cfgScale?: number; readonly steps?: number } {
  const { cfgScale, steps } = familyOf(config.family).sampling(config);
  return {
    ...(cfgScale === undefined ? {} : { cfgScale: 1 }),
    ...(steps === undefined ? {} : { steps: Math.ceil(steps / 2) }),
  };
}

/** The state of the rules, and what was last said about it. */
class Verdict {
  private readonly floor: Parameters<typeof afterCheck>[2];
  private state: CollapseState = unchecked;
  private said: Collapse | 'none' = 'none';

  constructor(floor: Parameters<typeof afterCheck>[2]) {
    this.floor = floor;
  }

  /** Looks at samples so far. */
  get checks(): number {
    return this.state.checks;
  }

  /** @returns the verdict, if the record changes it */
  add(record: Metrics): Collapse | 'none' | undefined {
    const { check_kid: kid, check_coverage: coverage, check_spread: spread, nonfinite } = record;
    if (nonfinite !== undefined) this.state = afterCheck(this.state, 'nonfinite', this.floor);
    else if (kid !== undefined) this.state = afterCheck(this.state, { kid, coverage, spread }, this.floor);
    else return undefined;
    const verdict = verdictOf(this.state) ?? 'none';
    if (verdict === this.said) return undefined;
    this.said = verdict;
    return verdict;
  }
}

/** Takes in what a resumed training has logged up to the step it goes on from. */
async function replay(job: Job, stage: string, verdict: Verdict): Promise<void> {
  for (const record of await loggedBefore(job, { name: stage, state: job.paths.modelState })) verdict.add(record);
}

/** Some pictures, spread over the data, the first crop of each. */
function firstCrops({ images, items, crops }: Decoded, count: number): Picture[] {
  return spreadPlaces(items.length, count).map(item => images.at(item * crops));
}
