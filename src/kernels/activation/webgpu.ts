/** @file Activations and their slopes in WGSL, for the kernels that end or begin with one. */
import { type Activation, GELU_CUBIC as CUBIC, LEAK, GELU_SCALE as SCALE } from '../pointwise.ts';

/** exp, and so tanh, overflows in some drivers where its result would be 1. */
const TANH = 'fn bounded_tanh(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }';

/** Declares `fn activate(x: f32) -> f32`. */
export function activate(activation: Activation): string {
  switch (activation) {
    case 'none':
      return 'fn activate(x: f32) -> f32 { return x; }';
    case 'relu':
      return 'fn activate(x: f32) -> f32 { return max(x, 0.0); }';
    case 'lrelu':
      return `fn activate(x: f32) -> f32 { return select(${LEAK} * x, x, x > 0.0); }`;
    case 'silu':
      return 'fn activate(x: f32) -> f32 { return x / (1.0 + exp(-x)); }';
    case 'gelu':
      return `${TANH} fn activate(x: f32) -> f32 {
        return 0.5 * x * (1.0 + bounded_tanh(${SCALE} * (x + ${CUBIC} * x * x * x)));
      }`;
    default:
      return activation satisfies never;
  }
}

/** Declares `fn slope(x: f32) -> f32`, the derivative at the pre-activation x. */
export function slope(activation: Activation): string {
  switch (activation) {
    case 'none':
      return 'fn slope(x: f32) -> f32 { return 1.0; }';
    case 'relu':
      return 'fn slope(x: f32) -> f32 { return select(0.0, 1.0, x > 0.0); }';
    case 'lrelu':
      return `fn slope(x: f32) -> f32 { return select(${LEAK}, 1.0, x > 0.0); }`;
    case 'silu':
      return `fn slope(x: f32) -> f32 {
        let s = 1.0 / (1.0 + exp(-x));
        return s * (1.0 + x * (1.0 - s));
      }`;
    case 'gelu':
      return `${TANH} fn slope(x: f32) -> f32 {
        let t = bounded_tanh(${SCALE} * (x + ${CUBIC} * x * x * x));
        return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * ${SCALE} * (1.0 + ${3 * CUBIC} * x * x);
      }`;
    default:
      return activation satisfies never;
  }
}
