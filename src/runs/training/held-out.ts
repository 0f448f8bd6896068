/**
 * @file What the loss on held-out data says while a stage is trained: that it has turned for good, that it is worse than
 * guessing, what so few pictures are worth; each once, also across resumes, because it is read from the log. And which
 * weights are the best by it.
 */
import { type LossAt, learntByHeartSince, lowestOf, turningOf } from '../../metrics/turning.ts';
import { FEW_ITEMS } from '../../training/few.ts';
import type { Metrics } from '../../training/measured.ts';
import { type Job, loggedBefore } from './job.ts';

/** How a stage is judged by its `val_loss`. */
export interface Judging {
  /** What is said where it has turned, e.g. `held-out loss rose`. */
  readonly rose: string;
  /** What becomes of the weights then, e.g. `best kept`. */
  readonly weights: string;
  /** The loss of a model that has learnt nothing. */
  readonly untaught?: number;
}

/** Something to be said, and to be found in the log. */
export interface Remark {
  readonly text: string;
  readonly record: Readonly<Record<string, number>>;
}

/** Takes in the records of a stage's log, and says what is new in them. */
export class HeldOutJudge {
  readonly losses: LossAt[] = [];
  private readonly training: LossAt[] = [];
  private readonly judging: Judging | undefined;
  private readonly said = new Set<string>();

  /** @param judging undefined: the losses are no measure of what was learnt, and only kept */
  constructor(judging: Judging | undefined) {
    this.judging = judging;
  }

  /** The lowest loss; undefined where nothing was measured. */
  get best(): LossAt | undefined {
    return lowestOf(this.losses.filter(({ value }) => Number.isFinite(value)));
  }

  /** Whether the last loss is above that of guessing, and was not before. */
  get isWorseThanGuessing(): boolean {
    const { untaught = Number.POSITIVE_INFINITY } = this.judging ?? {};
    const last = this.losses.at(-1);
    return last !== undefined && last.value > untaught && this.best !== undefined && this.best.value <= untaught;
  }

  /** @returns what is said for the first time */
  add({ step, loss, val_loss: value, val_items: items, val_margin: margin }: Metrics): Remark[] {
    if (loss !== undefined) this.training.push({ step, value: loss });
    if (value === undefined) return [];
    this.losses.push({ step, value });
    if (this.judging === undefined) return [];
    const { rose, weights, untaught = Number.NaN } = this.judging;
    const turned = learntByHeartSince(this.losses, this.training);
    return [
      ...(items < FEW_ITEMS ? this.once('few', { text: describeFew(items, margin), record: {} }) : []),
      ...(turned === undefined
        ? []
        : this.once('turned', {
            text: `step ${step}: ${rose} since step ${turned.step}: it now learns by heart (${weights})`,
            record: { turned: turned.step },
          })),
      ...(this.isWorseThanGuessing
        ? this.once('guessing', {
            text: `step ${step}: held-out loss ${value.toFixed(3)} is worse than guessing, which has ${untaught.toFixed(3)}`,
            record: { guessing: untaught },
          })
        : []),
    ];
  }

  private once(what: string, remark: Remark): Remark[] {
    if (this.said.has(what)) return [];
    this.said.add(what);
    return [remark];
  }
}

/** What a loss of so few pictures is worth. @param margin half of its 95 percent interval; absent where it is not known */
function describeFew(items: number, margin: number | undefined): string {
  if (items === 1) return '1 held-out picture: its loss says nothing of others; --validation holds out more';
  const worth = margin === undefined || !Number.isFinite(margin) ? 'rough' : `good to about ±${margin.toPrecision(2)}`;
  return `${items} held-out pictures: held-out loss is ${worth}; --validation holds out more`;
}

/** A judge that knows what a stage has logged up to the step it goes on from. */
export async function openJudge(
  job: Job,
  stage: { readonly name: string; readonly state: string },
  judging: Judging | undefined,
): Promise<HeldOutJudge> {
  const judge = new HeldOutJudge(judging);
  for (const record of await loggedBefore(job, stage)) judge.add(record);
  return judge;
}

/**
 * Which weights paint, and what others are for, when a training has ended.
 * @param how.step the last; @param how.averaged whether weights are averaged
 * @param how.measure what the losses are, e.g. `held-out loss`
 */
export function describeWeights(
  { losses, best, isWorseThanGuessing }: Pick<HeldOutJudge, 'losses' | 'best' | 'isWorseThanGuessing'>,
  { step, averaged, measure }: { readonly step: number; readonly averaged: boolean; readonly measure: string },
): string {
  const last = losses.at(-1);
  const paints = `painting takes the ${averaged ? 'averaged ' : ''}weights of the last step, ${step}`;
  if (best === undefined || last === undefined) return `${paints}; none are called the best, as nothing was measured`;
  if (best.step >= step) return `${paints}, which are also the best (${measure} ${best.value.toFixed(3)})`;
  const end = `${last.value.toFixed(3)} at the end${isWorseThanGuessing ? ', worse than guessing' : ''}`;
  const others = `\`--weights best\` those of step ${best.step} (${measure} ${best.value.toFixed(3)}, ${end})`;
  if (turningOf(losses) === undefined) return `${paints}; ${others}`;
  return `${paints}, which know their training captions best; ${others}, for captions never seen`;
}
