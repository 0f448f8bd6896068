/**
 * @file The moves of players: forward and backward over the parts of a batch, and the update. A move is sent in one way and
 * its outcome read in one way, wherever tensors live; a device that decides steps by itself (kernels/stepplan) is read
 * later, for many moves at once.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../core/random.ts';
import { valueAndGradients } from '../kernels/autodiff.ts';
import type { Parameter } from '../nn/module.ts';
import { type Metrics, readTogether } from './measured.ts';
import type { Optimizer, OptimizerConfig, SentUpdate } from './optimizer.ts';

/** A forward pass: the loss to minimise and further scalars to report, by name. */
export interface Losses {
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/**
 * Fetches the data of one part of a step.
 * @param part from 0 to accumulate - 1
 * @returns builds the losses; called once, inside a tidy. Their `random` is this part's own; `wholeStep` is the same for all
 *   parts, so that a batch draws the same numbers in one part and in several: each draws those of the whole and takes its own
 */
export type BatchOf = (step: number, part: number) => Promise<(random: Random, wholeStep: Random) => Losses>;

/** One side of a game: parameters with a loss of their own. In every step the players move in turn. */
export interface Player {
  /** Goes before the names of its metrics. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** Where its optimizer differs from the loop's. */
  readonly optimizer?: Partial<OptimizerConfig>;
  /** Its learning rate over the scheduled one; default 1. */
  readonly lr?: number;
  readonly batch: BatchOf;
  /** Around its forward and backward pass, after its batch has been fetched, e.g. to move the opponent and back. */
  readonly before?: () => void;
  readonly after?: () => void;
  /** After its parameters have moved; on a GPU also where its update was skipped, which nobody knows yet. */
  readonly updated?: () => void;
}

/** A player and what moves it. */
export interface Side {
  readonly player: Player;
  readonly variables: readonly Tensor[];
  readonly optimizer: Optimizer;
}

/** Where in the training a move is made. */
export interface Moment {
  readonly random: Random;
  readonly step: number;
  readonly lr: number;
  /** Parts of a batch. */
  readonly accumulate: number;
}

/**
 * What a move came to. `rescaled` is a gradient that was too large under its loss scale: nothing was changed but the scale,
 * which is no failure as long as the scale can still be lowered, so until it is 1.
 */
export interface Outcome {
  readonly metrics: Metrics;
  readonly verdict: 'done' | 'skipped' | 'rescaled';
}

/** The scalars of one part, the loss first. */
type Part = readonly (readonly [name: string, scalar: Tensor])[];

/** A move that was sent; `readOutcomes` tells what came of it. */
export interface Move extends SentUpdate {
  readonly player: Player;
  readonly parts: readonly Part[];
  /** Whether losses are scaled. */
  readonly scaled: boolean;
}

/**
 * Sends every player's move. Where it is known at once whether a move was taken, the round ends with one that was not: the
 * next player sees what the last one has become. A device that decides by itself plays the round to its end; a player
 * without a finite gradient stays where it is.
 */
export async function playRound(sides: readonly Side[], moment: Moment): Promise<readonly Move[]> {
  const moves: Move[] = [];
  for (const side of sides) {
    const { lr = 1, updated } = side.player;
    const move = await sendMove(side, { ...moment, lr: moment.lr * lr });
    moves.push(move);
    if (move.taken === false) break;
    updated?.();
  }
  return moves;
}

/** Forward and backward over the parts of a batch, and the update. */
async function sendMove({ player, variables, optimizer }: Side, moment: Moment): Promise<Move> {
  const { random, step, lr, accumulate } = moment;
  const stream = player.name === '' ? '' : `${player.name}/`;
  const parts: Part[] = [];
  let gradients: (Tensor | null)[] = variables.map(() => null);
  for (let part = 0; part < accumulate; part++) {
    const forward = await player.batch(step, part);
    const randomOf = (which: number) => random.fork(`step/${stream}${which}`, step);
    const names: string[] = [];
    player.before?.();
    const result = valueAndGradients(
      () => {
        const { loss, metrics } = forward(randomOf(part), randomOf(0));
        names.push(...Object.keys(metrics));
        // Each part counts for its share of the batch.
        return { loss: tf.div(loss, accumulate), aux: Object.values(metrics) };
      },
      variables,
      optimizer.initialGradient(),
    );
    player.after?.();
    parts.push([['loss', result.loss], ...names.map((name, i) => [name, result.aux[i]] as const)]);
    gradients = part === 0 ? [...result.gradients] : sumOf(gradients, result.gradients);
  }
  const losses = parts.map(([[, loss]]) => loss);
  const sent = await optimizer.send(gradients, losses, lr);
  return { player, parts, scaled: optimizer.scaling, ...sent };
}

function sumOf(sums: readonly (Tensor | null)[], more: readonly (Tensor | null)[]): (Tensor | null)[] {
  return sums.map((sum, i) => {
    const next = more[i];
    if (sum === null || next === null) return sum ?? next;
    const result = tf.add(sum, next);
    sum.dispose();
    next.dispose();
    return result;
  });
}

function scalarsOf(parts: readonly Part[]): Tensor[] {
  return parts.flatMap(part => part.map(([, scalar]) => scalar));
}

/** Losses add up, since each is its share already; everything else is a mean over the parts. */
function sumParts(parts: readonly Part[], values: readonly number[]): Record<string, number> {
  const sums: Record<string, number> = {};
  let at = 0;
  for (const part of parts) {
    part.forEach(([name], i) => {
      const value = values[at++];
      sums[name] = (sums[name] ?? 0) + (i === 0 ? value : value / parts.length);
    });
  }
  return sums;
}

function prefixMetrics({ name }: Player, metrics: Metrics): Metrics {
  if (name === '') return metrics;
  return Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${name}_${key}`, value]));
}

/** What came of moves, in their order, by one reading of the device; the moves are used up. */
export async function readOutcomes(moves: readonly Move[]): Promise<readonly Outcome[]> {
  const values = await readTogether(moves.flatMap(tensorsOf));
  let at = 0;
  return moves.map(move => {
    const { player, parts, scaled } = move;
    const from = at;
    at += tensorsOf(move).length + 1; // the report has two numbers
    const metrics = sumParts(parts, values.slice(from, at - 2));
    const [norm, scale] = values.slice(at - 2, at);
    const all = prefixMetrics(player, { ...metrics, norm, ...(scaled ? { lossScale: scale } : {}) });
    if (Number.isFinite(norm)) return { metrics: all, verdict: 'done' };
    return { metrics: all, verdict: Number.isFinite(metrics.loss) && scale > 1 ? 'rescaled' : 'skipped' };
  });
}

function tensorsOf({ parts, report }: Move): Tensor[] {
  return [...scalarsOf(parts), report];
}

/** Frees what moves have left on the device, where nobody will read their outcomes. */
export function discardMoves(moves: readonly Move[]): void {
  for (const move of moves) tf.dispose(tensorsOf(move));
}
