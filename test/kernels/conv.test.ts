/** @file Convolution, doubling and patches against naive loops and tfjs's own operations. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { conv2d, convTranspose2d } from '../../src/kernels/conv/conv.ts';
import { probeMatrixUnits } from '../../src/kernels/gemm/matrixunits.ts';
import { patchify, unpatchify, upsample2x } from '../../src/kernels/grid/grid.ts';
import { activateReference } from '../../src/kernels/pointwise.ts';
import { run } from '../../src/kernels/registry.ts';
import { expectAllclose, normal, noWebgpu, onEveryBackend, useNative } from '../support.ts';
import { expectSameBits } from './gradients.ts';

/** The defining sum, in double precision. */
async function naive(x: tf.Tensor, weight: tf.Tensor, stride: number): Promise<Float64Array> {
  const [B, H, W, C] = x.shape as [number, number, number, number];
  const [O, KH, KW] = weight.shape as [number, number, number, number];
  const [h, w] = [Math.ceil(H / stride), Math.ceil(W / stride)];
  const [xs, ws] = [await x.data(), await weight.data()];
  const y = new Float64Array(B * h * w * O);
  for (let at = 0; at < y.length; at++) {
    const [o, j, i, b] = [at % O, Math.floor(at / O) % w, Math.floor(at / O / w) % h, Math.floor(at / O / w / h)];
    for (let t = 0; t < KH * KW; t++) {
      const row = i * stride + Math.floor(t / KW) - Math.floor((KH - 1) / 2);
      const column = j * stride + (t % KW) - Math.floor((KW - 1) / 2);
      if (row < 0 || row >= H || column < 0 || column >= W) continue;
      for (let c = 0; c < C; c++) y[at] += xs[((b * H + row) * W + column) * C + c] * ws[(o * KH * KW + t) * C + c];
    }
  }
  return y;
}

/** x shape, outputs, kernel, stride. */
const shapes: readonly [number[], number, [number, number], 1 | 2][] = [
  [[1, 1, 1, 1], 1, [1, 1], 1],
  [[2, 5, 7, 3], 4, [3, 3], 1],
  [[2, 5, 7, 3], 17, [3, 3], 2],
  [[1, 8, 8, 17], 5, [4, 4], 2],
  [[3, 6, 5, 16], 33, [3, 1], 1],
  [[2, 5, 5, 48], 6, [3, 3], 1],
  [[1, 9, 4, 34], 3, [1, 1], 2],
  [[2, 4, 4, 33], 31, [1, 1], 1],
  [[1, 7, 7, 65], 2, [5, 5], 2],
  [[1, 1, 9, 20], 36, [3, 3], 2],
  // Stride 1 and more than one tap goes straight from the image: long and short lines, even kernels, odd channels, several
  // blocks of lines, the most channels, and more than that.
  [[2, 9, 70, 12], 40, [3, 3], 1],
  [[2, 20, 15, 6], 9, [4, 4], 1],
  [[1, 3, 29, 5], 35, [2, 5], 1],
  [[5, 16, 16, 18], 16, [3, 3], 1],
  [[1, 3, 5, 160], 12, [3, 3], 1],
  [[1, 2, 3, 290], 10, [3, 3], 1],
  // Odd sides at stride 2 with every kind of kernel, and more channels and outputs than a tile of the product has.
  [[1, 9, 11, 3], 5, [7, 7], 2],
  [[2, 7, 5, 1], 3, [4, 4], 2],
  [[1, 3, 5, 70], 66, [3, 2], 2],
  [[1, 9, 6, 1], 1, [7, 7], 1],
];

/** On a GPU in software every shape is a kernel to compile, a second each: enough for every way through them. */
function shapesOn(backend: string): typeof shapes {
  return backend === 'webgpu' ? shapes.filter((_, i) => i % 3 === 2 || [7, 10, 18].includes(i)) : shapes;
}

onEveryBackend('conv2d equals the sum it stands for', async backend => {
  for (const [shape, O, kernel, stride] of shapesOn(backend)) {
    const x = normal(shape, 1);
    const weight = normal([O, ...kernel, shape[3]], 2);
    const y = conv2d(x, weight, { stride });
    expectAllclose(await y.data(), await naive(x, weight, stride), { relative: 1e-5, absolute: 1e-4 });
    tf.dispose([x, weight, y]);
  }
});

onEveryBackend('conv2d has the gradients that the chain rule gives', async backend => {
  for (const [shape, O, kernel, stride] of shapesOn(backend)) {
    const x = normal(shape, 1);
    const w = normal([O, ...kernel, shape[3]], 2, 0.3);
    const b = normal([O], 3);
    const residual = normal([shape[0], Math.ceil(shape[1] / stride), Math.ceil(shape[2] / stride), O], 4);
    const cotangent = normal(residual.shape, 5);
    const before = tf.memory().numTensors;
    const ours = valueAndGradients(
      () => ({
        loss: tf.sum(tf.mul(conv2d(x, w, { bias: b, stride, activation: 'silu', residual }), cotangent)),
      }),
      [x, w, b, residual],
    );
    expect(tf.memory().numTensors - before).toBe(5);
    const expected = await gradientsBySums(x, w, b, cotangent, stride);
    for (let i = 0; i < 3; i++) {
      const ourGradient = ours.gradients[i] as tf.Tensor;
      expect(ourGradient.shape).toEqual([x, w, b][i].shape);
      expectAllclose(await ourGradient.data(), expected[i], { relative: 1e-4, absolute: 2e-4 });
    }
    expectAllclose(await (ours.gradients[3] as tf.Tensor).data(), await cotangent.data(), {});
    tf.dispose([ours.loss, ...(ours.gradients as tf.Tensor[]), x, w, b, residual, cotangent]);
  }
});

/** dx, dW and db of sum(silu(conv(x, w) + b) * cotangent) by the sums that define them. */
async function gradientsBySums(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, cotangent: tf.Tensor, stride: number) {
  const [, H, W, C] = x.shape as [number, number, number, number];
  const [O, KH, KW] = w.shape as [number, number, number, number];
  const [h, width] = [Math.ceil(H / stride), Math.ceil(W / stride)];
  const [xs, ws, bs, ds] = await Promise.all([x.data(), w.data(), b.data(), cotangent.data()]);
  const pre = await naive(x, w, stride);
  const dx = new Float64Array(xs.length);
  const dw = new Float64Array(ws.length);
  const db = new Float64Array(O);
  for (let at = 0; at < pre.length; at++) {
    const o = at % O;
    const [j, i] = [Math.floor(at / O) % width, Math.floor(at / O / width) % h];
    const image = Math.floor(at / O / width / h);
    const s = 1 / (1 + Math.exp(-(pre[at] + bs[o])));
    const g = ds[at] * (s + (pre[at] + bs[o]) * s * (1 - s));
    db[o] += g;
    for (let t = 0; t < KH * KW; t++) {
      const row = i * stride + Math.floor(t / KW) - Math.floor((KH - 1) / 2);
      const column = j * stride + (t % KW) - Math.floor((KW - 1) / 2);
      if (row < 0 || row >= H || column < 0 || column >= W) continue;
      for (let c = 0; c < C; c++) {
        const from = ((image * H + row) * W + column) * C + c;
        dx[from] += g * ws[(o * KH * KW + t) * C + c];
        dw[(o * KH * KW + t) * C + c] += g * xs[from];
      }
    }
  }
  return [dx, dw, db];
}

onEveryBackend('conv2d with lrelu has the gradients of the plain composition', async backend => {
  for (const [shape, O, kernel, stride] of shapesOn(backend).slice(0, backend === 'webgpu' ? 3 : 9)) {
    const x = normal(shape, 1);
    const w = normal([O, ...kernel, shape[3]], 2, 0.3);
    const b = normal([O], 3);
    const plain = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
      activateReference(tf.add(conv2d(x, w, { stride }), b), 'lrelu');
    const cotangent = normal(plain(x, w, b).shape, 5);
    const ours = valueAndGradients(() => {
      const y = conv2d(x, w, { bias: b, stride, activation: 'lrelu' });
      return { loss: tf.sum(tf.mul(y, cotangent)), aux: [y] };
    }, [x, w, b]);
    const theirs = valueAndGradients(
      () => ({ loss: tf.sum(tf.mul(plain(x, w, b), cotangent)), aux: [plain(x, w, b)] }),
      [x, w, b],
    );
    expectAllclose(await ours.aux[0].data(), await theirs.aux[0].data(), { relative: 1e-5, absolute: 1e-5 });
    for (let i = 0; i < 3; i++) {
      const [mine, wanted] = [ours.gradients[i] as tf.Tensor, theirs.gradients[i] as tf.Tensor];
      expectAllclose(await mine.data(), await wanted.data(), { relative: 1e-4, absolute: 2e-4 });
    }
    for (const { loss, aux, gradients } of [ours, theirs]) tf.dispose([loss, ...aux, ...(gradients as tf.Tensor[])]);
    tf.dispose([x, w, b, cotangent]);
  }
});

onEveryBackend('a transposed convolution is the adjoint of the convolution, and has its gradients', async () => {
  for (const [shape, O, kernel] of [
    [[1, 2, 2, 1], 1, [4, 4]],
    [[2, 8, 6, 5], 17, [4, 4]],
    [[3, 4, 8, 16], 7, [3, 3]],
  ] as const) {
    const [B, H, W, C] = shape;
    const x = normal([B, H / 2, W / 2, O], 1);
    const w = normal([O, ...kernel, C], 2, 0.3);
    const image = normal([...shape], 3);
    const { loss, aux, gradients } = valueAndGradients(() => {
      const y = convTranspose2d(x, w);
      return { loss: tf.sum(tf.mul(y, image)), aux: [y] };
    }, [x, w]);
    expect(aux[0].shape).toEqual([...shape]);
    // <T x, image> = <x, conv image> for every x, so the gradient by x is the convolution's defining sum.
    expectAllclose(await (gradients[0] as tf.Tensor).data(), await naive(image, w, 2), {
      relative: 1e-4,
      absolute: 1e-4,
    });
    const through = await naive(image, w, 2);
    const inner = Array.from(await x.data()).reduce((sum, value, i) => sum + value * through[i], 0);
    expectAllclose(await loss.data(), [inner], { relative: 1e-4, absolute: 1e-4 });
    const dw = await (gradients[1] as tf.Tensor).data();
    for (const i of [0, Math.floor(w.size / 2), w.size - 1]) {
      const unit = tf.tensor(new Float32Array(w.size).fill(0).fill(1, i, i + 1), w.shape);
      const along = await naive(image, unit, 2);
      const derivative = Array.from(await x.data()).reduce((sum, value, at) => sum + value * along[at], 0);
      expectAllclose([dw[i]], [derivative], { relative: 1e-4, absolute: 1e-4 });
      unit.dispose();
    }
    tf.dispose([x, w, image, loss, ...aux, ...(gradients as tf.Tensor[])]);
  }
});

onEveryBackend('conv2d can be differentiated twice', async () => {
  const x = normal([1, 4, 4, 2], 1);
  const w = normal([3, 3, 3, 2], 2);
  const filter = tf.transpose(w, [1, 2, 3, 0]) as tf.Tensor4D;
  const penalty = (f: (x: tf.Tensor) => tf.Tensor) => (x: tf.Tensor) => tf.sum(tf.square(tf.grad(f)(x)));
  const ours = tf.grad(penalty(x => tf.sum(tf.square(conv2d(x, w, { activation: 'relu' })))))(x);
  const theirs = tf.grad(
    penalty(x => tf.sum(tf.square(activateReference(tf.conv2d(x as tf.Tensor4D, filter, 1, 'same'), 'relu')))),
  )(x);
  expectAllclose(await ours.data(), await theirs.data(), { relative: 1e-4, absolute: 1e-3 });
  tf.dispose([x, w, filter, ours, theirs]);
});

onEveryBackend('upsample2x repeats pixels and its gradient sums them', async () => {
  for (const shape of [
    [1, 1, 1, 1],
    [2, 3, 5, 17],
    [2, 4, 8, 12],
  ]) {
    const x = normal(shape, 1);
    const [B, H, W, C] = shape;
    const cotangent = normal([B, 2 * H, 2 * W, C], 2);
    const { loss, gradients, aux } = valueAndGradients(() => {
      const y = upsample2x(x);
      return { loss: tf.sum(tf.mul(y, cotangent)), aux: [y] };
    }, [x]);
    const [xs, ys, ds] = [await x.data(), await aux[0].data(), await cotangent.data()];
    const expected = new Float64Array(x.size);
    const repeated = ys.map((_, at) => {
      const [c, j, i] = [at % C, Math.floor(at / C) % (2 * W), Math.floor(at / C / 2 / W)];
      const image = Math.floor(i / (2 * H));
      const from = ((image * H + Math.floor((i % (2 * H)) / 2)) * W + Math.floor(j / 2)) * C + c;
      expected[from] += ds[at];
      return xs[from];
    });
    expect(ys).toEqual(repeated);
    expectAllclose(await (gradients[0] as tf.Tensor).data(), expected, { absolute: 1e-5 });
    tf.dispose([x, cotangent, loss, ...aux, ...(gradients as tf.Tensor[])]);
  }
});

onEveryBackend('patchify cuts images up and unpatchify puts them together', async () => {
  for (const [shape, p] of [
    [[1, 2, 2, 1], 2],
    [[2, 6, 9, 5], 3],
    [[1, 4, 4, 3], 1],
    [[2, 4, 8, 3], 4],
    [[1, 8, 16, 8], 2],
  ] as const) {
    const x = normal([...shape], 1);
    const [B, H, W, C] = shape;
    const cotangent = normal([B, H / p, W / p, p * p * C], 2);
    const { loss, gradients, aux } = valueAndGradients(() => {
      const y = patchify(x, p);
      return { loss: tf.sum(tf.mul(y, cotangent)), aux: [y] };
    }, [x]);
    const [xs, ys] = [await x.data(), await aux[0].data()];
    const cut = ys.map((_, at) => {
      const [c, b, a] = [at % C, Math.floor(at / C) % p, Math.floor(at / C / p) % p];
      const patch = Math.floor(at / C / p / p);
      const [j, i] = [patch % (W / p), Math.floor(patch / (W / p))]; // i counts lines of patches over all images
      return xs[((i * p + a) * W + j * p + b) * C + c];
    });
    expect(ys).toEqual(cut);
    const back = unpatchify(aux[0], p);
    expect(back.shape).toEqual([...shape]);
    expect(await back.data()).toEqual(xs);
    const inverse = unpatchify(cotangent, p);
    expect(await (gradients[0] as tf.Tensor).data()).toEqual(await inverse.data());
    tf.dispose([x, cotangent, loss, back, inverse, ...aux, ...(gradients as tf.Tensor[])]);
  }
});

onEveryBackend('gradients of weights have the same bits twice', async () => {
  const [x, dy] = [normal([3, 12, 12, 5], 1), normal([3, 12, 12, 9], 2)]; // more pixels than one part has
  const attributes = { stride: 1, activation: 'silu', kernelHeight: 3, kernelWidth: 3 };
  await expectSameBits(() => run('Conv2dWeightGradient', { dy, x, pre: dy }, attributes));
});

test.skipIf(noWebgpu !== undefined)(
  `a batch of nothing has gradients of zero on webgpu${noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`}`,
  async () => {
    await selectBackend('webgpu', { precision: 'fp32' });
    const [x, dy, weight] = [tf.tensor([], [0, 4, 4, 3]), tf.tensor([], [0, 4, 4, 2]), normal([2, 3, 3, 3], 1)];
    const attributes = { stride: 1, activation: 'none' };
    const kernel = { kernelHeight: 3, kernelWidth: 3 };
    const [dW, db] = run('Conv2dWeightGradient', { dy, x, pre: undefined }, { ...attributes, ...kernel });
    expectAllclose(await dW.data(), new Float32Array(54));
    expectAllclose(await db.data(), [0, 0]);
    const size = { height: 4, width: 4 };
    expect(run('Conv2dInputGradient', { dy, weight, pre: undefined }, { ...attributes, ...size })[0].shape[0]).toBe(0);
    expect(conv2d(x, weight).shape).toEqual([0, 4, 4, 2]);
  },
);

test.skipIf(noWebgpu !== undefined)(
  `on webgpu it stays near fp32 with f16 operands on the matrix units${noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`}`,
  async context => {
    await selectBackend('webgpu', { precision: 'fp32' });
    const backend = activeGpu() as NonNullable<ReturnType<typeof activeGpu>>;
    const { units, reason } = await probeMatrixUnits(backend);
    if (units === undefined) return context.skip(reason);
    const [x, weight, dy] = [normal([2, 13, 13, 68], 1), normal([72, 3, 3, 68], 2), normal([2, 7, 7, 72], 3)];
    const attributes = { stride: 2, activation: 'none', height: 13, width: 13 } as const;
    const kernel = { kernelHeight: 3, kernelWidth: 3 };
    const all = () => [
      conv2d(x, weight, { stride: 2 }),
      ...run('Conv2dInputGradient', { dy, weight, pre: undefined }, attributes),
      ...run('Conv2dWeightGradient', { dy, x, pre: undefined }, { ...attributes, ...kernel }),
    ];
    const exact = all();
    Object.assign(backend, { matrixUnits: units, precision: 'f16' });
    const rounded = all();
    backend.precision = 'fp32';
    for (let i = 0; i < exact.length; i++) {
      const [a, b] = [await rounded[i].data(), await exact[i].data()];
      const error = Math.hypot(...a.map((v, at) => v - b[at])) / Math.hypot(...b);
      expect(error).toBeLessThan(2 ** -11);
      expect(error).toBeGreaterThan(2 ** -18); // it did go through f16
    }
    tf.dispose([x, weight, dy, ...exact, ...rounded]);
  },
);

describe('conv2d on the native backend', () => {
  test('stays near fp32 with bf16 operands', async () => {
    const backend = await useNative();
    if (!backend.supportsBf16) return;
    for (const [shape, O, kernel, stride] of shapes.slice(1)) {
      const x = normal(shape, 1);
      const w = normal([O, ...kernel, shape[3]], 2);
      const dy = normal([shape[0], Math.ceil(shape[1] / stride), Math.ceil(shape[2] / stride), O], 3);
      const all = () => [
        conv2d(x, w, { stride }),
        ...run(
          'Conv2dInputGradient',
          { dy, weight: w, pre: undefined },
          {
            stride,
            activation: 'none',
            height: shape[1],
            width: shape[2],
          },
        ),
        ...run(
          'Conv2dWeightGradient',
          { dy, x, pre: undefined },
          {
            stride,
            activation: 'none',
            kernelHeight: kernel[0],
            kernelWidth: kernel[1],
          },
        ),
      ];
      backend.precision = 'fp32';
      const exact = all();
      backend.precision = 'bf16';
      const rounded = all();
      for (let i = 0; i < exact.length; i++) {
        const [a, b] = [await rounded[i].data(), await exact[i].data()];
        const error = Math.hypot(...a.map((v, at) => v - b[at])) / Math.hypot(...b);
        expect(error).toBeLessThan(2 ** -8); // half an ulp of bf16 in each factor, independent
      }
      tf.dispose([x, w, dy, ...exact, ...rounded]);
    }
  });
});
