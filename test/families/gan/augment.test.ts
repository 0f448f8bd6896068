/** @file Augmentation against loops over pixels, and its tangent and gradient against exact derivatives. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { type AugmentDraws, augment, drawAugmentation } from '../../../src/families/gan/augment.ts';
import { dual } from '../../../src/families/gan/penalty.ts';
import { definedKernels } from '../../../src/kernels/registry.ts';
import { shiftImages } from '../../../src/kernels/shift/shift.ts';
import { expectGradients } from '../../kernels/gradients.ts';
import { expectAllclose, normal, onEveryBackend } from '../../support.ts';

const [B, S] = [3, 8];
const all = drawAugmentation(['colour', 'translation', 'cutout'], B, S, new Random(1));

/** The definition, pixel by pixel. `constant` 0 leaves out what does not depend on the image. */
function naive(values: ArrayLike<number>, draws: AugmentDraws, constant = 1): Float64Array {
  const at = (b: number, y: number, x: number, c: number) => ((b * S + y) * S + x) * 3 + c;
  const out = new Float64Array(values.length);
  for (let b = 0; b < B; b++) {
    const image = new Float64Array(S * S * 3).map((_, i) => values[b * S * S * 3 + i]);
    if (draws.colour !== undefined) {
      const { brightness, saturation, contrast } = draws.colour;
      for (let i = 0; i < image.length; i += 3) {
        for (let c = 0; c < 3; c++) image[i + c] += constant * brightness[b];
        const grey = (image[i] + image[i + 1] + image[i + 2]) / 3;
        for (let c = 0; c < 3; c++) image[i + c] = grey + (image[i + c] - grey) * saturation[b];
      }
      const mean = image.reduce((sum, x) => sum + x, 0) / image.length;
      for (let i = 0; i < image.length; i++) image[i] = mean + (image[i] - mean) * contrast[b];
    }
    for (let y = 0; y < S; y++) {
      for (let x = 0; x < S; x++) {
        const [fromY, fromX] = [y - (draws.shifts?.[2 * b] ?? 0), x - (draws.shifts?.[2 * b + 1] ?? 0)];
        const inside = fromY >= 0 && fromY < S && fromX >= 0 && fromX < S;
        const [dy, dx] = [y - (draws.holes?.[2 * b] ?? 1e9), x - (draws.holes?.[2 * b + 1] ?? 1e9)];
        const hole = dy >= -S / 4 && dy < S / 4 && dx >= -S / 4 && dx < S / 4;
        for (let c = 0; c < 3; c++) {
          out[at(b, y, x, c)] = inside && !hole ? image[at(0, fromY, fromX, c)] : 0;
        }
      }
    }
  }
  return out;
}

const { colour, shifts, holes } = all;
const cases: readonly AugmentDraws[] = [{}, { colour }, { shifts }, { holes }, all, { shifts: [9, 0, -2, 3, 0, -8] }];

onEveryBackend('images are changed as the draws say', async () => {
  const x = normal([B, S, S, 3], 2, 0.5);
  for (const draws of cases) {
    const y = augment(dual(x), draws).value;
    expectAllclose(await y.data(), naive(await x.data(), draws), { absolute: 2e-6 });
    y.dispose();
  }
  x.dispose();
});

onEveryBackend('tangents go through the part that depends on the image', async () => {
  const [x, t] = [normal([B, S, S, 3], 2, 0.5), normal([B, S, S, 3], 3)];
  for (const draws of cases) {
    const { value, tangent } = augment(dual(x, t), draws);
    expectAllclose(await value.data(), naive(await x.data(), draws), { absolute: 2e-6 });
    expectAllclose(await (tangent as tf.Tensor).data(), naive(await t.data(), draws, 0), { absolute: 5e-6 });
    tf.dispose([value, tangent as tf.Tensor]);
  }
  tf.dispose([x, t]);
});

onEveryBackend('the gradient of shifted images is shifted back', async backend => {
  const by = [1, -2, 0, 0, -3, 8];
  await expectGradients({
    backend,
    fused: x => shiftImages(x, by),
    plain: x => definedKernels().get('Shift')!.reference({ x }, { by: by.join(), back: false })[0],
    inputs: [normal([3, 4, 8, 5], 1)],
  });
});

test('draws keep to their ranges, and depend on nothing but the stream', () => {
  const draws = drawAugmentation(['colour', 'translation', 'cutout'], 2000, 32, new Random(5));
  const range = (values: Iterable<number>) => [Math.min(...values), Math.max(...values)];
  expectAllclose(range(draws.colour!.brightness), [-0.5, 0.5], { absolute: 5e-3 });
  expectAllclose(range(draws.colour!.saturation), [0, 2], { absolute: 1e-2 });
  expectAllclose(range(draws.colour!.contrast), [0.5, 1.5], { absolute: 5e-3 });
  expect(range(draws.shifts!)).toEqual([-4, 4]);
  expect(range(draws.holes!)).toEqual([0, 31]);
  expect(drawAugmentation(['cutout'], 2000, 32, new Random(5)).holes).toEqual(draws.holes);
  expect(drawAugmentation([], 2, 32, new Random(5))).toEqual({});
});
