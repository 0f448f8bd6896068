/**
 * @file Drawing codes on the GPU, a workgroup an image: guidance, temperature, top-k, top-p and the draw in one dispatch.
 * What the reference sorts for is found without sorting: a logit's bits, made to grow with it, are searched two at a time
 * for the largest threshold above which there are k codes, or p of the probability. Sums are f32, of one order for any
 * number of images: each lane's neighbouring codes, then 16 lanes, then 16 of those. Their relative error is about 1e-6,
 * and a number that close to the edge between two codes may draw the other one than the f64 reference does.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';

export interface GpuDraw {
  /** [images, K]; with guidance [2 images, K], the uncaptioned twins after the images. */
  readonly logits: TensorInfo;
  readonly images: number;
  readonly K: number;
  /** [n, images], numbers in [0, 1) that decide the draws; row `at` is used. */
  readonly numbers: TensorInfo;
  readonly at: number;
  /** int32 [images], the codes. */
  readonly ids: TensorInfo;
  /** int32 [m, 2, images]: codes, and log-probabilities as the bits of an f32, NaN without a code; row `place` is written. */
  readonly history: TensorInfo;
  readonly place: number;
  /** From `drawScratch`. */
  readonly scratch: TensorInfo;
  readonly temperature: number;
  /** Most codes kept, at least 1. */
  readonly most: number;
  readonly topP: number;
  readonly cfgScale: number;
}

const SIZE = 256;
/** Lanes whose sums are added up first. */
const GROUP = 16;
/** The lowest f32; no number is above it where a lane has no codes. */
const LOWEST = '-3.4028234e38';
/** The largest f32, and a NaN as bits. */
const HIGHEST = '3.4028234e38';
const NAN_BITS = 0x7fc00000;
/** Temperatures above 0 stay so as f32, and finite. */
const TEMPERATURES = [1.2e-38, 3e38] as const;

/** Memory for the draws of `images` at a time: a key and a weight for each code. */
export function drawScratch(backend: GpuBackend, images: number, K: number): TensorInfo {
  return backend.output([images, Math.ceil(K / SIZE) * SIZE * 2], 'int32');
}

/** Numbers in [0, 1) as f32 that are below 1 too: rounded down to 24 bits. */
export function drawNumbers(u: ArrayLike<number>): Float32Array {
  return Float32Array.from(u, x => Math.floor(x * 2 ** 24) / 2 ** 24);
}

/** The history's rows: codes and log-probabilities, [m, images] each. */
export function readHistory(history: Int32Array, images: number): { codes: Int32Array; logProbability: Float64Array } {
  const m = history.length / (2 * images);
  const floats = new Float32Array(history.buffer, history.byteOffset, history.length);
  const codes = new Int32Array(m * images);
  const logProbability = new Float64Array(m * images);
  for (let row = 0; row < m; row++) {
    const first = row * 2 * images;
    codes.set(history.subarray(first, first + images), row * images);
    logProbability.set(floats.subarray(first + images, first + 2 * images), row * images);
  }
  return { codes, logProbability };
}

const functions = `
  var<workgroup> tallies: array<vec4f, ${SIZE}>;
  var<workgroup> group_tallies: array<vec4f, ${GROUP}>;
  var<workgroup> running: array<f32, ${SIZE}>;
  var<workgroup> group_sums: array<f32, ${GROUP}>;
  var<workgroup> lane_best: array<f32, ${SIZE}>;
  var<workgroup> lane_code: array<u32, ${SIZE}>;

  // Sums over all lanes. Every lane gets them.
  fn tally(value: vec4f, lane: u32) -> vec4f {
    workgroupBarrier();
    tallies[lane] = value;
    workgroupBarrier();
    if (lane < ${GROUP}u) {
      var sum = vec4f();
      for (var i = 0u; i < ${SIZE / GROUP}u; i++) { sum += tallies[lane * ${SIZE / GROUP}u + i]; }
      group_tallies[lane] = sum;
    }
    workgroupBarrier();
    var sum = vec4f();
    for (var i = 0u; i < ${GROUP}u; i++) { sum += group_tallies[i]; }
    return sum;
  }

  // Sums up to and including each lane, in running; they never fall. Returns the sum over all lanes.
  fn accumulate(value: f32, lane: u32) -> f32 {
    workgroupBarrier();
    running[lane] = value;
    workgroupBarrier();
    if (lane < ${GROUP}u) {
      var sum = 0.0;
      for (var i = 0u; i < ${SIZE / GROUP}u; i++) {
        sum += running[lane * ${SIZE / GROUP}u + i];
        running[lane * ${SIZE / GROUP}u + i] = sum;
      }
      group_sums[lane] = sum;
    }
    workgroupBarrier();
    var before = 0.0;
    var sum = 0.0;
    for (var i = 0u; i < ${GROUP}u; i++) {
      if (i == lane / ${SIZE / GROUP}u) { before = sum; }
      sum += group_sums[i];
    }
    running[lane] += before;
    workgroupBarrier();
    return sum;
  }

  // An unsigned number that grows with the logit; never 0.
  fn key_of(logit: f32) -> u32 {
    let bits = bitcast<u32>(select(logit, 0.0, logit == 0.0)); // -0 and 0 are one logit
    return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
  }

  fn logit_of(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, key >> 31u == 1u)); }

  // What code i of a lane has: its key, 0 once it is left out, and the bits of its weight.
  fn entry(image: u32, i: u32, lane: u32) -> u32 { return (image * u.chunk + i) * ${SIZE}u + lane; }

  // Leaves out all but the likeliest codes: goal of them, or as many as weigh goal. Ties go to the smaller code.
  fn truncate(image: u32, lane: u32, goal: f32, weighing: bool) {
    var found = 0u;
    for (var shift = 30i; shift >= 0; shift -= 2) {
      var sums = vec4f();
      for (var i = 0u; i < u.chunk; i++) {
        let code = scratch[entry(image, i, lane)];
        let amount = select(1.0, bitcast<f32>(code.y), weighing);
        for (var step = 1u; step < 4u; step++) {
          if (code.x >= (found | (step << u32(shift)))) { sums[step] += amount; }
        }
      }
      let reached = tally(sums, lane);
      var step = 0u;
      for (var i = 1u; i < 4u; i++) { if (reached[i] >= goal) { step = i; } }
      found |= step << u32(shift);
    }
    // Above the threshold and at it: how many, and what they weigh.
    var sums = vec4f();
    for (var i = 0u; i < u.chunk; i++) {
      let code = scratch[entry(image, i, lane)];
      let amount = vec2f(1.0, bitcast<f32>(code.y));
      if (code.x > found) { sums += vec4f(amount, 0.0, 0.0); }
      if (code.x == found) { sums += vec4f(0.0, 0.0, amount); }
    }
    let counts = tally(sums, lane);
    let missing = select(goal - counts.x, ceil((goal - counts.y) / (counts.w / counts.z)), weighing);
    let kept = clamp(missing, 1.0, counts.z);
    accumulate(sums.z, lane);
    var rank = running[lane] - sums.z;
    for (var i = 0u; i < u.chunk; i++) {
      let at = entry(image, i, lane);
      let key = scratch[at].x;
      if (key < found || (key == found && rank >= kept)) { scratch[at] = vec2u(0u, 0u); }
      if (key == found) { rank += 1.0; }
    }
  }`;

const guideAndWeigh = `
  let first = lane * u.chunk;
  let last = min(first + u.chunk, u.K);
  var best = ${LOWEST};
  var best_code = 0u;
  for (var i = 0u; i < u.chunk; i++) {
    var key = 0u;
    if (first + i < last) {
      var logit = logits[image * u.K + first + i];
      if (u.guided == 1u) {
        let plain = logits[(u.images + image) * u.K + first + i];
        logit = plain + u.guidance * (logit - plain);
      }
      // By bits: shaders may take it that there are no infinities and no NaN.
      let special = (bitcast<u32>(logit) & 0x7fffffffu) >= 0x7f800000u;
      let drawable = !special || bitcast<u32>(logit) == 0x7f800000u;
      if (special) { logit = select(${LOWEST}, ${HIGHEST}, drawable); }
      if (drawable) { key = key_of(logit); }
      if (drawable && logit > best) {
        best = logit;
        best_code = first + i;
      }
      scratch[entry(image, i, lane)].y = bitcast<u32>(logit);
    }
    scratch[entry(image, i, lane)].x = key;
  }
  lane_best[lane] = best;
  lane_code[lane] = best_code;
  workgroupBarrier();
  // The first of the largest: lanes in order, codes of a lane in order.
  if (lane < ${GROUP}u) {
    for (var i = lane * ${SIZE / GROUP}u; i < (lane + 1u) * ${SIZE / GROUP}u; i++) {
      if (lane_best[i] > best || i == lane * ${SIZE / GROUP}u) {
        best = lane_best[i];
        best_code = lane_code[i];
      }
    }
  }
  workgroupBarrier();
  if (lane < ${GROUP}u) {
    lane_best[lane] = best;
    lane_code[lane] = best_code;
  }
  workgroupBarrier();
  best = lane_best[0];
  best_code = lane_code[0];
  for (var i = 1u; i < ${GROUP}u; i++) {
    if (lane_best[i] > best) {
      best = lane_best[i];
      best_code = lane_code[i];
    }
  }`;

const pick = `
  var total_own = 0.0;
  for (var i = 0u; i < u.chunk; i++) { total_own += bitcast<f32>(scratch[entry(image, i, lane)].y); }
  let total = accumulate(total_own, lane);
  let sought = numbers[u.number_row * u.images + image] * total;
  var before = 0.0;
  if (lane > 0u) { before = running[lane - 1u]; }
  let upto = running[lane];
  // Where rounding has lifted the number to the end, the last lane that adds something has it.
  if ((before <= sought && sought < upto) || (sought >= total && before < total && upto >= total)) {
    var left = sought - before;
    var code = best_code;
    var key = key_of(best);
    for (var i = 0u; i < u.chunk; i++) {
      let candidate = scratch[entry(image, i, lane)];
      if (bitcast<f32>(candidate.y) == 0.0) { continue; }
      code = first + i;
      key = candidate.x;
      left -= bitcast<f32>(candidate.y);
      if (left < 0.0) { break; }
    }
    write_code(image, code, (logit_of(key) - best) / u.temperature - log(total));
  }`;

/** Draws a code for each image into `ids` and the history. */
export function drawOnGpu(backend: GpuBackend, draw: GpuDraw): void {
  const { logits, images, K, numbers, at, ids, history, place, scratch, temperature, most, topP, cfgScale } = draw;
  backend.dispatch({
    name: 'drawCodes',
    bindings: [
      read('logits', logits),
      read('numbers', numbers),
      update('scratch', scratch, 'vec2<u32>'),
      write('ids', ids),
      update('history', history),
    ],
    uniforms: {
      ...{ images, K, chunk: Math.ceil(K / SIZE), number_row: at, place, most },
      guided: cfgScale === 1 ? 0 : 1,
      guidance: f32(cfgScale),
      temperature: f32(temperature === 0 ? 0 : Math.min(Math.max(temperature, TEMPERATURES[0]), TEMPERATURES[1])),
      top_p: f32(topP),
    },
    size: SIZE,
    groups: [images, 1],
    declarations: () => `${functions}
      fn write_code(image: u32, code: u32, log_probability: f32) {
        write_bits(image, code, bitcast<i32>(log_probability));
      }
      fn write_bits(image: u32, code: u32, log_probability: i32) {
        ids[image] = i32(code);
        history[u.place * 2u * u.images + image] = i32(code);
        history[(u.place * 2u + 1u) * u.images + image] = log_probability;
      }`,
    body: () => `
      let image = group.x;
      ${guideAndWeigh}
      if (u.temperature == 0.0) {
        if (lane == 0u) { write_code(image, best_code, 0.0); }
      } else {
        for (var i = 0u; i < u.chunk; i++) {
          let at = entry(image, i, lane);
          var weight = 0.0;
          if (scratch[at].x != 0u) {
            let below = bitcast<f32>(scratch[at].y) - best;
            weight = select(exp(below / u.temperature), f32(below == 0.0), best == ${HIGHEST});
          }
          scratch[at].y = bitcast<u32>(weight);
        }
        if (u.most < u.K) { truncate(image, lane, f32(u.most), false); }
        if (u.top_p < 1.0) {
          var own = 0.0;
          for (var i = 0u; i < u.chunk; i++) { own += bitcast<f32>(scratch[entry(image, i, lane)].y); }
          let goal = u.top_p * tally(vec4f(own), lane).x;
          truncate(image, lane, max(goal, 1e-37), true);
        }
        ${pick}
      }
      if (lane == 0u && best == ${LOWEST}) { write_bits(image, 0u, ${NAN_BITS}); } // there is no code to draw`,
  });
}
