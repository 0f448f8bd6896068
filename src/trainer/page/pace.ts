/** @file How fast a stage goes, and how long it still takes, by its last steps. */
import type { StageStart, StageStep } from '../../library/progress.ts';

/** Seconds whose steps are looked at. */
const WINDOW = 30;

export class Pace {
  readonly stage: StageStart;
  private step: number;
  private total: number | undefined;
  private readonly began: number;
  /** When a step was done, and what was done by then. */
  private seen: { readonly at: number; readonly step: number; readonly amount: number }[] = [];

  /** @param now in seconds */
  constructor(stage: StageStart, now: number) {
    this.stage = stage;
    this.step = stage.step ?? 0;
    this.total = stage.total;
    this.began = now;
  }

  take({ step, total, amount = 0, beforehand }: StageStep, now: number): void {
    if (beforehand === true) return;
    this.step = step;
    this.total = total ?? this.total;
    this.seen.push({ at: now, step, amount });
    while (this.seen.length > 2 && now - this.seen[0].at > WINDOW) this.seen.shift();
  }

  /** How much of the stage is done, from 0 to 1; undefined where that is not known. */
  get share(): number | undefined {
    return this.total === undefined ? undefined : Math.min(1, this.step / this.total);
  }

  /** What is done in a second, in what the stage counts; undefined before two steps. */
  get rate(): number | undefined {
    const [first, last] = [this.seen.at(0), this.seen.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return undefined;
    return (last.amount - first.amount) / (last.at - first.at);
  }

  /** Seconds until the stage is done. */
  left(now: number): number | undefined {
    const [first, last] = [this.seen.at(0), this.seen.at(-1)];
    const { total } = this;
    if (total === undefined || first === undefined || last === undefined || last.step <= first.step) {
      return this.stage.seconds === undefined ? undefined : Math.max(0, this.stage.seconds - (now - this.began));
    }
    const each = (last.at - first.at) / (last.step - first.step);
    return Math.max(0, (total - last.step) * each - (now - last.at));
  }

  /** Where it stands, e.g. `step 40 of 200`. */
  get place(): string {
    const { counts = 'step' } = this.stage;
    return this.total === undefined ? `${counts} ${this.step}` : `${counts} ${this.step} of ${this.total}`;
  }
}
