/**
 * @file Parameters by name. A model's constructor asks a `Parameters` for what it needs, in scopes whose dotted names are
 * those PyTorch would give (`layers.0.attention.qkv.weight`), so that checkpoints, optimizers and averages are nothing
 * but maps over these names.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import '../kernels/elementwise/elementwise.ts'; // faster versions of tfjs's own operations on the native backend
import '../kernels/matmul/matmul.ts';
import type { Random } from '../core/random.ts';

export interface Parameter {
  readonly name: string;
  readonly variable: tf.Variable;
  /** Whether weight decay applies: to matrices and filters, not to gains, biases and embeddings. */
  readonly decay: boolean;
  /** Whether it is inside the network, between what reads its inputs and what gives its outputs: Muon's, if it is a matrix. */
  readonly inner: boolean;
}

/** Values of a checkpoint by name. */
export type NamedValues = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

/**
 * A checkpoint that a network is made to be loaded with. It may ask for no parameter that the checkpoint does not hold in the
 * same shape, and is told so before there is memory for it: so the weights bound what a config can ask for.
 */
export class Checkpoint {
  readonly values: NamedValues;
  readonly where: string;
  private readonly prefix: string;
  private omitted: string | undefined;

  /** @param where the file, for errors; @param prefix of the names that are looked for; others may be anything */
  constructor(values: NamedValues, where: string, prefix = '') {
    this.values = values;
    this.where = where;
    this.prefix = prefix;
  }

  /** The same, but that parameters whose names do not begin with `prefix` are not looked for. */
  only(prefix: string): Checkpoint {
    return new Checkpoint(this.values, this.where, prefix).without(this.omitted);
  }

  /** The same, of a file that says which part of the network it leaves out, if any: one that painting does not read. */
  without(part: string | undefined): Checkpoint {
    const partial = new Checkpoint(this.values, this.where, this.prefix);
    partial.omitted = part;
    return partial;
  }

  /** Whether a part of the network was left out. */
  omits(part: string): boolean {
    return this.omitted === part;
  }

  /** @throws UserError if it does not hold the parameter in this shape */
  expect(name: string, shape: readonly number[]): void {
    if (!name.startsWith(this.prefix)) return;
    const stored = this.values.get(name);
    if (stored === undefined) throw new UserError(this.where, `parameter ${name} is missing`, mismatch);
    if (stored.shape.join() !== shape.join()) {
      const [wanted, got] = [shape, stored.shape].map(axes => `[${axes.join(', ')}]`);
      throw new UserError(this.where, `${name}: expected shape ${wanted}, got ${got}`, mismatch);
    }
  }
}

/** Where the first values of parameters come from: drawn; or loaded later, from a checkpoint that is known already or (null) not. */
export type Source = Random | Checkpoint | null;

export interface ParameterOptions {
  /** Default: of all that have more than one axis. */
  readonly decay?: boolean;
  /** Default: that of the scope. */
  readonly inner?: boolean;
}

/** All parameters of a model. Scopes share one map; every parameter draws from its own stream, named after it. */
export class Parameters {
  private readonly map: Map<string, Parameter>;
  private readonly source: Source;
  private readonly prefix: string;
  private inner = false;

  /** @param source no random numbers for a model whose values will be loaded: drawing them takes longer than reading them */
  constructor(source: Source, prefix = '', map: Map<string, Parameter> = new Map()) {
    this.source = source;
    this.prefix = prefix;
    this.map = map;
  }

  /**
   * The same map, with `name.` before every name.
   * @param options.inner whether what is below is inside the network, see `Parameter.inner`; default as this scope
   */
  scope(name: string, options: Pick<ParameterOptions, 'inner'> = {}): Parameters {
    const below = new Parameters(this.source, `${this.prefix}${name}.`, this.map);
    below.inner = options.inner ?? this.inner;
    return below;
  }

  /** Normal with the given standard deviation. */
  normal(name: string, shape: number[], deviation: number, options: ParameterOptions = {}): tf.Variable {
    const { source } = this;
    return this.add(name, shape, options, (size, full) =>
      source === null || source instanceof Checkpoint
        ? new Float32Array(size)
        : source.fork(full).normals(size, deviation),
    );
  }

  zeros(name: string, shape: number[], options: ParameterOptions = {}): tf.Variable {
    return this.add(name, shape, options, size => new Float32Array(size));
  }

  ones(name: string, shape: number[], options: ParameterOptions = {}): tf.Variable {
    return this.add(name, shape, options, size => new Float32Array(size).fill(1));
  }

  private add(
    own: string,
    shape: number[],
    options: ParameterOptions,
    make: (size: number, name: string) => Float32Array,
  ): tf.Variable {
    const name = this.prefix + own;
    if (this.map.has(name)) throw new Error(`parameter ${name} is defined twice`);
    const variable = this.variable(name, shape, make);
    const { decay = shape.length > 1, inner = this.inner } = options;
    this.map.set(name, { name, variable, decay, inner });
    return variable;
  }

  /** A network that cannot be made leaves nothing: nobody else knows what it has made so far. */
  private variable(name: string, shape: number[], make: (size: number, name: string) => Float32Array): tf.Variable {
    try {
      if (this.source instanceof Checkpoint) this.source.expect(name, shape);
      const initial = tf.tensor(make(tf.util.sizeFromShape(shape), name), shape);
      // A variable named by tfjs: names of this map may repeat between models, those of tfjs must not.
      const variable = tf.variable(initial);
      initial.dispose();
      return variable;
    } catch (error) {
      tf.dispose(this.list().map(parameter => parameter.variable));
      throw error;
    }
  }

  /** In order of definition. */
  list(): readonly Parameter[] {
    return [...this.map.values()];
  }

  /** Number of scalars. */
  count(): number {
    return this.list().reduce((sum, { variable }) => sum + variable.size, 0);
  }

  /** Copies of all values, for a checkpoint. */
  async values(): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
    const result = new Map<string, { shape: number[]; values: Float32Array }>();
    for (const { name, variable } of this.list()) {
      // Backends hand out their own memory, which the next update may overwrite.
      result.set(name, { shape: [...variable.shape], values: (await variable.data()).slice() as Float32Array });
    }
    return result;
  }

  /**
   * Takes over the values of a checkpoint, all of them.
   * @param where the file, for errors; @param prefix of the names that the checkpoint has; the others stay as they are
   * @throws UserError naming the first parameter that is missing, left over or of another shape
   */
  load(values: NamedValues, where: string, prefix = ''): void {
    const wanted = this.list().filter(({ name }) => name.startsWith(prefix));
    const checkpoint = new Checkpoint(values, where);
    for (const { name, variable } of wanted) checkpoint.expect(name, variable.shape);
    for (const name of values.keys()) {
      if (!this.map.has(name)) throw new UserError(where, `parameter ${name} is not part of this model`, mismatch);
    }
    for (const { name, variable } of wanted) {
      const stored = values.get(name);
      if (stored === undefined) continue;
      const tensor = tf.tensor(stored.values.slice(), variable.shape);
      variable.assign(tensor);
      tensor.dispose();
    }
  }

  /**
   * Takes over values that are there, of some parameters; the others stay as they are.
   * @param where the file, for errors
   * @throws UserError naming the first that is not of this model, or of another shape
   */
  take(values: NamedValues, where: string): void {
    const checkpoint = new Checkpoint(values, where);
    for (const [name, { values: numbers }] of values) {
      const parameter = this.map.get(name);
      if (parameter === undefined) throw new UserError(where, `parameter ${name} is not part of this model`, mismatch);
      const { variable } = parameter;
      checkpoint.expect(name, variable.shape);
      const tensor = tf.tensor(numbers.slice(), variable.shape);
      variable.assign(tensor);
      tensor.dispose();
    }
  }

  dispose(): void {
    for (const { variable } of this.list()) variable.dispose();
    this.map.clear();
  }
}

const mismatch = 'the weights and config.json of a run belong together: restore both from the same run';
