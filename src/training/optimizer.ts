/**
 * @file The optimizer: AdamW (Loshchilov and Hutter 2019), or Muon for the matrices inside and AdamW for the rest; clipping
 * by the global norm, warm-up and cosine decay, and an exponential moving average of the weights. All state is fp32 and can
 * be saved and restored exactly. On WebGPU a step is decided where it is taken, so that nothing has to be read back.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { activeDevice } from '../device/device.ts';
import { type AdamwOptions, type AdamwSlot, adamwStep, squaredNorm } from '../kernels/adamw/adamw.ts';
import { type MuonSlot, muonStep } from '../kernels/muon/muon.ts';
import { type PullSlot, pullStep } from '../kernels/pull/pull.ts';
import { DeviceProgress, type Progress } from '../kernels/stepplan/stepplan.ts';
import type { NamedValues, Parameter } from '../nn/module.ts';

export interface OptimizerConfig {
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  /** Strength of the pull towards anchors, which takes the place of the decay of parameters that have one; default 0: none. */
  readonly pull?: number;
  /** Largest global norm of the gradient. */
  readonly clip: number;
  /** Decay of the average; 0 keeps none. */
  readonly ema: number;
  /** Default adamw. */
  readonly optimizer?: 'adamw' | 'muon';
}

/**
 * Linear warm-up to the peak, then a cosine down to `finalLr` of it, which is reached after a share `decay` (default 1) of the
 * steps. `step` counts from 0.
 */
export function learningRate(
  schedule: Readonly<Record<'lr' | 'warmup' | 'finalLr' | 'steps', number>> & { readonly decay?: number },
  step: number,
): number {
  const { lr, warmup, finalLr, steps, decay = 1 } = schedule;
  const rising = Math.max(1, Math.round(warmup * steps));
  if (step < rising) return (lr * (step + 1)) / rising;
  const progress = Math.min(1, (step - rising) / Math.max(1, Math.round(decay * steps) - rising));
  return lr * (finalLr + (1 - finalLr) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}

interface Slot {
  readonly parameter: Parameter;
  readonly m: tf.Variable;
  /** Absent where Muon updates. */
  readonly v: tf.Variable | undefined;
  readonly ema: tf.Variable | undefined;
  /** Where it is pulled to instead of decaying. */
  readonly anchor: Tensor | undefined;
}

const EPSILON = 1e-8;
const MUON_BETA = 0.95;

/** An update that was sent. */
export interface SentUpdate {
  /**
   * [norm, loss scale], owned by the caller: the norm of the gradients without the scale and before clipping, or NaN where
   * nothing was changed; the scale is 1 where losses are not scaled.
   */
  readonly report: Tensor;
  /** Whether parameters were changed; undefined where the device decides and only the report will tell. */
  readonly taken?: boolean;
}

interface Sending {
  readonly gradients: readonly (Tensor | null)[];
  readonly losses: readonly Tensor[];
  readonly lr: number;
}

export class Optimizer {
  private readonly config: OptimizerConfig;
  private readonly slots: readonly Slot[];
  /** Where the device counts, as last read from it. */
  private taken = 0;
  private readonly device: DeviceProgress | undefined;

  /**
   * @param options.lossScaling whether gradients are those of a scaled loss: see `initialGradient`; on webgpu only
   * @param options.anchors weights by name that `config.pull` pulls to, of some parameters; the others decay
   */
  constructor(
    parameters: readonly Parameter[],
    config: OptimizerConfig,
    options: { readonly lossScaling?: boolean; readonly anchors?: NamedValues } = {},
  ) {
    this.config = config;
    this.device = activeDevice().decidesSteps ? new DeviceProgress(options.lossScaling === true) : undefined;
    this.slots = parameters.map(parameter => ({
      parameter,
      m: variableLike(parameter.variable),
      v: usesMuon(config, parameter) ? undefined : variableLike(parameter.variable),
      ema: config.ema > 0 ? copyOf(parameter.variable) : undefined,
      anchor: anchorOf(parameter, config, options.anchors),
    }));
  }

  /** Updates made so far; skipped ones do not count. Where the device decides, only `progress` knows them. */
  get steps(): number {
    return this.taken;
  }

  /** How many parameters Muon updates; the others are AdamW's. */
  get muonCount(): number {
    return this.slots.filter(({ v }) => v === undefined).length;
  }

  /** Whether the device decides steps by itself, so that nobody has to wait for one. */
  get onDevice(): boolean {
    return this.device !== undefined;
  }

  /** Whether gradients are taken to be those of a scaled loss. */
  get scaling(): boolean {
    return this.device?.scaling === true;
  }

  /** What the backward pass of the next step starts from; the caller owns it. Undefined is 1, without loss scaling. */
  initialGradient(): Tensor | undefined {
    return this.device?.initialGradient();
  }

  /**
   * Sends one update of every parameter in place. The gradients are disposed. A device that decides steps by itself is not
   * waited for; elsewhere the losses and the gradients are looked at before anything is changed.
   * @param gradients in the order of the parameters; null leaves a parameter as it is
   * @param losses scalars; nothing is changed where one of them, or the norm of the gradients, is not finite
   */
  async send(gradients: readonly (Tensor | null)[], losses: readonly Tensor[], lr: number): Promise<SentUpdate> {
    const given = gradients.filter(g => g !== null);
    const sent = await (this.device === undefined
      ? this.updateIfFinite(gradients, losses, lr)
      : this.updateOnDevice(this.device, { gradients, losses, lr }));
    for (const gradient of given) gradient.dispose();
    return sent;
  }

  /**
   * Sends one update and waits for it.
   * @returns the gradient's norm before clipping; where it is not finite, nothing has been changed
   */
  async step(gradients: readonly (Tensor | null)[], lr: number): Promise<number> {
    const { report, taken } = await this.send(gradients, [], lr);
    const [norm] = await report.data();
    report.dispose();
    if (taken === undefined && Number.isFinite(norm)) this.taken++;
    return norm;
  }

  private async updateIfFinite(
    gradients: readonly (Tensor | null)[],
    losses: readonly Tensor[],
    lr: number,
  ): Promise<SentUpdate> {
    const { config } = this;
    const values = await Promise.all(losses.map(async loss => (await loss.data())[0]));
    const finite = values.every(Number.isFinite);
    const norm = finite ? Math.sqrt(await squaredNorm(gradients.filter(g => g !== null))) : Number.NaN;
    const taken = Number.isFinite(norm);
    if (taken) {
      this.taken++;
      // Early averages would otherwise remember the random start.
      const emaDecay = Math.min(config.ema, (1 + this.taken) / (10 + this.taken));
      const clipScale = norm > config.clip ? config.clip / norm : 1;
      this.update(gradients, { lr, step: this.taken, clipScale, emaDecay });
    }
    return { report: tf.tensor1d([norm, 1]), taken };
  }

  private updateOnDevice(device: DeviceProgress, { gradients, losses, lr }: Sending): SentUpdate {
    const { plan, report } = device.decide(
      gradients.filter(g => g !== null),
      losses,
      this.config,
    );
    this.update(gradients, { lr, step: 1, plan }); // the device counts
    plan.dispose();
    return { report };
  }

  private update(gradients: readonly (Tensor | null)[], options: Omit<AdamwOptions, 'beta1' | 'beta2' | 'eps'>): void {
    const { beta1, beta2, weightDecay, pull = 0 } = this.config;
    const muon: MuonSlot[] = [];
    const adam: AdamwSlot[] = [];
    const pulled: PullSlot[] = [];
    this.slots.forEach(({ parameter, m, v, ema, anchor }, i) => {
      const gradient = gradients[i];
      if (gradient === null) return;
      const value = parameter.variable;
      const decays = parameter.decay && anchor === undefined;
      if (anchor !== undefined) pulled.push({ value, anchor, share: options.lr * pull });
      const slot = { value, gradient, ema, weightDecay: decays ? weightDecay : 0 };
      if (v === undefined) muon.push({ ...slot, momentum: m });
      else adam.push({ ...slot, m, v });
    });
    if (pulled.length > 0) pullStep(pulled, { plan: options.plan });
    muonStep(muon, { beta: MUON_BETA, ...options });
    adamwStep(adam, { beta1, beta2, eps: EPSILON, ...options });
  }

  /** Runs `body` with the averaged weights in the parameters' place. Without an average it runs as it is. */
  async withAverage<T>(body: () => Promise<T>): Promise<T> {
    if (this.config.ema === 0) return body();
    const kept = this.slots.map(({ parameter }) => tf.clone(parameter.variable));
    for (const { parameter, ema } of this.slots) if (ema !== undefined) parameter.variable.assign(ema as Tensor);
    try {
      return await body();
    } finally {
      this.slots.forEach(({ parameter }, i) => {
        parameter.variable.assign(kept[i]);
        kept[i].dispose();
      });
    }
  }

  /** Copies of the averaged weights, or of the weights where no average is kept. */
  async average(): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
    return collect(this.slots.map(({ parameter, ema }) => [parameter.name, ema ?? parameter.variable]));
  }

  /** How far it is, read from the device if need be; saved beside `state`. */
  async progress(): Promise<Progress> {
    const progress = (await this.device?.read()) ?? { updates: this.taken };
    this.taken = progress.updates;
    return progress;
  }

  /** Moments and average by name, for an exact resume. */
  async state(): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
    return collect(
      this.slots.flatMap(({ parameter: { name }, m, v, ema }) => {
        const entries: [string, Tensor][] = [[`m.${name}`, m]];
        if (v !== undefined) entries.push([`v.${name}`, v]);
        if (ema !== undefined) entries.push([`ema.${name}`, ema]);
        return entries;
      }),
    );
  }

  /** Takes over what `state` and `progress` gave. */
  load(state: NamedValues, progress: Progress, where: string): void {
    this.taken = progress.updates;
    this.device?.load(progress);
    for (const { parameter, m, v, ema } of this.slots) {
      const targets: [string, tf.Variable | undefined][] = [
        ['m', m],
        ['v', v],
        ['ema', ema],
      ];
      for (const [kind, variable] of targets) {
        if (variable === undefined) continue;
        const tensor = tensorOf(state, `${kind}.${parameter.name}`, variable.shape, where);
        if (tensor === undefined) {
          throw new UserError(where, `${kind}.${parameter.name} is missing`, startAnew);
        }
        variable.assign(tensor);
        tensor.dispose();
      }
    }
  }

  dispose(): void {
    this.device?.dispose();
    for (const { m, v, ema, anchor } of this.slots) {
      m.dispose();
      v?.dispose();
      ema?.dispose();
      anchor?.dispose();
    }
  }
}

const startAnew = 'start the training anew in another folder';

/** A tensor of a saved state; undefined where it has none of that name. @throws UserError if it has another shape */
function tensorOf(state: NamedValues, name: string, shape: number[], where: string): Tensor | undefined {
  const stored = state.get(name);
  if (stored === undefined) return undefined;
  if (stored.shape.join() !== shape.join()) {
    const [wanted, got] = [shape, stored.shape].map(axes => `[${axes.join(', ')}]`);
    throw new UserError(where, `${name}: expected shape ${wanted}, got ${got}`, startAnew);
  }
  return tf.tensor(stored.values.slice(), shape);
}

/**
 * Muon is for the matrices inside (`Parameter.inner`); embeddings, heads, first and last layers and gains are AdamW's
 * (Jordan et al. 2024).
 */
function usesMuon(config: OptimizerConfig, { variable, inner }: Parameter): boolean {
  return config.optimizer === 'muon' && variable.rank >= 2 && inner;
}

/** What a parameter is pulled to: one that decays, of a pull, where there is an anchor of it. */
function anchorOf(
  { name, variable, decay }: Parameter,
  { pull = 0 }: OptimizerConfig,
  anchors: NamedValues | undefined,
): Tensor | undefined {
  const anchor = pull > 0 && decay ? anchors?.get(name) : undefined;
  return anchor && tf.keep(tf.tensor(anchor.values.slice(), variable.shape));
}

function variableLike(variable: tf.Variable): tf.Variable {
  const zeros = tf.tensor(new Float32Array(variable.size), variable.shape);
  const result = tf.variable(zeros);
  zeros.dispose();
  return result;
}

function copyOf(variable: tf.Variable): tf.Variable {
  // A clone would share memory with what it is meant to average.
  const copy = tf.add(variable as Tensor, 0);
  const result = tf.variable(copy);
  copy.dispose();
  return result;
}

async function collect(entries: readonly (readonly [string, Tensor])[]) {
  const result = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, variable] of entries) {
    // Backends hand out their own memory, which the next update overwrites.
    result.set(name, { shape: [...variable.shape], values: (await variable.data()).slice() as Float32Array });
  }
  return result;
}

/**
 * The prediction method for saddle-point problems: while the opponent takes its step, a player stands where its last
 * move would take it again, theta + (theta - theta_old); the displacement is that of the whole optimizer step. Before its
 * first move it stands where it is.
 * @see Yadav et al. 2018, Stabilizing adversarial nets with prediction methods, eq. 3 (arXiv:1705.07364)
 */
export class Lookahead {
  private readonly slots: readonly { readonly parameter: Parameter; last: Tensor; displacement: Tensor | undefined }[];
  private standing: Tensor[] = [];

  constructor(parameters: readonly Parameter[]) {
    this.slots = parameters.map(parameter => ({
      parameter,
      last: tf.add(parameter.variable as Tensor, 0),
      displacement: undefined,
    }));
  }

  /** To be called after each move of the parameters: remembers how far it took them. */
  moved(): void {
    for (const slot of this.slots) {
      const variable = slot.parameter.variable as Tensor;
      slot.displacement?.dispose();
      slot.displacement = tf.sub(variable, slot.last);
      slot.last.dispose();
      slot.last = tf.add(variable, 0); // a clone would share memory with what the optimizer overwrites
    }
  }

  /** Puts the parameters where the last move would take them again. */
  apply(): void {
    if (this.standing.length > 0) throw new Error('Lookahead.apply: restore() was not called');
    this.standing = this.slots.map(({ parameter: { variable }, displacement }) => {
      const here = tf.clone(variable);
      if (displacement !== undefined) {
        const ahead = tf.add(variable as Tensor, displacement);
        variable.assign(ahead);
        ahead.dispose();
      }
      return here;
    });
  }

  /** Puts them back. */
  restore(): void {
    this.standing.forEach((here, i) => {
      this.slots[i].parameter.variable.assign(here);
      here.dispose();
    });
    this.standing = [];
  }

  /** The displacements by name, for an exact resume; empty before the first move. */
  async state(): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
    return collect(
      this.slots.flatMap(({ parameter: { name }, displacement }) =>
        displacement === undefined ? [] : [[name, displacement] as const],
      ),
    );
  }

  /** Takes over what `state` gave; the parameters must have been restored before. @param where the file, for errors */
  load(state: NamedValues, where: string): void {
    for (const slot of this.slots) {
      const { name, variable } = slot.parameter;
      slot.displacement?.dispose();
      slot.displacement = tensorOf(state, name, variable.shape, where);
      slot.last.dispose();
      slot.last = tf.add(variable as Tensor, 0);
    }
  }

  dispose(): void {
    this.restore();
    for (const { last, displacement } of this.slots) {
      last.dispose();
      displacement?.dispose();
    }
  }
}
