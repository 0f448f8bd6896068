/**
 * @file Speculative Jacobi decoding: one pass reads the last code and a window of guesses, and keeps as many of the codes
 * that follow as agree with what the model would have drawn (Teng et al. 2025, arXiv:2410.01699). Guesses that come after
 * the first disagreement are drawn anew by maximal coupling, so that those that may stay do stay (arXiv:2510.24211).
 * Every code is drawn from the model's distribution given the codes before it, exactly; it pays where reading a few
 * positions costs hardly more than reading one, which is where the weights come from memory.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Dalle } from './dalle.ts';
import { createDecoder, type Decoder } from './decoder.ts';
import { UserError } from './errors.ts';
import { codeProbabilities, type DrawOptions, pick } from './kernels/draw.ts';
import type { Random } from './random.ts';

/** Windows that are tried. */
const WINDOWS = [1, 2, 3, 4, 6, 8, 12, 16];
/** Codes a pass keeps grow like this power of the window: between 0.28 and 0.45 on the models it was measured on. */
const GROWTH = 0.35;

/** A guess at a code, and the distribution it was drawn from; none for a uniform one. */
interface Guess {
  readonly code: number;
  readonly from?: Float32Array;
}

/**
 * Modified rejection sampling (Leviathan et al. 2023, arXiv:2211.17192, appendix A.1): a draw from `p` that is `guess`
 * with the greatest probability possible.
 * @param p [codes], sums to 1
 */
export function couple(
  p: Float32Array,
  guess: Guess,
  random: Random,
): { readonly code: number; readonly kept: boolean } {
  const { code, from } = guess;
  const uniform = 1 / p.length;
  if (random.uniform() * (from?.[code] ?? uniform) < p[code]) return { code, kept: true };
  const rest = p.map((x, k) => Math.max(0, x - (from?.[k] ?? uniform)));
  const u = random.uniform();
  const { index } = pick(rest.some(x => x > 0) ? rest : p, u);
  return { code: index, kept: false };
}

type Speculator = Decoder & Required<Pick<Decoder, 'nextAll' | 'rewind'>>;

/** @throws UserError if the decoder reads one position at a time only */
function asSpeculator(decoder: Decoder): Speculator {
  if (decoder.nextAll === undefined || decoder.rewind === undefined) {
    throw new UserError(
      'decode',
      'speculative decoding needs the native backend',
      'leave out --decode speculative, or use --backend native',
    );
  }
  return decoder as Speculator;
}

/**
 * The window that promises the most codes in a second, from the time that passes of several sizes take here.
 * @param rows that are read at once: two with guidance
 * @param now a clock in milliseconds
 */
export function measureWindow(model: Dalle, rows: number, now: () => number): number {
  const decoder = asSpeculator(createDecoder(model, rows));
  decoder.start(new Int32Array(rows * model.config.captionLength), new Int32Array(0)).dispose();
  let best = { window: 1, rate: 0 };
  for (const window of WINDOWS.filter(n => n < model.codes)) {
    const times = [0, 1, 2].map(() => {
      const started = now();
      decoder.nextAll(new Int32Array(window * rows)).dispose();
      decoder.rewind(0);
      return now() - started;
    });
    const rate = window ** GROWTH / Math.min(...times);
    if (rate > best.rate) best = { window, rate };
  }
  decoder.dispose();
  return best.window;
}

export interface SpeculationOptions extends DrawOptions {
  readonly random: Random;
  /** Codes that are kept, [N], -1 where the model is to paint. */
  readonly given?: Int32Array;
  /** Positions that a pass reads. */
  readonly window: number;
}

/** One image, painted some codes at a time. */
export class Speculation {
  /** [N], -1 from `painted` on. */
  readonly codes: Int32Array;
  painted: number;
  /** Of the codes drawn so far, in nats. */
  logProbability = 0;
  private readonly decoder: Speculator;
  private readonly options: SpeculationOptions;
  private guesses: Guess[] = [];

  /** @param decoder one row, or with guidance two; has read the `codes` before `painted`, and is freed by `dispose` */
  constructor(decoder: Decoder, codes: Int32Array, painted: number, options: SpeculationOptions) {
    this.decoder = asSpeculator(decoder);
    this.codes = codes;
    this.painted = painted;
    this.options = options;
  }

  /** Draws the first code. @param logits as the decoder returned them; they stay the caller's */
  async begin(logits: Tensor): Promise<void> {
    await this.settle(logits, 1);
  }

  /** Reads a window of codes and guesses; paints one code at least. */
  async pass(): Promise<void> {
    const { decoder, painted, codes, options } = this;
    const last = painted - 1;
    // The image's last code is never read.
    const n = Math.min(options.window, codes.length - painted);
    while (this.guesses.length < n - 1) this.guesses.push(this.guess(painted + this.guesses.length));
    const window = [codes[last], ...this.guesses.slice(0, n - 1).map(({ code }) => code)];
    const rows = Int32Array.from({ length: decoder.rows * n }, (_, i) => window[i % n]);
    const logits = decoder.nextAll(rows); // [rows, n, codes]
    const flat = tf.reshape(logits, [decoder.rows * n, -1]);
    logits.dispose();
    await this.settle(flat, n);
    flat.dispose();
    decoder.rewind(this.painted - 1);
  }

  dispose(): void {
    this.decoder.dispose();
  }

  /** A guess where nothing is known yet. */
  private guess(position: number): Guess {
    const given = this.options.given?.[position] ?? -1;
    return { code: given >= 0 ? given : this.options.random.integer(this.decoder.codes) };
  }

  /** Paints from the distributions of the next n codes until one is not what was guessed; guesses anew from the others. */
  private async settle(logits: Tensor, n: number): Promise<void> {
    const { random, given } = this.options;
    const probabilities = await codeProbabilities(logits, this.options);
    const K = probabilities.length / n;
    const first = this.painted;
    const anew: Guess[] = [];
    let agreed = true;
    for (let i = 0; i < n; i++) {
      const p = probabilities.subarray(i * K, (i + 1) * K);
      const guess = this.guesses[i] as Guess | undefined;
      const forced = given?.[first + i] ?? -1;
      const drawn =
        forced >= 0
          ? { code: forced, kept: guess === undefined || guess.code === forced }
          : guess === undefined
            ? { code: pick(p, random.uniform()).index, kept: true }
            : couple(p, guess, random);
      if (!agreed) {
        anew.push({ code: drawn.code, from: p });
        continue;
      }
      this.codes[this.painted++] = drawn.code;
      if (forced < 0) this.logProbability += Math.log(p[drawn.code]);
      agreed = drawn.kept;
    }
    // Where all agreed, guesses beyond the window are still to be judged.
    this.guesses = agreed ? this.guesses.slice(n) : anew;
  }
}
