/**
 * @file Categorical distributions over a codebook on the GPU (categorical.ts): a workgroup a row, which is read
 * again where it fits no registers; the caches have it then. Noise is made where it is used, a block of Philox for four
 * neighbours.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { dotPack, each, maxPack, type Packing, packingOf, sumPack } from '../wgsl/packing.ts';
import { PHILOX } from '../wgsl/philox.ts';
import { maxWorkgroup, sumWorkgroup } from '../wgsl/reduce.ts';

const SIZE = 256;

/** Below every logit, and far from where sums overflow. */
const LOWEST = '-1e30';

/** A loop of a workgroup over a row's packs, for `c`. */
function over(statements: string): string {
  return `for (var c = lane; c < u.columns; c += ${SIZE}u) { ${statements} }`;
}

/** The row of a workgroup; those past the end do the last one again without writing, because barriers want all of them. */
const ROW = `
      let row = min(block, u.rows - 1u);
      let mine = block < u.rows;
      let first = row * u.columns;`;

/**
 * Declares `fn gumbel(word: u32) -> f32`, -ln(-ln w) of w = (word / 2^9 rounded down + 1/2) / 2^23. WGSL's logarithm is
 * exact to an absolute 2^-21 only near 1, where -ln w is as small as 2^-24; there the series of the inverse hyperbolic
 * tangent takes its place: -ln w = 2 artanh((1 - w) / (1 + w)).
 */
const GUMBEL = `
  fn gumbel(word: u32) -> f32 {
    let w = (f32(word >> 9u) + 0.5) * ${1 / 2 ** 23};
    let rest = 1.0 - w;
    let s = rest / (2.0 - rest);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0)))));
    return -log(select(-log(w), 2.0 * s * series, w > 0.5));
  }`;

export function gumbelSoftmaxWebgpu(
  { logits }: InputInfos,
  { temperature, seed, stream }: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const [N, K] = logits.shape;
  const y = backend.output([N, K]);
  if (N * K === 0) return [y];
  // A pack of four is a block of Philox; narrower rows begin within one.
  const packing: Packing = K % 4 === 0 ? packingOf(K) : { width: 1, element: 'f32' };
  const { width, element } = packing;
  const key = 'vec2u(u.seed, u.stream)';
  const noise =
    width === 4
      ? `let words = philox(first + c, ${key}); let noise = ${each(packing, at => `gumbel(words${at})`)};`
      : `let noise = gumbel(philox((first + c) / 4u, ${key})[(first + c) % 4u]);`;
  backend.dispatch({
    name: 'gumbelSoftmax',
    bindings: [read('logits', logits, element), update('y', y, element)],
    uniforms: {
      rows: N,
      columns: K / width,
      seed: seed as number,
      stream: stream as number,
      inverse: f32(1 / (temperature as number)),
    },
    size: SIZE,
    groups: N,
    declarations: () => `${PHILOX} ${GUMBEL} ${sumWorkgroup(SIZE)} ${maxWorkgroup(SIZE)}`,
    // What an invocation has written it reads itself: the row needs no barriers.
    body: () => `${ROW}
      var largest = ${LOWEST};
      if (mine) {
        ${over(`
          ${noise}
          let z = (logits[first + c] + noise) * u.inverse;
          y[first + c] = z;
          largest = max(largest, ${maxPack(packing, 'z')});`)}
      }
      let most = max_workgroup(largest, lane);
      var sum = 0.0;
      if (mine) { ${over(`sum += ${sumPack(packing, 'exp(y[first + c] - most)')};`)} }
      let share = 1.0 / sum_workgroup(sum, lane);
      if (mine) { ${over('y[first + c] = exp(y[first + c] - most) * share;')} }`,
  });
  return [y];
}

export function gumbelSoftmaxGradientWebgpu(
  { y, dy }: InputInfos,
  { temperature }: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const [N, K] = y.shape;
  const dx = backend.output([N, K]);
  if (N * K === 0) return [dx];
  const packing = packingOf(K);
  const { width, element } = packing;
  backend.dispatch({
    name: 'gumbelSoftmaxGradient',
    bindings: [read('y', y, element), read('dy', dy, element), write('dx', dx, element)],
    uniforms: { rows: N, columns: K / width, inverse: f32(1 / (temperature as number)) },
    size: SIZE,
    groups: N,
    declarations: () => sumWorkgroup(SIZE),
    body: () => `${ROW}
      var sum = 0.0;
      ${over(`sum += ${dotPack(packing, 'y[first + c]', 'dy[first + c]')};`)}
      let mean = sum_workgroup(sum, lane);
      if (mine) { ${over('dx[first + c] = y[first + c] * (dy[first + c] - mean) * u.inverse;')} }`,
  });
  return [dx];
}

/**
 * Statements that describe a row of logits: `most`, the largest; `log_sum`, ln sum exp(logit - most); `negentropy`,
 * sum q ln q. A difference to the largest counts as -104 at least, where its exponential is 0 anyway.
 */
function describe(packing: Packing): string {
  return `
      var largest = ${LOWEST};
      ${over(`largest = max(largest, ${maxPack(packing, 'logits[first + c]')});`)}
      let most = max_workgroup(largest, lane);
      var sums = vec2f();
      ${over(`
        let d = max(logits[first + c] - most, ${packing.element}(-104.0));
        let e = exp(d);
        sums += vec2f(${sumPack(packing, 'e')}, ${dotPack(packing, 'e', 'd')});`)}
      let total = sum_workgroup(sums, lane);
      let log_sum = log(total.x);
      let negentropy = total.y / total.x - log_sum;`;
}

export function klToUniformWebgpu({ logits }: InputInfos, backend: GpuBackend): TensorInfo[] {
  const [N, K] = logits.shape;
  const kl = backend.output([N]);
  if (N * K === 0) return [kl];
  const packing = packingOf(K);
  backend.dispatch({
    name: 'klToUniform',
    bindings: [read('logits', logits, packing.element), write('kl', kl)],
    uniforms: { rows: N, columns: K / packing.width, log_k: f32(Math.log(K)) },
    size: SIZE,
    groups: N,
    declarations: () => `${sumWorkgroup(SIZE, 'vec2f')} ${maxWorkgroup(SIZE)}`,
    body: () => `${ROW}
      ${describe(packing)}
      if (mine && lane == 0u) { kl[row] = negentropy + u.log_k; }`,
  });
  return [kl];
}

export function klToUniformGradientWebgpu({ logits, dy }: InputInfos, backend: GpuBackend): TensorInfo[] {
  const [N, K] = logits.shape;
  const dx = backend.output([N, K]);
  if (N * K === 0) return [dx];
  const packing = packingOf(K);
  const { width, element } = packing;
  backend.dispatch({
    name: 'klToUniformGradient',
    bindings: [read('logits', logits, element), read('dy', dy), write('dx', dx, element)],
    uniforms: { rows: N, columns: K / width },
    size: SIZE,
    groups: N,
    declarations: () => `${sumWorkgroup(SIZE, 'vec2f')} ${maxWorkgroup(SIZE)}`,
    body: () => `${ROW}
      ${describe(packing)}
      if (mine) {
        ${over(`
          let log_q = max(logits[first + c] - (most + log_sum), ${element}(-104.0));
          dx[first + c] = exp(log_q) * (log_q - negentropy) * dy[row];`)}
      }`,
  });
  return [dx];
}
