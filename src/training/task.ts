/**
 * @file What the training loop must know of a model and its data (`Task`), what it is set to do, and what it tells whoever
 * watches. Types alone.
 */
import type { Random } from '../core/random.ts';
import type { TensorData } from '../io/safetensors.ts';
import type { Parameters } from '../nn/module.ts';
import type { Metrics } from './measured.ts';
import type { BatchOf, Player } from './moves.ts';
import type { OptimizerConfig } from './optimizer.ts';

/** What a task has to remember beyond parameters. */
export interface TaskState {
  readonly arrays: ReadonlyMap<string, TensorData>;
  /** Small, and fit for JSON. */
  readonly values: unknown;
}

/** What the loop must know of a model and its data. */
export interface Task {
  /** All that is saved and resumed. */
  readonly parameters: Parameters;
  /** What the rate counts, and how many of them a step has. */
  readonly unit: 'tokens' | 'images';
  readonly unitsPerStep: number;
  /** Images shown in a step, and operations that its forward and backward passes need, for the log. */
  readonly imagesPerStep?: number;
  readonly flopsPerStep?: number;
  /** Batches of a model that minimises one loss; left out by a game, which has `players`. */
  readonly batch?: BatchOf;
  readonly players?: readonly Player[];
  /** Called once before the first step of a fresh run, not of a resumed one. */
  begin?(random: Random): Promise<void>;
  /** Called after every update, e.g. to revive unused codes. */
  afterStep?(step: number, random: Random): Promise<void>;
  /**
   * Measures on held-out data with the weights as they are; the lowest `loss` is the best. In the log names get `val_`
   * before them, unless they begin with `check_` (metrics/collapse.ts). Undefined: it has nothing to measure by. Of fewer than
   * `FEW_ITEMS` (few.ts) items it may also tell how many (`items`), and half of the 95 percent interval of the loss (`margin`).
   * @param signal aborted where the training is to stop: then it may reject with the signal's reason, and is called again at
   *   the same step when the training goes on
   */
  evaluate(signal?: AbortSignal): Promise<(Metrics & { readonly loss: number }) | undefined>;
  /** State beyond parameters and optimizer: arrays, and small values that fit JSON. */
  save?(): TaskState | Promise<TaskState>;
  /** @param where the file of the arrays, for errors. @throws UserError if they are not what `save` gave */
  restore?(arrays: ReadonlyMap<string, TensorData>, values: unknown, where: string): void;
  /** Called where the training gets another number of steps than it was made for. */
  setSteps?(steps: number): void;
  /** What is worth a line each when the training ends, e.g. how many captions were cut. */
  remarks?(): readonly string[];
  /** Frees what it holds beside the model. */
  dispose?(): void;
}

export interface LoopConfig extends OptimizerConfig {
  readonly steps: number;
  readonly accumulate: number;
  readonly lr: number;
  readonly warmup: number;
  readonly finalLr: number;
  /** See `learningRate`. */
  readonly decay?: number;
  /** Validations without a better loss after which the learning rate halves, five times at most; 0 (default): never. */
  readonly plateau?: number;
  /** Validations without a better loss after which the training ends; 0 (default): never. */
  readonly patience?: number;
  readonly evalEvery: number;
  readonly sampleEvery: number;
  readonly saveEvery: number;
  readonly logEvery: number;
  readonly seed: number;
}

/** Weights worth keeping, as they are offered to the caller, who writes them. */
export type Weights = Awaited<ReturnType<Parameters['values']>>;

/** What the loop tells whoever watches. All of it optional. */
export interface Watcher {
  /** After every step: the mean loss since the last call of `onLog` and the units done so far. */
  readonly onStep?: (progress: { step: number; steps: number; loss: number; units: number }) => void;
  /** Every `logEvery` steps, and at evaluations: a record for metrics.jsonl. */
  readonly onLog?: (record: Metrics) => void;
  /** After an evaluation, and after its record: what else is kept of it; the training waits. */
  readonly onEvaluation?: (step: number) => Promise<void>;
  /** When to look at pictures; runs with the averaged weights in place. @param signal as for `Task.evaluate` */
  readonly onSample?: (step: number, signal?: AbortSignal) => Promise<void>;
  /** A better validation loss than any before: the averaged weights. */
  readonly onBest?: (weights: Weights, metrics: Metrics) => Promise<void>;
  /** With every saved state: the weights and their average. */
  readonly onSave?: (weights: Weights, average: Weights, step: number) => Promise<void>;
  /** It is slower than its time allows, or quicker again, and has other steps in all than before; they are saved. */
  readonly onFit?: (steps: number, before: number) => Promise<void>;
  /** Something worth a line: a resumed run, a skipped step. */
  readonly onMessage?: (message: string) => void;
}

export interface TrainResult {
  readonly step: number;
  readonly finished: boolean;
  readonly best: number;
}
