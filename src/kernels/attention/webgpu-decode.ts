/**
 * @file Attention of a single query, as decoding asks for: a group a head, a key a lane for the scores, and for the output
 * a word of channels a lane, the keys dealt out among slices of lanes whose sums are added at the end.
 */
import type { InputInfos } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { maxWorkgroup, sumWorkgroup } from '../wgsl/reduce.ts';
import { FLOOR, type ForwardOutputs, float, forwardProgram, HIDDEN, type Problem } from './webgpu-problem.ts';

/** Invocations, and keys that they look at together. */
const SIZE = 128;

export function decodeOne(inputs: InputInfos, outputs: ForwardOutputs, problem: Problem, backend: GpuBackend): void {
  const { B, H, D } = problem;
  const across = 2 ** Math.ceil(Math.log2(Math.ceil(D / 4))); // lanes of a slice
  const slices = SIZE / across;
  const { dispatch, functions } = forwardProgram(inputs, outputs, problem, 1);
  backend.dispatch({
    name: 'attentionDecode',
    variant: `${across}`,
    bindings: dispatch.bindings,
    size: SIZE,
    uniforms: { ...dispatch.uniforms, heads: B * H },
    groups: B * H,
    declarations: () => `
      var<workgroup> query: array<vec4f, ${across}>;
      var<workgroup> weights: array<f32, ${SIZE}>;
      var<workgroup> parts: array<vec4f, ${SIZE}>;
      ${maxWorkgroup(SIZE)}
      ${sumWorkgroup(SIZE)}
      ${functions()}`,
    body: () => `
      if (block >= u.heads) { return; }
      let c = lane % ${across}u;
      let slice = lane / ${across}u;
      if (lane < u.words) { query[lane] = load_q(block, lane); }
      var largest = f32(${FLOOR});
      var total = 0.0;
      var sum = vec4f();
      for (var first = 0u; first < u.Tk; first += ${SIZE}u) {
        workgroupBarrier();
        let key = first + lane;
        var score = f32(${HIDDEN});
        if (key < u.Tk && (seen(u.offset, key) & 1u) != 0u) {
          score = 0.0;
          for (var d = 0u; d < u.words; d++) { score += dot(query[d], load_k(block * u.Tk + key, d)); }
          score *= u.scale;
        }
        let now = max(largest, max_workgroup(score, lane));
        let shrink = exp2(largest - now);
        largest = now;
        let weight = exp2(score - now);
        total = total * shrink + weight;
        sum *= shrink;
        weights[lane] = weight;
        workgroupBarrier();
        if (c < u.words) {
          let end = min(${SIZE}u, u.Tk - first);
          for (var i = slice; i < end; i += ${slices}u) { sum += weights[i] * load_v(block * u.Tk + first + i, c); }
        }
      }
      total = sum_workgroup(total, lane);
      parts[lane] = sum;
      workgroupBarrier();
      if (slice == 0u) {
        for (var i = 1u; i < ${slices}u; i++) { sum += parts[lane + i * ${across}u]; }
        store_y(block, c, sum / total);
      }
      if (lane == 0u) { logsumexp[block] = (largest + log2(total)) * ${float(Math.LN2)}; }`,
  });
}
