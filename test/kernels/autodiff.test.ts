/**
 * @file Gradients with early freeing against tfjs's own: the same numbers over shared inputs, operations of several outputs
 * and branches that lead nowhere; less memory on the way; nothing left behind.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { gelu, silu, swiglu } from '../../src/kernels/activation/activation.ts';
import { attention } from '../../src/kernels/attention/attention.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { detached } from '../../src/kernels/detached.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { layerNorm, rmsNorm } from '../../src/kernels/norm/norm.ts';
import { defineKernel, run } from '../../src/kernels/registry.ts';
import { splitHeads } from '../../src/kernels/rope/rope.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';

const missing = registerAddon();

type Loss = (...variables: tf.Tensor[]) => tf.Tensor;

const cases: readonly { readonly name: string; readonly shapes: number[][]; readonly loss: Loss }[] = [
  {
    name: 'an input used three times',
    shapes: [[4, 4]],
    loss: x => tf.sum(tf.mul(tf.add(x, tf.matMul(x, x)), tf.sin(x))),
  },
  {
    name: 'a square of the same tensor on both sides',
    shapes: [[5]],
    loss: x => tf.sum(tf.mul(x, x)),
  },
  {
    name: 'addition, whose gradient is handed on as it is, to both sides and twice to one',
    shapes: [[3], [3]],
    loss: (x, y) => tf.sum(tf.mul(tf.add(tf.add(x, y), tf.add(x, x)), tf.add(x, y))),
  },
  {
    name: 'two of three outputs of a split',
    shapes: [[2, 6]],
    loss: x => {
      const [a, , c] = tf.split(x, 3, 1);
      return tf.sum(tf.mul(tf.square(a), tf.exp(c)));
    },
  },
  {
    name: 'an output that is also the input of another',
    shapes: [
      [3, 4],
      [4, 4],
    ],
    loss: (x, w) => {
      const h = tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D));
      return tf.add(tf.sum(h), tf.sum(tf.square(tf.matMul(h as tf.Tensor2D, w as tf.Tensor2D))));
    },
  },
  {
    name: 'broadcasting, slices, concatenation and a softmax',
    shapes: [[2, 3], [3], [1]],
    loss: (x, b, s) => {
      const y = tf.softmax(tf.mul(tf.add(x, b), s));
      return tf.sum(tf.square(tf.concat([tf.slice(y, [0, 1], [2, 2]), y], 1)));
    },
  },
];

async function agree(loss: Loss, variables: tf.Tensor[]): Promise<void> {
  const reference = tf.variableGrads(() => loss(...variables) as tf.Scalar, variables as tf.Variable[]);
  const { loss: value, gradients } = valueAndGradients(() => ({ loss: loss(...variables) }), variables);
  expectAllclose(await value.data(), await reference.value.data(), { relative: 1e-6 });
  for (const [i, variable] of variables.entries()) {
    const wanted = reference.grads[(variable as tf.Variable).name];
    const found = gradients[i] as tf.Tensor;
    expect(found.shape).toEqual(variable.shape);
    expectAllclose(await found.data(), await wanted.data(), { relative: 1e-6, absolute: 1e-6 });
  }
  tf.dispose([value, [...gradients] as tf.Tensor[], reference.value, reference.grads]);
}

const variablesOf = (shapes: readonly number[][]) => shapes.map((shape, i) => tf.variable(normal(shape, i + 1)));

for (const { name, shapes, loss } of cases) {
  onEveryBackend(`${name}: as tf.variableGrads`, async () => {
    const variables = variablesOf(shapes);
    const before = tf.memory().numTensors;
    await agree(loss, variables);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(variables);
  });
}

/** A transformer layer of fused operations, its input shared by two residuals. */
function layer(x: tf.Tensor, qkv: tf.Tensor, out: tf.Tensor, up: tf.Tensor, gain: tf.Tensor): tf.Tensor {
  const [q, k, v] = splitHeads(linear(rmsNorm(x, gain), qkv), { heads: 2 });
  const y = linear(attention(q, k, v), out, { residual: x });
  return tf.sum(tf.square(linear(gelu(linear(y, up)), tf.transpose(up), { residual: y })));
}

onEveryBackend('a layer of fused operations: as tf.variableGrads, and nothing is left', async () => {
  const variables = variablesOf([[2, 5, 8], [24, 8], [8, 8], [16, 8], [8]]);
  const before = tf.memory().numTensors;
  await agree(layer as Loss, variables);
  expect(tf.memory().numTensors).toBe(before);
  tf.dispose(variables);
});

onEveryBackend('only some of the outputs of a fused operation are used', async () => {
  const variables = variablesOf([[1, 3, 24]]);
  for (const used of [0, 1, 2]) {
    // Against the definition: output `used` is a third of the channels in another order, so the gradient is 2 x there.
    const { loss, gradients } = valueAndGradients(
      () => ({ loss: tf.sum(tf.square(splitHeads(variables[0], { heads: 2 })[used])) }),
      variables,
    );
    const x = await variables[0].data();
    const wanted = Float32Array.from(x, (value, i) => (Math.floor((i % 24) / 8) === used ? 2 * value : 0));
    expectAllclose(await (gradients[0] as tf.Tensor).data(), wanted, { relative: 1e-6 });
    tf.dispose([loss, [...gradients] as tf.Tensor[]]);
  }
  tf.dispose(variables);
});

onEveryBackend(
  'what the loss does not depend on has no gradient, and branches that lead nowhere cost nothing',
  async () => {
    const [x, unused, beside] = variablesOf([[3, 3], [3], [3, 3]]);
    const before = tf.memory().numTensors;
    const { loss, aux, gradients } = valueAndGradients(() => {
      tf.exp(tf.matMul(x as tf.Tensor2D, beside as tf.Tensor2D)); // forgotten
      const extra = tf.sum(tf.square(beside)); // reported, not minimised
      return { loss: tf.sum(tf.square(x)), aux: [extra] };
    }, [x, unused, beside]);
    expect(gradients[1]).toBeNull();
    expect(gradients[2]).toBeNull();
    expectAllclose(
      await (gradients[0] as tf.Tensor).data(),
      (await x.data()).map(value => 2 * value),
    );
    const besideValues = Array.from(await beside.data());
    expectAllclose(await aux[0].data(), [besideValues.reduce((sum, value) => sum + value * value, 0)]);
    expect(tf.memory().numTensors).toBe(before + 3); // loss, aux and one gradient
    tf.dispose([loss, ...aux, gradients[0] as tf.Tensor, x, unused, beside]);
  },
);

describe('odd losses', () => {
  onEveryBackend('a loss that depends on nothing, and a loss that is a variable itself', async () => {
    const [x] = variablesOf([[]]);
    const before = tf.memory().numTensors;
    const constant = valueAndGradients(() => ({ loss: tf.scalar(3) }), [x]);
    expect(constant.gradients).toEqual([null]);
    constant.loss.dispose();
    expect(tf.memory().numTensors).toBe(before);

    const scaled = valueAndGradients(() => ({ loss: tf.mul(x, 3) }), [x]);
    expect(await (scaled.gradients[0] as tf.Tensor).data()).toEqual(Float32Array.from([3]));
    tf.dispose([scaled.loss, scaled.gradients[0] as tf.Tensor]);
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
  });

  onEveryBackend('what runs detached counts as constant', async () => {
    const [x] = variablesOf([[4]]);
    // The straight-through estimate: the value is rounded, the gradient that of the value before.
    const { loss, gradients } = valueAndGradients(
      () => ({
        loss: tf.sum(
          tf.square(
            tf.add(
              x,
              detached(() => tf.sub(tf.round(x), x)),
            ),
          ),
        ),
      }),
      [x],
    );
    const values = await x.data();
    expectAllclose(
      await (gradients[0] as tf.Tensor).data(),
      values.map(value => 2 * Math.round(value)),
      { absolute: 1e-5 },
    );
    tf.dispose([loss, gradients[0] as tf.Tensor, x]);
  });

  test('an error in the forward pass leaves the engine as it was', async () => {
    await selectBackend('cpu');
    const [x] = variablesOf([[3]]);
    const failing = () =>
      valueAndGradients(() => {
        tf.square(x);
        throw new Error('no data');
      }, [x]);
    expect(failing).toThrow('no data');
    const before = tf.memory().numTensors;
    await agree(y => tf.sum(tf.square(y)), [x]);
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
  });

  test('gradients inside gradients are refused', async () => {
    await selectBackend('cpu');
    const [x] = variablesOf([[3]]);
    const inner = () => valueAndGradients(() => ({ loss: tf.sum(x) }), [x]).loss;
    expect(() => valueAndGradients(() => ({ loss: inner() }), [x])).toThrow('already');
    x.dispose();
  });
});

/** Losses that need what a cheap operation made: that is not kept, but made again. */
const remaking: readonly { readonly name: string; readonly shapes: number[][]; readonly loss: Loss }[] = [
  {
    name: 'a layer',
    shapes: [[2, 5, 8], [24, 8], [8, 8], [16, 8], [8]],
    loss: layer as Loss,
  },
  {
    name: 'every cheap operation before a product',
    shapes: [[6, 8], [8, 8], [8, 4], [8], [8]],
    loss: (x, w, v, gain, bias) =>
      tf.addN([
        tf.sum(tf.square(linear(layerNorm(x, gain, bias), w))),
        tf.sum(tf.square(linear(rmsNorm(x, gain), w))),
        tf.sum(tf.square(linear(gelu(x), w))),
        tf.sum(tf.square(linear(silu(x), w))),
        tf.sum(tf.square(linear(swiglu(x), v))),
      ]),
  },
  {
    name: 'heads with norms and rotation',
    shapes: [[1, 3, 24], [4], [4]],
    loss: (x, qGain, kGain) => {
      const angles = tf.reshape(tf.range(0, 6), [3, 2]);
      const options = { heads: 2, cos: tf.cos(angles), sin: tf.sin(angles), qGain, kGain };
      return tf.sum(tf.square(attention(...splitHeads(x, options))));
    },
  },
  {
    name: 'one output needed by several, reshaped, and by one of tfjs',
    shapes: [[6, 8], [8], [4, 8], [4, 4], [8, 3]],
    loss: (x, gain, a, b, c) => {
      const y = rmsNorm(x, gain);
      return tf.addN([
        tf.sum(tf.square(linear(y, a))),
        tf.sum(tf.square(linear(tf.reshape(y, [12, 4]), b))),
        tf.sum(tf.square(tf.matMul(y, c))),
        tf.sum(tf.mul(y, y)),
      ]);
    },
  },
  {
    name: 'a cheap operation of a cheap operation of one',
    shapes: [[6, 8], [8], [5, 8]],
    loss: (x, gain, w) => tf.sum(tf.square(linear(gelu(rmsNorm(gelu(x), gain)), w))),
  },
  {
    name: 'cheap operations of constants, whose own gradients nobody asks for',
    shapes: [[5, 8]],
    loss: w => tf.sum(tf.square(linear(gelu(rmsNorm(normal([6, 8], 7), tf.ones([8]))), w))),
  },
  {
    name: 'a branch that leads nowhere reads the same',
    shapes: [
      [6, 8],
      [5, 8],
    ],
    loss: (x, w) => {
      const y = gelu(x);
      linear(y, tf.mul(w, 2));
      return tf.sum(tf.square(linear(y, w)));
    },
  },
];

describe('what cheap operations made is made again', () => {
  for (const { name, shapes, loss } of remaking) {
    onEveryBackend(`${name}: the bits of tf.variableGrads, which keeps it`, async () => {
      const variables = variablesOf(shapes);
      const before = tf.memory().numTensors;
      const theirs = tf.variableGrads(() => loss(...variables) as tf.Scalar, variables);
      const ours = valueAndGradients(() => ({ loss: loss(...variables) }), variables);
      expect(await ours.loss.data()).toEqual(await theirs.value.data());
      for (const [i, gradient] of ours.gradients.entries()) {
        expect(await (gradient as tf.Tensor).data()).toEqual(await theirs.grads[variables[i].name].data());
      }
      tf.dispose([ours.loss, [...ours.gradients] as tf.Tensor[], theirs.value, theirs.grads]);
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose(variables);
    });
  }

  onEveryBackend('and takes no memory between the passes', () => {
    const [B, T, C, H, inner] = [2, 6, 8, 2, 12];
    const [x, gain, qkv, up, down] = variablesOf([[B, T, C], [C], [3 * C, C], [2 * inner, C], [C, inner]]);
    const kept: number[] = [];
    const forward = (layerOf: () => tf.Tensor) => {
      const before = tf.memory().numDataBuffers;
      const y = tf.tidy(layerOf);
      kept.push(tf.memory().numDataBuffers - before);
      return { loss: tf.sum(tf.square(y)) };
    };
    const variables = [x, gain, qkv, up, down];
    const feed = valueAndGradients(() => forward(() => linear(swiglu(linear(rmsNorm(x, gain), up)), down)), variables);
    const attend = valueAndGradients(
      () => forward(() => attention(...splitHeads(linear(rmsNorm(x, gain), qkv), { heads: H }))),
      variables,
    );
    // The product that the cheap operation starts from, and the result; of attention the logsumexp as well.
    expect(kept).toEqual([2, 3]);
    tf.dispose([feed.loss, attend.loss, [...feed.gradients, ...attend.gradients] as tf.Tensor[], variables]);
  });

  onEveryBackend('what the forward pass hands back is whole', async () => {
    const [x, w] = variablesOf([
      [6, 8],
      [5, 8],
    ]);
    const { loss, aux, gradients } = valueAndGradients(() => {
      const y = gelu(x);
      return { loss: tf.sum(linear(y, w)), aux: [y] };
    }, [x, w]);
    expect(await aux[0].data()).toEqual(await gelu(x).data());
    tf.dispose([loss, [...aux, ...gradients] as tf.Tensor[], x, w]);
  });

  test('an operation that does not save what it is made of cannot be cheap', async () => {
    await selectBackend('cpu');
    defineKernel({
      name: 'CheapWithoutInput',
      cheap: true,
      reference: ({ x }) => [tf.square(x)],
      gradient: { saveInputs: [], run: ([dy]) => ({ x: dy as tf.Tensor }) },
    });
    const [x] = variablesOf([[3]]);
    const forward = () => ({ loss: tf.sum(run('CheapWithoutInput', { x })[0]) });
    expect(() => valueAndGradients(forward, [x])).toThrow('does not save x');
    x.dispose();
  });
});

test.skipIf(missing !== undefined)(
  `a deep chain needs far less memory at its peak than with tfjs, which keeps every gradient to the end${
    missing === undefined ? '' : ` (skipped, the pool is native's: ${missing})`
  }`,
  async () => {
    const { memoryPool: pool } = await useNative();
    const variables = variablesOf([[64, 64]]);
    const x = normal([1024, 64], 9);
    const deep = (w: tf.Tensor): tf.Tensor => {
      let h: tf.Tensor = x;
      for (let i = 0; i < 12; i++) h = gelu(linear(h, w));
      return tf.sum(h);
    };
    // The pool remembers its highest peak: the smaller one has to come first.
    const peakOf = (work: () => void): number => {
      const { used } = pool.statistics();
      work();
      return pool.statistics().peak - used;
    };
    const ours = peakOf(() => {
      const { loss, gradients } = valueAndGradients(() => ({ loss: deep(variables[0]) }), variables);
      tf.dispose([loss, gradients[0] as tf.Tensor]);
    });
    const theirs = peakOf(() => {
      const { value, grads } = tf.variableGrads(() => deep(variables[0]) as tf.Scalar, variables as tf.Variable[]);
      tf.dispose([value, grads]);
    });
    expect(ours).toBeLessThan(0.75 * theirs);
    expect(ours).toBeGreaterThan(12 * 1024 * 64 * 4); // an activation a layer, that the backward pass needs
    tf.dispose([x, ...variables]);
  },
);
