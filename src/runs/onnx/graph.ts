/**
 * @file A network as an ONNX graph: operations on values by name, weights, inputs and outputs, and the file that holds them.
 * Knows the numbers of the format's fields and nothing of models. Operator set 17, which programs of 2022 and later run; plain
 * operators only, all in fp32.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import { UserError } from '../../core/errors.ts';
import { bytesField, type Encoded, floatField, message, messageField, numberField, textField } from './protobuf.ts';

/** The name of a value of the graph. */
export type Value = string;

/** Whole numbers, a float (which says so, because 1 is both), or a word. */
export type Attribute = number | readonly number[] | { readonly float: number } | string;

/** What elements are, by the format's numbers. */
const TYPES = { float32: 1, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof TYPES;

/** What an attribute is, likewise. */
const ATTRIBUTES = { float: 1, int: 2, text: 3, ints: 7 } as const;

const OPSET = 17;
/** The version of the format that came with it. */
const IR_VERSION = 8;

/** Protocol buffers hold no more in one message; larger weights would have to lie in a file beside it. */
const MOST_BYTES = 2 ** 31 - 1;

/** The sizes of the axes of an input or output; a name is any size, the same wherever it stands. */
type Shape = readonly (number | string)[];

/** A graph that is being put together. */
export class OnnxGraph {
  private readonly name: string;
  private readonly nodes: Encoded[] = [];
  private readonly weights = new Map<Value, Encoded>();
  private readonly inputs: Encoded[] = [];
  private readonly outputs: Encoded[] = [];
  private values = 0;

  constructor(name: string) {
    this.name = name;
  }

  input(name: string, type: ElementType, shape: Shape): Value {
    this.inputs.push(messageField(11, valueInfo(name, type, shape)));
    return name;
  }

  /** Gives a value a name outside. */
  output(name: string, value: Value, { type, shape }: { readonly type: ElementType; readonly shape: Shape }): void {
    this.node('Identity', [value], [name], {});
    this.outputs.push(messageField(12, valueInfo(name, type, shape)));
  }

  /** Numbers that are part of the file, by a name that is not there yet. @param values not copied */
  weight(name: string, shape: readonly number[], values: Float32Array | BigInt64Array | Uint8Array): Value {
    const size = shape.reduce((product, n) => product * n, 1);
    if (size !== values.length) throw new Error(`${name}: expected ${size} numbers, got ${values.length}`);
    if (this.weights.has(name)) throw new Error(`the weight ${name} is defined twice`);
    const type = values instanceof Float32Array ? 'float32' : values instanceof BigInt64Array ? 'int64' : 'bool';
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const fields = [
      ...shape.map(axis => numberField(1, axis)),
      numberField(2, TYPES[type]),
      textField(8, name),
      bytesField(9, bytes),
    ];
    this.weights.set(name, messageField(5, fields));
    return name;
  }

  /** A number as a value without axes. */
  float(value: number): Value {
    const name = `float ${value}`;
    return this.weights.has(name) ? name : this.weight(name, [], Float32Array.of(value));
  }

  /** A list of whole numbers; one alone, without axes, where `scalar`. */
  ints(values: readonly number[], { scalar = false }: { readonly scalar?: boolean } = {}): Value {
    const name = `${scalar ? 'int' : 'ints'} ${values.join(' ')}`;
    const shape = scalar ? [] : [values.length];
    return this.weights.has(name) ? name : this.weight(name, shape, BigInt64Array.from(values, BigInt));
  }

  /** An operation of one result. */
  op(type: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.ops(type, inputs, { results: 1, attributes })[0];
  }

  /** An operation of several results. */
  ops(
    type: string,
    inputs: readonly Value[],
    {
      results,
      attributes = {},
    }: { readonly results: number; readonly attributes?: Readonly<Record<string, Attribute>> },
  ): Value[] {
    const names = Array.from({ length: results }, () => `${type} ${this.values++}`);
    this.node(type, inputs, names, attributes);
    return names;
  }

  private node(
    type: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
  ): void {
    const fields = [
      ...inputs.map(input => textField(1, input)),
      ...outputs.map(output => textField(2, output)),
      textField(4, type),
      ...Object.entries(attributes).map(([name, value]) => messageField(5, attribute(name, value))),
    ];
    this.nodes.push(messageField(1, fields));
  }

  /**
   * The file, in parts to be written one after another; they alias the weights.
   * @param options.metadata text by key, which readers find as `metadata_props`; @param options.most bytes
   * @throws UserError if it is larger than a file of the format can be
   */
  encode({
    where,
    metadata,
    most = MOST_BYTES,
  }: {
    readonly where: string;
    readonly metadata: Readonly<Record<string, string>>;
    readonly most?: number;
  }): readonly Uint8Array[] {
    const graph = [...this.nodes, textField(2, this.name), ...this.weights.values(), ...this.inputs, ...this.outputs];
    const { size, parts } = message([
      numberField(1, IR_VERSION),
      textField(2, 'tessera'),
      messageField(7, graph),
      messageField(8, [textField(1, ''), numberField(2, OPSET)]),
      ...Object.entries(metadata).map(([key, value]) => messageField(14, [textField(1, key), textField(2, value)])),
    ]);
    if (size <= most) return parts;
    const [got, limit] = [size, most].map(bytes => `${(bytes / 1e9).toFixed(2)} GB`);
    throw new UserError(
      where,
      `${this.name} would be ${got}, expected at most ${limit}, which is what one ONNX file holds`,
      'export a smaller model',
    );
  }
}

function valueInfo(name: string, type: ElementType, shape: Shape): Encoded[] {
  const axes = shape.map(axis =>
    messageField(1, [typeof axis === 'number' ? numberField(1, axis) : textField(2, axis)]),
  );
  return [textField(1, name), messageField(2, [messageField(1, [numberField(1, TYPES[type]), messageField(2, axes)])])];
}

function attribute(name: string, value: Attribute): Encoded[] {
  const named = (fields: readonly Encoded[], type: number) => [textField(1, name), ...fields, numberField(20, type)];
  if (typeof value === 'number') return named([numberField(3, value)], ATTRIBUTES.int);
  if (typeof value === 'string') return named([textField(4, value)], ATTRIBUTES.text);
  if ('float' in value) return named([floatField(2, value.float)], ATTRIBUTES.float);
  return named(
    value.map(n => numberField(8, n)),
    ATTRIBUTES.ints,
  );
}
