/** @file The curves of one run on the page: read once, then what is new is put to them; read again where they have become too long. */
import type { Curves, Measurement, StageCurves } from '../studio/messages.ts';
import { call } from './api.ts';

/** Points of a curve that are asked for, and those at which it is asked anew. */
const POINTS = 800;
const MOST = 2400;

export class CurveStore {
  readonly id: string;
  curves: Curves = { epoch: -1, end: 0, stages: [] };
  private range: readonly [from: number, to: number] | undefined;

  constructor(id: string) {
    this.id = id;
  }

  /** As a stream of events is asked for it: what is known of it. */
  get place(): string {
    const { epoch, end } = this.curves;
    return epoch < 0 ? this.id : `${this.id}:${epoch}:${end}`;
  }

  /** Reads it, all of it or these steps. */
  async read(signal: AbortSignal, range: typeof this.range = undefined): Promise<void> {
    this.range = range;
    const stretch = range === undefined ? '' : `&from=${Math.max(0, range[0])}&to=${Math.max(0, range[1])}`;
    this.curves = await call<Curves>(`/api/runs/${this.id}/curves?points=${POINTS}${stretch}`, { signal });
  }

  /** Puts what is new to it. @returns whether it is to be read again */
  add(news: Curves): boolean {
    const { epoch, stages } = this.curves;
    if (news.epoch !== epoch) {
      this.curves = news;
      return false;
    }
    const known = new Map(stages.map(stage => [stage.name, stage]));
    const merged = news.stages.map(stage => {
      const { curves = {}, means = {} } = known.get(stage.name) ?? {};
      const among = Object.fromEntries(Object.entries(stage.curves).filter(([name]) => name in means));
      return { ...stage, curves: this.joined(curves, stage.curves), means: this.joined(means, among) };
    });
    this.curves = { ...news, stages: merged };
    return merged.some(({ curves }) => Object.values(curves).some(({ length }) => length > MOST));
  }

  stage(name: string): StageCurves | undefined {
    return this.curves.stages.find(stage => stage.name === name);
  }

  private joined(before: StageCurves['curves'], curves: StageCurves['curves']): StageCurves['curves'] {
    const joined: Record<string, readonly Measurement[]> = { ...before };
    const { range } = this;
    for (const [name, points] of Object.entries(curves)) {
      const last = joined[name]?.at(-1)?.[0] ?? -1;
      const wanted = points.filter(([step]) => step > last && (range === undefined || step <= range[1]));
      joined[name] = [...(joined[name] ?? []), ...wanted];
    }
    return joined;
  }
}
