/**
 * @file A trained transformer as the start of one of another shape: which rows of which tables are taken over, which are
 * made of others, and which are new. Where it can be, the function that was learnt is kept. Numbers alone: no files, no
 * device.
 */
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import type { RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { NamedValues } from '../../nn/module.ts';
import type { Adapted } from '../family.ts';
import type { ModelConfig } from './config.ts';

/** What a transformer's shape depends on. */
export type Shape = Pick<RunConfig, 'model' | 'patch'>;

/** A trained transformer. */
export interface AdaptSource {
  readonly config: Shape;
  /** Caption ids, pads not counted: V. */
  readonly vocabulary: number;
  /** Its weights by name. */
  readonly values: NamedValues;
}

/** What it is to become. */
export interface AdaptTarget {
  readonly config: Shape;
  /** Of each caption id that is added behind the source's V: the source's ids that it is made of. Default none is added. */
  readonly added?: readonly (readonly number[])[];
  /** Whether codes mean something else than in the source, since another patch tokenizer makes them. Default no. */
  readonly newCodes?: boolean;
  /** Where values come from that are new. */
  readonly random: Random;
}

interface Table {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Fields that the width of the residual stream, the layers' matrices or their gains depend on, or what a position is. */
const FIXED = ['width', 'heads', 'mlp', 'mlpWidth', 'norm', 'qkNorm', 'positions', 'order'] as const;

/** The table of signs of changed pictures. */
const VARIANTS = 'variant_embedding.weight';

/** Standard deviation of new rows of embeddings, as in dalle.ts. */
const EMBEDDING_DEVIATION = 0.02;

/**
 * The weights of a trained transformer for one of another shape, by these rules:
 * - caption ids that are added get the mean of the rows of their parts; the pads, which come behind them, move along;
 * - caption positions and pads beyond the source's are copies of its last one; fewer are cut off;
 * - rows and columns of another grid are interpolated linearly between the source's;
 * - where codes are others, their table is new, and their head zero: the first loss is that of guessing;
 * - ways in which pictures are changed keep their signs by name, and new ones begin as that of plain pictures;
 * - more layers are inserted with output projections of zero, so that they leave what passes as it is.
 * More ids and more layers do not change the function; the others change it a little.
 * @throws UserError naming the field that cannot be mapped
 */
export function adapt(source: AdaptSource, target: AdaptTarget): Adapted {
  expectMappable(source.config.model, target.config.model);
  const values = new Map<string, Table>(source.values);
  const report = [
    ...adaptCaptions(values, source, target),
    ...adaptGrid(values, source, target),
    ...adaptCodes(values, source, target),
    ...adaptLayers(values, source, target),
    ...adaptVariants(values, source, target),
  ];
  const [was, is] = [source.config.model.attention, target.config.model.attention];
  return {
    values,
    report: was === is ? report : [...report, `attention ${was} -> ${is}: the same weights see less or more`],
  };
}

/** @throws UserError naming the first field that no rule maps */
function expectMappable(source: ModelConfig, target: ModelConfig): void {
  for (const field of FIXED) {
    const [was, is] = [source[field], target[field]];
    if (was !== is) refuse(`model.${field}`, was, is);
  }
  if (target.layers < source.layers) refuse('model.layers', source.layers, target.layers, ' or more');
}

function refuse(field: string, was: unknown, is: unknown, more = ''): never {
  const [wanted, got] = [was, is].map(value => (value === undefined ? 'its default' : String(value)));
  throw new UserError(
    'train: --from',
    `${field}: expected ${wanted}${more}, as what it starts from has it, got ${got}`,
    'leave the flag out, or train without --from',
  );
}

/** Replaces a table that may be absent, e.g. learned positions of a model without them. */
function replace(values: Map<string, Table>, name: string, make: (table: Table) => Table): void {
  const table = values.get(name);
  if (table !== undefined) values.set(name, make(table));
}

/** A table of so many rows, each filled by the caller. */
function tableOf(rows: number, columns: number, fill: (row: Float32Array, at: number) => void): Table {
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) fill(values.subarray(i * columns, (i + 1) * columns), i);
  return { shape: [rows, columns], values };
}

function rowOf({ shape: [, columns], values }: Table, at: number): Float32Array {
  return values.subarray(at * columns, (at + 1) * columns);
}

/** What stands before the captions of changed pictures. */
function adaptVariants(values: Map<string, Table>, source: AdaptSource, target: AdaptTarget): string[] {
  const [was, is] = [source.config.model.variants, target.config.model.variants];
  if (was.join() === is.join()) return [];
  const [start, table] = [values.get('start'), values.get(VARIANTS)];
  values.delete(VARIANTS);
  if (start !== undefined && is.length > 0) {
    const rows = tableOf(is.length, start.values.length, (row, at) => {
      const before = was.indexOf(is[at]);
      row.set(table === undefined || before < 0 ? start.values : rowOf(table, before));
    });
    values.set(VARIANTS, rows);
  }
  return [`variants ${was.join(', ') || 'none'} -> ${is.join(', ') || 'none'}`];
}

/** Ids, pads and positions of captions. */
function adaptCaptions(
  values: Map<string, Table>,
  { config, vocabulary: V }: AdaptSource,
  target: AdaptTarget,
): string[] {
  const { added = [] } = target;
  const [L, length] = [config.model.captionLength, target.config.model.captionLength];
  if (added.length === 0 && length === L) return [];
  const ids = V + added.length;
  const remap = (table: Table) =>
    tableOf(ids + length, table.shape[1], (row, at) => {
      if (at < V) row.set(rowOf(table, at));
      else if (at < ids)
        addMean(
          row,
          added[at - V].map(part => rowOf(table, part)),
        );
      else row.set(rowOf(table, V + Math.min(at - ids, L - 1)));
    });
  replace(values, 'caption_embedding.weight', remap);
  replace(values, 'caption_head.weight', remap);
  replace(values, 'position_embedding.caption.weight', table =>
    tableOf(length + 1, table.shape[1], (row, at) => row.set(rowOf(table, Math.min(at, L)))),
  );
  const grown = added.length === 0 ? [] : [`${added.length} caption ids added, each the mean of its parts`];
  if (length === L) return grown;
  const how = length > L ? `those from ${L} on are copies of the last` : 'those beyond are cut off';
  return [...grown, `model.captionLength ${L} -> ${length}: ${how}`];
}

function addMean(row: Float32Array, parts: readonly Float32Array[]): void {
  for (const part of parts) for (let i = 0; i < row.length; i++) row[i] += part[i] / parts.length;
}

/** Rows and columns of the grid. */
function adaptGrid(values: Map<string, Table>, { config }: AdaptSource, target: AdaptTarget): string[] {
  const [grid, wanted] = [config.patch.grid, target.config.patch.grid];
  if (grid === wanted) return [];
  for (const name of [
    'position_embedding.row',
    'position_embedding.column',
    'target_embedding.row',
    'target_embedding.column',
  ]) {
    replace(values, `${name}.weight`, table =>
      tableOf(wanted, table.shape[1], (row, at) => {
        // Centres of the cells of one grid on the other.
        const place = Math.min(grid - 1, Math.max(0, ((at + 0.5) * grid) / wanted - 0.5));
        const [below, share] = [Math.floor(place), place - Math.floor(place)];
        const [from, to] = [rowOf(table, below), rowOf(table, Math.min(grid - 1, below + 1))];
        for (let i = 0; i < row.length; i++) row[i] = from[i] * (1 - share) + to[i] * share;
      }),
    );
  }
  return [`patch.grid ${grid} -> ${wanted}: positions are interpolated`];
}

/** What codes are looked up in, and predicted by. */
function adaptCodes(values: Map<string, Table>, { config }: AdaptSource, target: AdaptTarget): string[] {
  const [K, codes] = [codebookSizeOf(config.patch), codebookSizeOf(target.config.patch)];
  if (K === codes && target.newCodes !== true) return [];
  const name = 'image_embedding.weight';
  replace(values, name, ({ shape: [, columns] }) => ({
    shape: [codes, columns],
    values: target.random.fork(name).normals(codes * columns, EMBEDDING_DEVIATION),
  }));
  replace(values, 'image_head.weight', ({ shape: [, columns] }) => tableOf(codes, columns, () => {}));
  return [`${codes} other codes (${K} before): their embeddings and their head are new`];
}

/** Matrices that what a layer adds to the residual stream goes through last. */
const PROJECTIONS = ['attention.output.weight', 'mlp.down.weight'];

/** Layers between the source's. */
function adaptLayers(values: Map<string, Table>, { config }: AdaptSource, target: AdaptTarget): string[] {
  const [layers, wanted] = [config.model.layers, target.config.model.layers];
  if (layers === wanted) return [];
  // Before the last, which under the mask of DALL·E is another kind than the others: these stay where they are.
  const last = layers - 1;
  const template = [...values].filter(([name]) => name.startsWith(`layers.${last}.`));
  for (const [name, table] of template) {
    const own = name.slice(`layers.${last}.`.length);
    values.delete(name);
    for (let i = last; i < wanted - 1; i++)
      values.set(`layers.${i}.${own}`, freshTable(`layers.${i}.${own}`, table, target.random));
    values.set(`layers.${wanted - 1}.${own}`, table);
  }
  return [`model.layers ${layers} -> ${wanted}: the new ones begin as the identity`];
}

/** The first values of a parameter of a layer that begins as the identity; others are as layer.ts draws them. */
function freshTable(name: string, { shape, values }: Table, random: Random): Table {
  if (PROJECTIONS.some(projection => name.endsWith(projection)))
    return { shape, values: new Float32Array(values.length) };
  if (shape.length === 1)
    return { shape, values: new Float32Array(values.length).fill(name.endsWith('.bias') ? 0 : 1) };
  return { shape, values: random.fork(name).normals(values.length, 1 / Math.sqrt(shape[1])) };
}
