/** @file What both graphs are made of besides plain operators. */
import type { OnnxGraph, Value } from './graph.ts';

/** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), as src/kernels/activation computes it. */
export function gelu(graph: OnnxGraph, x: Value): Value {
  const times = (a: Value, b: Value) => graph.op('Mul', [a, b]);
  const cubic = times(times(times(x, x), x), graph.float(0.044715));
  const inner = times(graph.op('Add', [x, cubic]), graph.float(Math.sqrt(2 / Math.PI)));
  return times(times(x, graph.float(0.5)), graph.op('Add', [graph.op('Tanh', [inner]), graph.float(1)]));
}
