/**
 * @file Where the studio paints: one piece of work at a time, by a child that has the run open. Knows runs by their places;
 * nothing of requests and responses.
 */
import { UserError } from '../../../core/errors.ts';
import { readRun } from '../../../families/config.ts';
import type { SamplingSetting } from '../../../families/family.ts';
import type { Picture } from '../../../image/images.ts';
import type { WeightKind } from '../../../io/runfiles.ts';
import { chooseWeights, runPaths } from '../../../io/runfolder.ts';
import { folderName } from '../../../runs/caption-name.ts';
import { readLearntWords } from '../../../runs/learnt/record.ts';
import { describeUnseen } from '../../../runs/learnt/unseen.ts';
import { sampleCommand } from '../../../runs/sample-command.ts';
import type { Place } from '../library.ts';
import type { Studio } from '../studio.ts';
import type { News, PaintRequest, Results } from './child-messages.ts';
import { GivenPictures } from './given-pictures.ts';
import { type Job, Jobs } from './jobs.ts';
import type { PaintDone, PaintOrder } from './messages.ts';
import { followedSettings } from './order.ts';
import type { PainterProcess } from './painter-process.ts';
import { Painters, type PaintersOptions } from './painters.ts';
import { type Politeness, politenessBeside } from './politeness.ts';
import { Turns } from './turns.ts';

/** Which painter work needs, and how it hears of it. */
interface WorkOptions {
  readonly weights?: WeightKind;
  readonly signal: AbortSignal;
  readonly onPosition?: (before: number) => void;
  /** Called when its turn has come, before the run is opened. */
  readonly onStart?: (polite: Politeness) => void;
}

/** What painting needs of the studio. */
export type EaselStudio = Pick<Studio, 'library' | 'onError' | 'signal'>;

export class Easel {
  readonly jobs = new Jobs();
  readonly given = new GivenPictures();
  private readonly studio: EaselStudio;
  private readonly turns = new Turns();
  private readonly painters: Painters;

  constructor(studio: EaselStudio, options?: PaintersOptions) {
    this.studio = studio;
    this.painters = new Painters(options);
    studio.signal.addEventListener('abort', () => void this.painters.close(), { once: true });
  }

  /** Process numbers of the painting children. */
  get pids(): readonly number[] {
    return this.painters.pids;
  }

  /** How painting makes way for trainings now, in words. */
  async polite(): Promise<string | null> {
    return (await politenessBeside((await this.studio.library.look()).runs)).why;
  }

  /** Takes a painting on, and comes back at once. @throws UserError if the run does not follow the order; Refusal */
  async paint(run: Place, order: PaintOrder): Promise<Job> {
    const settings = followedSettings(order, await readRun(run.folder, 'paint'));
    const completion = this.completionOf(order);
    const job = this.jobs.add(order);
    void this.doPaint(job, { run, order, settings, completion }).catch(error => {
      const cancelled = job.stop.signal.aborted;
      const isEnding = cancelled || this.studio.signal.aborted;
      if (!(error instanceof UserError) && !isEnding) this.studio.onError(error);
      const { message, hint } =
        error instanceof UserError ? error : new UserError('paint', 'a mistake of this program');
      job.tell('failed', { message, hint, cancelled });
    });
    return job;
  }

  /** A picture in a run's size, kept to be completed, with what the run's tokenizer makes of it. */
  async give(run: Place, picture: Picture, signal: AbortSignal): Promise<{ readonly id: string }> {
    const { png } = await this.work(run, { signal }, painter =>
      painter.do({ kind: 'reconstruct', picture }, { signal }),
    );
    return this.given.add(picture, png);
  }

  /** The training image of a data set that is nearest to a picture. */
  async nearest(
    { run, weights }: { readonly run: Place; readonly weights?: WeightKind },
    { picture, data, signal }: { readonly picture: Picture; readonly data: Place; readonly signal: AbortSignal },
  ): Promise<Results['nearest']> {
    return this.work(run, { weights, signal }, painter =>
      painter.do({ kind: 'nearest', data: data.folder, split: ['train'], picture }, { signal }),
    );
  }

  /** Work with a run's painter, when its turn has come. */
  private work<T>(
    run: Place,
    { weights = chooseWeights(run.folder), signal, onPosition, onStart }: WorkOptions,
    work: (painter: PainterProcess, polite: Politeness) => Promise<T>,
  ): Promise<T> {
    const paint = async () => {
      const polite = await politenessBeside((await this.studio.library.look()).runs);
      onStart?.(polite);
      const { threads, sparesGpu } = polite;
      return this.painters.use({ run: run.folder, weights, threads, sparesGpu }, painter => work(painter, polite));
    };
    return this.turns.take(paint, { signal: AbortSignal.any([signal, this.studio.signal]), onPosition });
  }

  /** The picture of an order to complete, and how it is told to a terminal. */
  private completionOf({ completion }: PaintOrder): Completing {
    if (completion === undefined) return {};
    const { keep } = completion;
    const { picture: image } = this.given.get(completion.picture);
    const side = Math.sqrt(keep.length);
    const rows = keep.lastIndexOf(true) < 0 ? 0 : (keep.lastIndexOf(true) + 1) / side;
    const isRows = Number.isInteger(rows) && rows < side && keep.every((kept, i) => kept === i < rows * side);
    const files = { image: 'picture.png', ...(isRows ? { keepRows: rows } : { mask: 'mask.png' }) };
    return { completion: { image, keep }, files };
  }

  private async doPaint(job: Job, { run, order, settings, completion: completing }: Painting): Promise<void> {
    const named = run.isShipped === true ? 'models/emoji' : run.path; // as `tessera sample` names it in files
    const { captions, seed, numImages, weights } = order;
    const { signal } = job.stop;
    const onPosition = (position: number) => job.tell('queued', { position });
    const onStart = ({ why }: Politeness) => job.tell('started', { polite: why });
    const turn = { weights, signal, onPosition, onStart };
    const { images, sparesGpu } = await this.work(run, turn, async (painter, polite) => {
      for (const line of painter.warnings) job.tell('warning', { line });
      const request: PaintRequest = { kind: 'paint', named, captions, seed, numImages, settings, ...completing };
      return { ...(await painter.do(request, { signal, onNews: news => tell(job, news) })), ...polite };
    });
    job.pictures = images.map(({ png }) => png);
    const done = images.map(({ png: _, logProbabilities, ...image }, place) => ({
      ...image,
      seed,
      url: `/api/paint/${job.id}/images/${place}`,
      file: `${folderName(image.caption)}_seed${seed}_${image.index}.png`,
      ...(logProbabilities !== undefined && { logProbabilities: Array.from(logProbabilities, rounded) }),
    }));
    const { files } = completing;
    const request = {
      run: run.isShipped === true ? undefined : run.path,
      captions,
      seed,
      numImages,
      ...settings,
      weights,
      ...files,
    };
    job.tell('done', {
      images: done,
      command: sampleCommand({ ...request, backend: sparesGpu ? 'native' : undefined }),
      needs: [files?.image, files?.mask].filter(file => file !== undefined),
      unseen: await unseenIn(run, captions),
    });
  }
}

/** What a painting is made of. */
interface Painting {
  readonly run: Place;
  readonly order: PaintOrder;
  readonly settings: Readonly<Partial<Record<SamplingSetting, number>>>;
  readonly completion: Completing;
}

type Completing = Pick<PaintRequest, 'completion' | 'files'>;

function tell(job: Job, news: News): void {
  if (news.kind === 'tiles') {
    job.tell('tiles', { image: news.image, png: Buffer.from(news.png).toString('base64') });
  } else if (news.kind === 'progress') job.tell('progress', { painted: news.painted, of: news.of });
  else job.tell('warning', { line: news.line });
}

/** Four digits are plenty for a colour. */
function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

/** A line on words that the run does not know; null if there are none, or it does not say. */
async function unseenIn({ folder }: Place, captions: readonly string[]): Promise<PaintDone['unseen']> {
  const learnt = await readLearntWords(runPaths(folder).learnt).catch(error => {
    if (!(error instanceof UserError)) throw error;
    return undefined; // it paints without
  });
  return (learnt && describeUnseen(captions, learnt)) ?? null;
}
