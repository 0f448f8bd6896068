/**
 * @file The whole model once more, slowly: DALL·E's loss and logits as a composition of tfjs's own operations, with the
 * mask, the rotation, the norms and the losses written out. Shares nothing with src but the names of the parameters, so
 * that a test can compare the two. Runs on the cpu backend.
 */
import '@tensorflow/tfjs-layers'; // tfjs's own gradients
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../../../src/families/transformer/config.ts';
import type { SequenceBatch, Vocabulary } from '../../../src/families/transformer/dalle.ts';

export type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;
type Named = Readonly<Record<string, tf.Tensor>>;

/** Whether a layer (counted from 1) lets an image code see another one that is not after it; by number in raster order. */
export type SeesCode = (
  config: ModelConfig,
  grid: number,
  layer: number,
  pair: { query: number; key: number },
) => boolean;

/** By the name in `config.attention`: the paper's, from appendix B.1, and what a test adds. */
export const plainPatterns = new Map<string, SeesCode>([
  ['full', () => true],
  [
    'dalle',
    (config, grid, layer, { query, key }) => {
      if (layer === config.layers) {
        const half = (config.convKernel - 1) / 2;
        for (let up = 0; up <= half; up++) {
          for (let right = -half; right <= half; right++) if (query - key === up * grid - right) return true;
        }
        return false;
      }
      return (layer - 2) % 4 === 0 ? query % grid === key % grid : query - key < grid + 1;
    },
  ],
]);

/** Whether a position may attend to another one. */
function visible(config: ModelConfig, grid: number, layer: number, [query, key]: readonly [number, number]): boolean {
  const text = config.captionLength + 1;
  const sees = plainPatterns.get(config.attention);
  if (sees === undefined) throw new Error(`plain model: no attention pattern ${config.attention}`);
  return key <= query && (key < text || sees(config, grid, layer, { query: query - text, key: key - text }));
}

function maskOf(config: ModelConfig, grid: number, layer: number, T: number): tf.Tensor {
  const rows = Array.from({ length: T }, (_, query) =>
    Array.from({ length: T }, (_, key) => (visible(config, grid, layer, [query, key]) ? 0 : -1e9)),
  );
  return tf.tensor2d(rows);
}

/** Cells in the order in which they are painted: those whose row and column are both even the more often come first. */
function cellsOf({ order }: ModelConfig, grid: number): number[] {
  const cells = Array.from({ length: grid * grid }, (_, cell) => cell);
  if (order === 'raster') return cells;
  const strides = [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1].filter(stride => stride < grid || stride === 1);
  const levelOf = (cell: number) =>
    strides.findIndex(stride => Math.floor(cell / grid) % stride === 0 && (cell % grid) % stride === 0);
  return cells.sort((a, b) => levelOf(a) - levelOf(b) || a - b);
}

/**
 * x [B, H, T, D] with its neighbouring channels turned by the positions' angles.
 * @param ahead 1: by those of what is predicted there, where the order is another than raster
 */
function rotate(x: tf.Tensor, config: ModelConfig, grid: number, ahead = 0): tf.Tensor {
  const [, , T, D] = x.shape;
  const text = config.captionLength + 1;
  const angles: number[][] = [];
  const cells = cellsOf(config, grid);
  for (let position = 0; position < T; position++) {
    const place = position - text + (config.order === 'raster' ? 0 : ahead);
    const code = place < 0 ? place : cells[place];
    const [row, column] = code < 0 ? [position, position] : [text + Math.floor(code / grid), text + (code % grid)];
    const frequencies = Array.from({ length: D / 4 }, (_, i) => Math.exp((-Math.log(10000) * i) / (D / 4)));
    const pairs = [...frequencies.map(f => row * f), ...frequencies.map(f => column * f)];
    angles.push(pairs.flatMap(angle => [angle, angle]));
  }
  const angle = tf.tensor2d(angles); // [T, D], each twice
  // i x: (even, odd) to (-odd, even), by a matrix.
  const turn = tf.tensor2d(
    Array.from({ length: D }, (_, from) =>
      Array.from({ length: D }, (_, to) =>
        from % 2 === 1 && to === from - 1 ? -1 : from % 2 === 0 && to === from + 1 ? 1 : 0,
      ),
    ),
  );
  const [B, H] = x.shape;
  const turned = tf.reshape(tf.matMul(tf.reshape(x, [B * H * T, D]), turn), x.shape);
  return tf.add(tf.mul(x, tf.cos(angle)), tf.mul(turned, tf.sin(angle)));
}

function norm(x: tf.Tensor, config: ModelConfig, w: Named, name: string): tf.Tensor {
  if (config.norm === 'rms') return rms(x, w[`${name}.weight`]);
  const mean = tf.mean(x, -1, true);
  const variance = tf.mean(tf.square(tf.sub(x, mean)), -1, true);
  const standard = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(standard, w[`${name}.weight`]), w[`${name}.bias`]);
}

function rms(x: tf.Tensor, gain: tf.Tensor): tf.Tensor {
  return tf.mul(tf.div(x, tf.sqrt(tf.add(tf.mean(tf.mul(x, x), -1, true), 1e-6))), gain);
}

/** x [B, T, in] times weightᵀ [out, in]. */
function project(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const [B, T, C] = x.shape;
  return tf.reshape(tf.matMul(tf.reshape(x, [B * T, C]), weight, false, true), [B, T, weight.shape[0]]);
}

function attend(x: tf.Tensor, config: ModelConfig, grid: number, w: Named, layer: number): tf.Tensor {
  const [B, T, C] = x.shape;
  const H = config.heads;
  const D = C / H;
  const name = `layers.${layer - 1}.attention`;
  const qkv = project(x, w[`${name}.qkv.weight`]); // [B, T, 3C]
  const heads = [0, 1, 2].map(part =>
    tf.transpose(tf.reshape(tf.slice(qkv, [0, 0, part * C], [B, T, C]), [B, T, H, D]), [0, 2, 1, 3]),
  );
  let [q, k] = heads;
  const v = heads[2];
  if (config.qkNorm) [q, k] = [rms(q, w[`${name}.q_norm.weight`]), rms(k, w[`${name}.k_norm.weight`])];
  if (config.positions !== 'learned') [q, k] = [rotate(q, config, grid, 1), rotate(k, config, grid)];
  const scores = tf.add(tf.div(tf.matMul(q, k, false, true), Math.sqrt(D)), maskOf(config, grid, layer, T));
  const mixed = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
  return project(tf.reshape(mixed, [B, T, C]), w[`${name}.output.weight`]);
}

function feedForward(x: tf.Tensor, config: ModelConfig, w: Named, layer: number): tf.Tensor {
  const name = `layers.${layer - 1}.mlp`;
  const up = project(x, w[`${name}.up.weight`]);
  if (config.mlp === 'swiglu') {
    const [a, b] = tf.split(up, 2, -1);
    return project(tf.mul(tf.div(a, tf.add(1, tf.exp(tf.neg(a)))), b), w[`${name}.down.weight`]);
  }
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(up, tf.mul(0.044715, tf.pow(up, 3))));
  return project(tf.mul(tf.mul(0.5, up), tf.add(1, tf.tanh(inner))), w[`${name}.down.weight`]);
}

/** Logits of every position: caption ids [B, L, ids] and codes [B, N, codes]. */
function plainLogits(
  w: Named,
  config: ModelConfig,
  { grid, image }: Vocabulary,
  batch: SequenceBatch,
): { caption: tf.Tensor; image: tf.Tensor } {
  const { captionLength: L, width: C } = config;
  const N = grid * grid;
  const B = batch.codes.length / N;
  const oneHot = (ids: number[], size: number) => tf.cast(tf.oneHot(tf.tensor1d(ids, 'int32'), size), 'float32');
  const look = (ids: number[], table: tf.Tensor, length: number) =>
    tf.reshape(tf.matMul(oneHot(ids, table.shape[0]), table), [B, length, C]);

  const start = tf.tile(tf.reshape(w.start, [1, 1, C]), [B, 1, 1]);
  let text = tf.concat([start, look([...batch.captions], w['caption_embedding.weight'], L)], 1);
  const cells = cellsOf(config, grid);
  let picture = look([...batch.codes], w['image_embedding.weight'], N); // cell by cell
  if (config.positions !== 'rope') {
    text = tf.add(text, w['position_embedding.caption.weight']);
    const row = tf.reshape(w['position_embedding.row.weight'], [1, grid, 1, C]);
    const column = tf.reshape(w['position_embedding.column.weight'], [1, 1, grid, C]);
    picture = tf.reshape(tf.add(tf.add(tf.reshape(picture, [B, grid, grid, C]), row), column), [B, N, C]);
  }
  picture = tf.gather(picture, cells, 1); // as it is painted
  if (config.order !== 'raster') {
    // The last one predicts nothing.
    const next = [...cells.slice(1), 0];
    const rows = oneHot(
      next.map(cell => Math.floor(cell / grid)),
      grid,
    );
    const columns = oneHot(
      next.map(cell => cell % grid),
      grid,
    );
    const target = tf.add(
      tf.matMul(rows, w['target_embedding.row.weight']),
      tf.matMul(columns, w['target_embedding.column.weight']),
    );
    picture = tf.add(picture, target);
  }
  // The last code is no input.
  let x = tf.slice(tf.concat([text, picture], 1), [0, 0, 0], [B, L + N, C]);
  for (let layer = 1; layer <= config.layers; layer++) {
    x = tf.add(x, attend(norm(x, config, w, `layers.${layer - 1}.norm1`), config, grid, w, layer));
    x = tf.add(x, feedForward(norm(x, config, w, `layers.${layer - 1}.norm2`), config, w, layer));
  }
  x = norm(x, config, w, 'norm');
  expectWidth(w['image_head.weight'].shape[0], image);
  const places = Array.from({ length: N }, (_, cell) => cells.indexOf(cell));
  return {
    caption: project(tf.slice(x, [0, 0, 0], [B, L, C]), w['caption_head.weight']),
    image: tf.gather(project(tf.slice(x, [0, L, 0], [B, N, C]), w['image_head.weight']), places, 1), // cell by cell
  };
}

function expectWidth(found: number, expected: number): void {
  if (found !== expected) throw new Error(`plain model: ${found} image logits, ${expected} codes`);
}

/**
 * The three losses. Caption targets count up to and including a caption's first pad, those of left-out captions not at
 * all; each part is a mean over its own targets; z-loss is added to every target's term.
 */
function plainLosses(
  w: Named,
  config: ModelConfig,
  vocabulary: Vocabulary,
  batch: SequenceBatch,
  zLoss: number,
): { loss: tf.Tensor; caption: tf.Tensor; image: tf.Tensor } {
  const { captionLength: L } = config;
  const logits = plainLogits(w, config, vocabulary, batch);
  const counted = Array.from(batch.captions, (_, i) => {
    const b = Math.floor(i / L);
    if (batch.dropped?.[b] === 1) return 0;
    const before = batch.captions.slice(b * L, i);
    return before.some(id => id >= vocabulary.caption) ? 0 : 1;
  });
  const terms = (all: tf.Tensor, targets: Int32Array) => {
    const V = all.shape[2] as number;
    const flat = tf.reshape(all, [targets.length, V]);
    const partition = tf.log(tf.sum(tf.exp(flat), 1));
    const chosen = tf.sum(tf.mul(flat, tf.oneHot(tf.tensor1d([...targets], 'int32'), V)), 1);
    return tf.add(tf.sub(partition, chosen), tf.mul(zLoss, tf.square(partition)));
  };
  const total = Math.max(
    1,
    counted.reduce<number>((a, b) => a + b, 0),
  );
  const caption = tf.div(tf.sum(tf.mul(terms(logits.caption, batch.captions), tf.tensor1d(counted))), total);
  const image = tf.mean(terms(logits.image, batch.codes));
  const weight = config.captionWeight;
  return { loss: tf.add(tf.mul(weight, caption), tf.mul(1 - weight, image)), caption, image };
}

export interface PlainResult {
  readonly loss: number;
  readonly caption: number;
  readonly image: number;
  /** By name; parameters that the loss does not depend on are left out. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly captionLogits: Float32Array;
  readonly imageLogits: Float32Array;
}

/** Everything at once, on the active backend; leaves no tensors. */
export async function plainRun(
  weights: Weights,
  config: ModelConfig,
  vocabulary: Vocabulary,
  batch: SequenceBatch,
  zLoss = 0,
): Promise<PlainResult> {
  const names = [...weights.keys()];
  const inputs = names.map(name => {
    const { values, shape } = weights.get(name) as { shape: readonly number[]; values: Float32Array };
    return tf.tensor(Float32Array.from(values), [...shape]);
  });
  const named = (tensors: readonly tf.Tensor[]): Named =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  const [losses, logits] = tf.tidy(() => [
    plainLosses(named(inputs), config, vocabulary, batch, zLoss),
    plainLogits(named(inputs), config, vocabulary, batch),
  ]);
  const gradients = tf.grads(
    (...tensors: tf.Tensor[]) => plainLosses(named(tensors), config, vocabulary, batch, zLoss).loss as tf.Scalar,
  )(inputs);
  const number = async (x: tf.Tensor) => (await x.data())[0];
  const result = {
    loss: await number(losses.loss),
    caption: await number(losses.caption),
    image: await number(losses.image),
    gradients: new Map(
      await Promise.all(names.map(async (name, i) => [name, Float32Array.from(await gradients[i].data())] as const)),
    ),
    captionLogits: Float32Array.from(await logits.caption.data()),
    imageLogits: Float32Array.from(await logits.image.data()),
  };
  tf.dispose([inputs, gradients, losses, logits]);
  return result;
}
