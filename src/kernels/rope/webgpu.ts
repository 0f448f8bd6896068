/**
 * @file From a projection to the heads of attention and back on the GPU (rope.ts). A head's row of D numbers is
 * shared by as many invocations as it has packs, so that all of memory is read and written in whole lines. A workgroup
 * deals with neighbouring heads of one position; where it stands in batch and time is the same for all its invocations,
 * which costs no division each.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { type Binding, f32, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { zeros } from '../elementwise/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { blocksOf, sumColumns } from '../wgsl/columnsums.ts';
import { dotPack, type Packing, packingOf, powerOfTwo } from '../wgsl/packing.ts';

const SIZE = 256;

interface Layout {
  readonly shape: [B: number, heads: number, T: number, D: number];
  readonly packing: Packing;
  /** Invocations that share a head's row. */
  readonly sharing: number;
  /** Packs that each of them holds: number `place + strip * sharing` as `[strip]`. */
  readonly strips: number;
  /** Pieces of work for a workgroup: positions times runs of heads. */
  readonly pieces: number;
  readonly uniforms: Readonly<Record<string, number | { readonly f32: number }>>;
  /** A loop over the strips, for `strip` and `c`, of invocations that have something to do. */
  readonly over: (statements: string) => string;
  /**
   * Statements that say, for a `piece`, which head's row this invocation shares in: `part` (0 q, 1 k, 2 v), where the
   * row begins in qkv (`whole`), in q, k or v (`own`) and in the tables (`turn`), in packs; and its `place`.
   */
  readonly locate: string;
}

function layoutOf(qkv: TensorInfo, attributes: Attributes): Layout {
  const { heads, offset, shift, eps } = attributes as Record<string, number>;
  const [B, T, C3] = qkv.shape;
  const D = C3 / (3 * heads);
  const packing = packingOf(D);
  const columns = D / packing.width;
  const sharing = powerOfTwo(columns, 1, 64);
  const strips = Math.ceil(columns / sharing);
  const vectors = SIZE / sharing;
  const runs = Math.ceil((3 * heads) / vectors);
  const pieces = B * T * runs;
  return {
    shape: [B, heads, T, D],
    ...{ packing, sharing, strips, pieces },
    uniforms: { T, heads, offset, shift, columns, runs, pieces, eps: f32(eps), inverse: f32(1 / D) },
    over: statements => `
      for (var strip = 0u; strip < ${strips}u; strip++) {
        let c = place + strip * ${sharing}u;
        if (busy && c < u.columns) { ${statements} }
      }`,
    locate: `
      let row = piece / u.runs;
      let time = row % u.T;
      let item = piece % u.runs * ${vectors}u + lane / ${sharing}u;
      let busy = piece < u.pieces && item < 3u * u.heads;
      let part = select(0u, 1u, item >= u.heads) + select(0u, 1u, item >= 2u * u.heads);
      let whole = (row * 3u * u.heads + item) * u.columns;
      let own = ((row / u.T * u.heads + item - part * u.heads) * u.T + time) * u.columns;
      let turn = (u.offset + time + select(0u, u.shift, part == 0u)) * u.columns;`,
  };
}

/** The tables as bindings, an angle for every two numbers of a pack. */
function tables({ cos, sin }: InputInfos, { width }: Packing): Binding[] {
  if (cos === undefined || sin === undefined) return [];
  const element = width === 4 ? 'vec2f' : 'f32';
  return [read('cosines', cos, element), read('sines', sin, element)];
}

/** Declares `fn turned(v, cosine, sine)`, the pack v with its pairs rotated. */
function rotation({ width, element }: Packing): string {
  const angle = width === 4 ? 'vec2f' : 'f32';
  const [even, odd] = width === 4 ? ['v.xz', 'v.yw'] : ['v.x', 'v.y'];
  return `
    fn turned(v: ${element}, cosine: ${angle}, sine: ${angle}) -> ${element} {
      let even = ${even} * cosine - ${odd} * sine;
      let odd = ${even} * sine + ${odd} * cosine;
      return ${width === 4 ? 'vec4f(even.x, odd.x, even.y, odd.y)' : 'vec2f(even, odd)'};
    }`;
}

/**
 * Declares `fn sum_shared(value: vec2f, lane: u32) -> vec2f`, the sum over the invocations that share a row, in one
 * order. Every invocation of the workgroup must call it.
 */
function sumShared(sharing: number): string {
  return `
    var<workgroup> shared_parts: array<vec2f, ${SIZE}>;
    fn sum_shared(value: vec2f, lane: u32) -> vec2f {
      workgroupBarrier();
      shared_parts[lane] = value;
      workgroupBarrier();
      let first = lane / ${sharing}u * ${sharing}u;
      var sum = vec2f();
      for (var i = 0u; i < ${sharing}u; i++) { sum += shared_parts[first + i]; }
      return sum;
    }`;
}

export function splitHeadsWebgpu(inputs: InputInfos, attributes: Attributes, backend: GpuBackend): TensorInfo[] {
  const { qkv, qGain, kGain, cos } = inputs;
  const { shape, packing, sharing, strips, pieces, uniforms, over, locate } = layoutOf(qkv, attributes);
  const { element } = packing;
  const outputs = [0, 1, 2].map(() => backend.output([...shape]));
  if (pieces * shape[3] === 0) return outputs;
  const norm = qGain !== undefined;
  const rotate = cos !== undefined;
  backend.dispatch({
    name: 'splitHeads',
    variant: `${sharing}/${strips}`,
    bindings: [
      read('qkv', qkv, element),
      ...(norm ? [read('q_gain', qGain, element), read('k_gain', kGain, element)] : []),
      ...tables(inputs, packing),
      ...outputs.map((output, i) => write('qkv'[i], output, element)),
    ],
    uniforms,
    groups: pieces,
    declarations: () => `${norm ? sumShared(sharing) : ''} ${rotate ? rotation(packing) : ''}`,
    body: () => `
      let piece = block;
      let place = lane % ${sharing}u;
      ${locate}
      var held: array<${element}, ${strips}>;
      var squares = 0.0;
      ${over(`held[strip] = qkv[whole + c]; squares += ${dotPack(packing, 'held[strip]', 'held[strip]')};`)}
      ${norm ? 'let scale = inverseSqrt(sum_shared(vec2f(squares, 0.0), lane).x * u.inverse + u.eps);' : ''}
      ${over(`
        var value = held[strip];
        if (part < 2u) {
          ${norm ? 'value *= scale * select(k_gain[c], q_gain[c], part == 0u);' : ''}
          ${rotate ? 'value = turned(value, cosines[turn + c], sines[turn + c]);' : ''}
        }
        switch part {
          case 0u: { q[own + c] = value; }
          case 1u: { k[own + c] = value; }
          default: { v[own + c] = value; }
        }`)}`,
  });
  return outputs;
}

/**
 * The gradient by qkv, and with a norm those by its gains: a workgroup then takes many pieces and keeps the sums by
 * channel in registers.
 */
export function splitHeadsGradientWebgpu(
  inputs: InputInfos,
  attributes: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const { qkv, qGain, kGain, cos, dq, dk, dv } = inputs;
  const { shape, packing, sharing, strips, pieces, uniforms, over, locate } = layoutOf(qkv, attributes);
  const { element } = packing;
  const D = shape[3];
  const dQkv = backend.output(qkv.shape);
  const norm = qGain !== undefined;
  if (pieces * D === 0) return [dQkv, ...(norm ? [zeros(backend, [D]), zeros(backend, [D])] : [])];
  const { blocks, each } = norm ? blocksOf(pieces) : { blocks: pieces, each: 1 };
  const partial = norm ? backend.output([blocks, 2 * D]) : undefined;
  const rotate = cos !== undefined;
  const along = dotPack(packing, 'ds[strip] * gain', 'xs[strip]');
  const undoNorm = `
          if (part < 2u) {
            let normalized = xs[strip] * scale;
            let gain = select(k_gain[c], q_gain[c], part == 0u);
            value = (value * gain - normalized * slope) * scale;
            if (part == 0u) { q_sums[strip] += ds[strip] * normalized; } else { k_sums[strip] += ds[strip] * normalized; }
          }`;
  backend.dispatch({
    name: 'splitHeadsGradient',
    variant: `${sharing}/${strips}`,
    bindings: [
      ...(norm ? [read('qkv', qkv, element), read('q_gain', qGain, element), read('k_gain', kGain, element)] : []),
      ...tables(inputs, packing),
      read('dq', dq, element),
      read('dk', dk, element),
      read('dv', dv, element),
      write('d_qkv', dQkv, element),
      ...(partial === undefined ? [] : [write('partial', partial, element)]),
    ],
    uniforms: { ...uniforms, each },
    groups: blocks,
    declarations: () => `
      ${norm ? `${sumShared(sharing)} var<workgroup> channels: array<${element}, ${SIZE}>;` : ''}
      ${rotate ? rotation(packing) : ''}`,
    body: () => `
      let place = lane % ${sharing}u;
      ${norm ? `var q_sums: array<${element}, ${strips}>; var k_sums: array<${element}, ${strips}>;` : ''}
      for (var piece = block * u.each; piece < min(u.pieces, (block + 1u) * u.each); piece++) {
        ${locate}
        var ds: array<${element}, ${strips}>;
        ${norm ? `var xs: array<${element}, ${strips}>; var sums = vec2f();` : ''}
        ${over(`
          switch part {
            case 0u: { ds[strip] = dq[own + c]; }
            case 1u: { ds[strip] = dk[own + c]; }
            default: { ds[strip] = dv[own + c]; }
          }
          if (part < 2u) {
            ${rotate ? 'ds[strip] = turned(ds[strip], cosines[turn + c], -sines[turn + c]);' : ''}
            ${
              norm
                ? `
            xs[strip] = qkv[whole + c];
            let gain = select(k_gain[c], q_gain[c], part == 0u);
            sums += vec2f(${dotPack(packing, 'xs[strip]', 'xs[strip]')}, ${along});`
                : ''
            }
          }`)}
        ${
          norm
            ? `
        let means = sum_shared(sums, lane) * u.inverse; // of x^2 and g x
        let scale = inverseSqrt(means.x + u.eps);
        let slope = means.y * scale;`
            : ''
        }
        ${over(`var value = ds[strip]; ${norm ? undoNorm : ''} d_qkv[whole + c] = value;`)}
      }
      ${norm ? sumGains({ sharing, strips, element }) : ''}`,
  });
  if (partial === undefined) return [dQkv];
  const gains = [qGain, kGain].map(({ shape }) => backend.output(shape));
  sumColumns(backend, partial, gains);
  return [dQkv, ...gains];
}

/** Statements that add up the sums by channel of all rows of a workgroup, q's and then k's, into its row of `partial`. */
function sumGains({ sharing, strips, element }: { sharing: number; strips: number; element: string }): string {
  return `
      for (var part = 0u; part < 2u; part++) {
        for (var strip = 0u; strip < ${strips}u; strip++) {
          workgroupBarrier();
          channels[lane] = select(k_sums[strip], q_sums[strip], part == 0u);
          workgroupBarrier();
          let c = lane + strip * ${sharing}u;
          if (lane < ${sharing}u && c < u.columns) {
            var sum = ${element}();
            for (var i = lane; i < ${SIZE}u; i += ${sharing}u) { sum += channels[i]; }
            partial[(block * 2u + part) * u.columns + c] = sum;
          }
        }
      }`;
}
