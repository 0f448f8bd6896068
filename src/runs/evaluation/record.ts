/** @file A result of an evaluation as a line of metrics.jsonl. */
import type { MetricRow } from '../../metrics/define.ts';

/** One number of a row of pictures. */
export interface EvalRecord {
  readonly stage: 'eval';
  readonly run: string;
  /** Training step of the weights. */
  readonly step: number;
  readonly weights: string;
  readonly metric: string;
  /** null: does not apply; `details.reason` says why. */
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly row: MetricRow;
  /** Whose captions were painted: `validation` of held-out images, `train`, `test`; several with commas. */
  readonly split: string;
  readonly features: string | null;
  /** Pictures of the row, and real ones that they were compared with. */
  readonly n: number;
  readonly reference: number;
  readonly seed: number;
  /** Different captions that samples are of. */
  readonly captions?: number;
  readonly details?: Readonly<Record<string, number | string>>;
}
