/** @file The pixel losses against plain loops in double precision, their gradient against differences of those loops. */
import * as tf from '@tensorflow/tfjs-core';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { pixelLosses } from '../../src/kernels/pixelloss/pixelloss.ts';
import { expectAllclose, normal, onEveryBackend } from '../support.ts';

const shapes = [
  [2, 4, 5, 3],
  [1, 2, 2, 1],
  [3, 17, 33, 3],
  [2, 32, 64, 4],
];

/** l1, l2 and edges, by their definitions. */
function plainLosses(y: ArrayLike<number>, x: ArrayLike<number>, [B, H, W, C]: readonly number[]) {
  const error = (n: number, i: number, j: number, c: number) => {
    const index = ((n * H + i) * W + j) * C + c;
    return y[index] - x[index];
  };
  const sums = { l1: 0, l2: 0, across: 0, down: 0 };
  for (let n = 0; n < B; n++) {
    for (let i = 0; i < H; i++) {
      for (let j = 0; j < W; j++) {
        for (let c = 0; c < C; c++) {
          const e = error(n, i, j, c);
          sums.l1 += Math.abs(e);
          sums.l2 += e * e;
          if (j > 0) sums.across += Math.abs(e - error(n, i, j - 1, c));
          if (i > 0) sums.down += Math.abs(e - error(n, i - 1, j, c));
        }
      }
    }
  }
  const size = B * H * W * C;
  const edges = (sums.across / (B * H * (W - 1) * C) + sums.down / (B * (H - 1) * W * C)) / 2;
  return { l1: sums.l1 / size, l2: sums.l2 / size, edges };
}

onEveryBackend('the pixel losses are means of plain loops', async () => {
  for (const shape of shapes) {
    const [output, images] = [normal(shape, 1), normal(shape, 2)];
    const losses = pixelLosses(output, images);
    const wanted = plainLosses(await output.data(), await images.data(), shape);
    expectAllclose(await losses.l1.data(), [wanted.l1]);
    expectAllclose(await losses.l2.data(), [wanted.l2]);
    expectAllclose(await losses.edges.data(), [wanted.edges]);
  }
});

onEveryBackend('their gradient is that of the loops', async () => {
  for (const shape of shapes) {
    const [output, images] = [normal(shape, 3), normal(shape, 4)];
    const { gradients } = valueAndGradients(() => {
      const { l1, l2, edges } = pixelLosses(output, images);
      return { loss: tf.add(tf.add(tf.mul(l1, 0.7), tf.mul(l2, 1.3)), tf.mul(edges, 2)) };
    }, [output]);
    const analytic = await (gradients[0] as tf.Tensor).data();
    const y = Float64Array.from(await output.data());
    const x = await images.data();
    const total = () => {
      const { l1, l2, edges } = plainLosses(y, x, shape);
      return 0.7 * l1 + 1.3 * l2 + 2 * edges;
    };
    const indices = Array.from({ length: Math.min(40, y.length) }, (_, i) => (i * 7) % y.length);
    const numeric = indices.map(index => {
      const at = (value: number) => {
        const before = y[index];
        y[index] = value;
        const loss = total();
        y[index] = before;
        return loss;
      };
      return ((at(y[index] + 1e-6) - at(y[index] - 1e-6)) / 2e-6) * y.length;
    });
    expectAllclose(
      indices.map(index => analytic[index] * y.length),
      numeric,
      { relative: 1e-4, absolute: 1e-4 },
    );
  }
});

onEveryBackend("a loss that uses one of them alone has that one's gradient", async () => {
  const [output, images] = [normal([1, 3, 3, 2], 5), normal([1, 3, 3, 2], 6)];
  const { gradients } = valueAndGradients(() => ({ loss: pixelLosses(output, images).l2 }), [output]);
  const [y, x] = [await output.data(), await images.data()];
  const wanted = Array.from(y, (v, i) => (2 * (v - x[i])) / 18);
  expectAllclose(await (gradients[0] as tf.Tensor).data(), wanted);
});
