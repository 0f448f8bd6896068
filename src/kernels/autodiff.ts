/**
 * @file Gradients by tfjs's tape, with a backward loop that disposes each node's gradients and saved tensors as soon as
 * it has been passed. tfjs's own loop keeps them all to the end, which doubles the peak memory of a training step.
 */
import '@tensorflow/tfjs-layers'; // registers tfjs's own gradients; tfjs-core alone has none
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { recordOnto, type TapeNode } from '../device/tfjs.ts';
import { absentGradient, definedKernels } from './registry.ts';
import { Tape } from './tape.ts';

/** A forward pass's result: the scalar to differentiate, and further tensors to hand back. */
export interface Forward {
  readonly loss: Tensor;
  readonly aux?: readonly Tensor[];
}

export interface ValueAndGradients {
  readonly loss: Tensor;
  readonly aux: readonly Tensor[];
  /** One for each variable in order; null where the loss does not depend on it. */
  readonly gradients: readonly (Tensor | null)[];
}

/** Records `forward` on a fresh tape. */
function record(forward: () => Forward): { result: Forward; tape: Tape } {
  const tape = new Tape();
  const result = recordOnto(tape, () => {
    let made: Forward | undefined;
    tf.tidy('forward', () => {
      made = forward();
      return [made.loss, ...(made.aux ?? [])];
    });
    return made as Forward; // tidy has run
  });
  return { result, tape };
}

/** The nodes on a path from a variable to the loss, the last first; what all others have saved is let go. */
function relevant(tape: Tape, variables: readonly Tensor[], loss: Tensor) {
  const fromVariables = new Set(variables.map(v => v.id));
  const reached = tape.nodes.map(node => {
    const reads = Object.values(node.inputs).some(x => x !== undefined && fromVariables.has(x.id));
    if (reads) for (const output of node.outputs) fromVariables.add(output.id);
    return reads;
  });
  const toLoss = new Set([loss.id]);
  const nodes: TapeNode[] = [];
  for (let i = tape.nodes.length - 1; i >= 0; i--) {
    const node = tape.nodes[i];
    const leads = node.outputs.some(output => toLoss.has(output.id));
    if (leads) for (const x of Object.values(node.inputs)) if (x !== undefined) toLoss.add(x.id);
    if (leads && reached[i]) nodes.push(node);
    else tape.release(node);
  }
  return { nodes, fromVariables };
}

/**
 * Evaluates a loss and its gradients.
 * @param forward builds the loss (a scalar) and any further tensors to return; runs in a tidy
 * @param variables what to differentiate by
 * @param initial the loss's own gradient, a scalar, for gradients of a multiple of the loss; disposed. Default 1
 * @returns loss, aux and gradients, all owned by the caller
 */
export function valueAndGradients(
  forward: () => Forward,
  variables: readonly Tensor[],
  initial?: Tensor,
): ValueAndGradients {
  const engine = tf.engine();
  const { result, tape } = record(forward);
  const { loss, aux = [] } = result;
  const { nodes, fromVariables } = relevant(tape, variables, loss);
  const kept = new Set(variables.map(v => v.id));
  const total = new Map<number, Tensor>([[loss.id, initial ?? tf.onesLike(loss)]]);

  for (const node of nodes) {
    const dys = node.outputs.map(output => total.get(output.id) ?? null);
    if (dys.every(dy => dy === null) || node.gradient === undefined) {
      tape.release(node);
      continue;
    }
    const { gradient } = node;
    const contributions = engine.tidy('backward', () => {
      tape.restore(node);
      const thunks = gradient(definedKernels().has(node.kernelName) ? markAbsent(dys) : fillAbsent(dys, node.outputs));
      const made: Record<string, Tensor> = {};
      for (const [name, input] of Object.entries(node.inputs)) {
        if (input === undefined || !fromVariables.has(input.id)) continue;
        const dx = thunks[name]();
        made[name] = dys.includes(dx) ? tf.clone(dx) : dx;
      }
      return made;
    });
    for (const [name, dx] of Object.entries(contributions)) {
      const { id } = node.inputs[name] as Tensor;
      const before = total.get(id);
      if (before === undefined) {
        total.set(id, dx);
        continue;
      }
      total.set(id, tf.add(before, dx));
      before.dispose();
      dx.dispose();
    }
    node.outputs.forEach((output, i) => {
      if (kept.has(output.id)) return;
      dys[i]?.dispose();
      total.delete(output.id);
    });
    tape.release(node);
  }
  const gradients = variables.map(v => total.get(v.id) ?? null);
  if (nodes.length === 0) total.get(loss.id)?.dispose();
  return { loss, aux, gradients };
}

function markAbsent(dys: readonly (Tensor | null)[]): Tensor[] {
  return dys.map(dy => dy ?? absentGradient);
}

/** tfjs's own gradients of several outputs expect a tensor for each; fused kernels can do without an unused one. */
function fillAbsent(dys: (Tensor | null)[], outputs: readonly Tensor[]): (Tensor | null)[] {
  if (dys.length === 1) return dys;
  return dys.map((dy, i) => dy ?? tf.zeros(outputs[i].shape, outputs[i].dtype));
}
