/**
 * @file Training a GAN on captioned images: the discriminator's move, then the generator's, on the same real images with
 * noise of its own. Which losses and penalties, which augmentation, which captions are left out or exchanged, and who
 * stands ahead while the other moves (the prediction method) is the config's. Penalties are taken at every step, by the
 * images before augmentation. What a game's losses do not tell, metrics do: mean logits, the share that D gets right,
 * the penalties. They are diagnostics; whether a run has collapsed is judged on samples (metrics/collapse.ts).
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../core/random.ts';
import type { Images } from '../../image/images.ts';
import { imagesToSignedTensor } from '../../image/pixels.ts';
import type { TensorData } from '../../io/safetensors.ts';
import type { Parameters } from '../../nn/module.ts';
import { BatchParts, type CaptionedStream } from '../../training/captioned.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Losses, Player } from '../../training/moves.ts';
import { asTensors, namedValues } from '../../training/named-values.ts';
import { Lookahead } from '../../training/optimizer.ts';
import type { Task } from '../../training/task.ts';
import { discriminatorTerms, generatorTerms, mismatchTerms } from './adversarial.ts';
import { type AugmentDraws, augment, drawAugmentation } from './augment.ts';
import type { Gan } from './gan.ts';
import { type Dual, dual, gradientPenalty, inputGradient } from './penalty.ts';

export interface GanTaskOptions {
  /** Real images a step, over all parts. */
  readonly batchSize: number;
  /** Parts of a step; default 1. */
  readonly accumulate?: number;
  /** Steps of the whole training, which the burn-in is a share of. */
  readonly steps: number;
  readonly seed: number;
  /** Measures samples; a GAN's losses say nothing. Without it every evaluation's loss is NaN, and no step the best. */
  readonly evaluate?: () => Promise<Metrics & { readonly loss: number }>;
}

/** The real side of one part of a step, which both players see. */
interface Round {
  readonly images: Images;
  /** [B, textDim], zeros where the caption is left out. */
  readonly text: Float32Array;
}

/** Tensors that a move was prepared with; its losses use them and then dispose them. */
interface Side {
  readonly images: Tensor;
  readonly draws: AugmentDraws;
  /** The gradient of D by the images, if that is penalised. */
  readonly v?: Tensor;
}

export class GanTask implements Task {
  readonly parameters: Parameters;
  readonly players: readonly Player[];
  readonly unit = 'images';
  readonly unitsPerStep: number;
  readonly imagesPerStep: number;
  readonly flopsPerStep: number;
  private readonly gan: Gan;
  private readonly stream: CaptionedStream;
  private readonly parts: BatchParts;
  private readonly options: GanTaskOptions;
  private readonly random: Random;
  private steps: number;
  private readonly ahead: { readonly G?: Lookahead; readonly D?: Lookahead };
  /** By part; D fetches, G takes. */
  private readonly rounds: Round[] = [];
  /** Of the generator's norms in its last forward pass. */
  private moments: readonly Tensor[] = [];

  constructor(gan: Gan, stream: CaptionedStream, options: GanTaskOptions) {
    const { predict } = gan.config;
    const [generator, discriminator] = [gan.parametersOf('generator'), gan.parametersOf('discriminator')];
    this.gan = gan;
    this.stream = stream;
    this.parts = new BatchParts(stream, options.accumulate ?? 1);
    this.options = options;
    this.random = new Random(options.seed);
    this.steps = options.steps;
    this.parameters = gan.parameters;
    this.unitsPerStep = options.batchSize;
    this.imagesPerStep = options.batchSize;
    this.flopsPerStep = options.batchSize * gan.trainingFlops();
    this.ahead = {
      ...(predict !== 'none' && { G: new Lookahead(generator) }),
      ...(predict === 'both' && { D: new Lookahead(discriminator) }),
    };
    const { D } = this.ahead;
    this.players = [
      {
        name: 'D',
        parameters: discriminator,
        optimizer: { ema: 0 },
        batch: (step, part) => this.prepareD(step, part),
        updated: () => D?.moved(),
      },
      {
        name: 'G',
        parameters: generator,
        batch: (step, part) => this.prepareG(step, part),
        before: () => D?.apply(),
        after: () => D?.restore(),
        updated: () => this.generatorMoved(),
      },
    ];
  }

  /** Weights of R1 and R2 at a step: both fall to a share of themselves, by a cosine, until the burn-in is over. */
  gammas(step: number): { readonly r1: number; readonly r2: number } {
    const { r1, r2, gammaEnd, burnIn } = this.gan.config;
    const progress = Math.min(1, step / Math.max(1, burnIn * this.steps));
    const share = gammaEnd + (1 - gammaEnd) * 0.5 * (1 + Math.cos(Math.PI * progress));
    return { r1: r1 * share, r2: r2 * share };
  }

  setSteps(steps: number): void {
    this.steps = steps;
  }

  private async prepareD(step: number, part: number): Promise<() => Losses> {
    const { images, text } = await this.parts.take(part);
    const random = this.random.fork(`D/${part}`, step);
    const round = { images, text: this.withoutSome(text, random.fork('captions')) };
    this.rounds[part] = round;
    const [B, condition, real] = [this.sizeOf(round), this.textOf(round), this.picturesOf(round)];
    this.ahead.G?.apply();
    const fake = tf.tidy(() => this.gan.generateInTraining(this.noise(B, random.fork('noise')), condition).images);
    this.ahead.G?.restore();
    const gammas = this.gammas(step);
    const sides = {
      real: this.penalised(real, condition, this.draw(B, random.fork('real')), gammas.r1),
      fake: this.penalised(fake, condition, this.draw(B, random.fork('fake')), gammas.r2),
    };
    return () => {
      const losses = this.lossesOfD(round, condition, { ...sides, ...gammas });
      disposeSides(sides.real, sides.fake);
      condition.dispose();
      return losses;
    };
  }

  private async prepareG(step: number, part: number): Promise<() => Losses> {
    const round = this.rounds[part];
    const random = this.random.fork(`G/${part}`, step);
    const [B, condition] = [this.sizeOf(round), this.textOf(round)];
    const draws = { real: this.draw(B, random.fork('real')), fake: this.draw(B, random.fork('fake')) };
    const noise = this.noise(B, random.fork('noise'));
    const { loss } = this.gan.config;
    this.ahead.D?.apply();
    const real = tf.tidy(() =>
      loss === 'relativistic' ? this.logits(dual(this.picturesOf(round)), condition, draws.real).value : tf.zeros([B]),
    );
    this.ahead.D?.restore();
    return () => {
      const { images, moments } = this.gan.generateInTraining(noise, condition);
      tf.dispose([...this.moments]);
      this.moments = moments.map(x => tf.keep(tf.clone(x)));
      const fake = this.logits(dual(images), condition, draws.fake).value;
      const terms = generatorTerms(loss, fake, real);
      const losses = { loss: tf.add(tf.mean(terms), this.gan.statisticsTerm()), metrics: { fake: tf.mean(fake) } };
      tf.dispose([real, condition, noise]);
      return losses;
    };
  }

  private lossesOfD(
    round: Round,
    condition: Tensor,
    game: { readonly real: Side; readonly fake: Side; readonly r1: number; readonly r2: number },
  ): Losses {
    const { gan } = this;
    const { loss: kind, mismatch } = gan.config;
    const realFeatures = gan.features(augment(dual(game.real.images, game.real.v), game.real.draws));
    const real = gan.logitsOf(realFeatures, condition);
    const fake = this.logits(dual(game.fake.images, game.fake.v), condition, game.fake.draws);
    const parts = [tf.mean(discriminatorTerms(kind, real.value, fake.value))];
    const metrics: Record<string, Tensor> = {
      real: tf.mean(real.value),
      fake: tf.mean(fake.value),
      accuracy: accuracyOf(kind === 'relativistic', real.value, fake.value),
    };
    if (mismatch > 0) {
      const { other, weights } = this.exchanged(round);
      const mismatched = gan.logitsOf(dual(realFeatures.value), other).value;
      metrics.mismatch = tf.sum(tf.mul(mismatchTerms(kind, real.value, mismatched), weights));
      parts.push(tf.mul(metrics.mismatch, mismatch));
    }
    const penalty = (name: string, gamma: number, logits: Dual, v: Tensor | undefined) => {
      if (v === undefined || logits.tangent === undefined) return;
      metrics[name] = tf.mul(gradientPenalty(logits.tangent, v), gamma);
      parts.push(metrics[name]);
    };
    penalty('r1', game.r1, real, game.real.v);
    penalty('r2', game.r2, fake, game.fake.v);
    return { loss: tf.addN(parts), metrics };
  }

  private logits(images: Dual, condition: Tensor, draws: AugmentDraws): Dual {
    return this.gan.logitsOf(this.gan.features(augment(images, draws)), condition);
  }

  /** The images, and the gradient of D by them where it has a weight. */
  private penalised(images: Tensor, condition: Tensor, draws: AugmentDraws, gamma: number): Side {
    if (gamma === 0) return { images, draws };
    return { images, draws, v: inputGradient(x => this.logits(dual(x), condition, draws).value, images) };
  }

  private generatorMoved(): void {
    this.gan.follow(this.moments);
    tf.dispose([...this.moments]);
    this.moments = [];
    this.ahead.G?.moved();
  }

  /** Each image with its neighbour's caption, and the weights of the terms, which sum to 1, or are 0 where that is no mistake. */
  private exchanged({ text }: Round): { readonly other: Tensor; readonly weights: Tensor } {
    const { textDim } = this.gan.shape;
    const B = text.length / textDim;
    const rowOf = (b: number) => text.subarray((b % B) * textDim, ((b % B) + 1) * textDim);
    const other = new Float32Array(text.length);
    const weights = Float32Array.from({ length: B }, (_, b) => {
      const [own, next] = [rowOf(b), rowOf(b + 1)];
      other.set(next, b * textDim);
      const hasCaption = (row: Float32Array) => row.some(x => x !== 0);
      return hasCaption(own) && hasCaption(next) && own.some((x, i) => x !== next[i]) ? 1 : 0;
    });
    const count = weights.reduce((sum, x) => sum + x, 0);
    const shares = weights.map(x => x / Math.max(1, count));
    return { other: tf.tensor(other, [B, textDim]), weights: tf.tensor(shares, [B]) };
  }

  private withoutSome(text: Float32Array, random: Random): Float32Array {
    const { textDim } = this.gan.shape;
    const { captionDrop } = this.gan.config;
    const kept = text.slice();
    for (let at = 0; at < text.length; at += textDim) {
      if (random.uniform() < captionDrop) kept.fill(0, at, at + textDim);
    }
    return kept;
  }

  private draw(B: number, random: Random): AugmentDraws {
    return drawAugmentation(this.gan.config.augment, B, this.gan.shape.imageSize, random);
  }

  private noise(B: number, random: Random): Tensor {
    const { latent } = this.gan.config;
    return tf.tensor(random.normals(B * latent), [B, latent]);
  }

  private sizeOf({ text }: Round): number {
    return text.length / this.gan.shape.textDim;
  }

  private textOf(round: Round): Tensor {
    return tf.tensor(round.text, [this.sizeOf(round), this.gan.shape.textDim]);
  }

  private picturesOf(round: Round): Tensor {
    return imagesToSignedTensor(round.images);
  }

  async evaluate(): Promise<(Metrics & { readonly loss: number }) | undefined> {
    return this.options.evaluate?.();
  }

  /** The stream's place, and the displacements that look-aheads repeat. */
  async save(): Promise<{ arrays: ReadonlyMap<string, TensorData>; values: unknown }> {
    const states = await Promise.all([this.ahead.G, this.ahead.D].map(async ahead => (await ahead?.state()) ?? []));
    return { arrays: asTensors(new Map(states.flatMap(state => [...state]))), values: this.stream.state() };
  }

  restore(arrays: ReadonlyMap<string, TensorData>, values: unknown, where: string): void {
    this.stream.restore(values);
    const stored = namedValues(arrays, where);
    this.ahead.G?.load(stored, where);
    this.ahead.D?.load(stored, where);
  }

  dispose(): void {
    tf.dispose([...this.moments]);
    this.ahead.G?.dispose();
    this.ahead.D?.dispose();
  }
}

/** The share of logits on the right side of 0, or of pairs in the right order. */
function accuracyOf(paired: boolean, real: Tensor, fake: Tensor): Tensor {
  if (paired) return tf.mean(tf.step(tf.sub(real, fake)));
  return tf.mul(tf.add(tf.mean(tf.step(real)), tf.mean(tf.step(tf.neg(fake)))), 0.5);
}

function disposeSides(...sides: readonly Side[]): void {
  for (const { images, v } of sides) tf.dispose(v === undefined ? [images] : [images, v]);
}
