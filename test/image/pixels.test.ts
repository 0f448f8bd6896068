/** @file The scales of pixels: what each is, and that bytes survive every way there and back. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { Images } from '../../src/image/images.ts';
import {
  bytesToSigned,
  bytesToUnit,
  imagesToSignedTensor,
  imagesToTensor,
  signedToUnit,
  tensorToImages,
  unitToBytes,
  unitToSigned,
} from '../../src/image/pixels.ts';
import { expectAllclose } from '../support.ts';

const all = Uint8Array.from({ length: 256 * 3 }, (_, i) => i % 256);
const images = new Images(all, { width: 8, height: 4 });

test('floats round to the nearest byte, clip, and turn NaN to black', () => {
  const values = Float32Array.from([0, 1, 0.5, -3, 7, Number.NaN, 1.4 / 255, 1.6 / 255]);
  expect([...unitToBytes(values)]).toEqual([0, 255, 128, 0, 255, 0, 1, 2]);
});

test('bytes survive the way there and back, and the ends are the ends', () => {
  expect(unitToBytes(bytesToUnit(all))).toEqual(all);
  expect([bytesToUnit(all)[0], bytesToUnit(all)[255]]).toEqual([0, 1]);
  expect([bytesToSigned(all)[0], bytesToSigned(all)[255]]).toEqual([-1, 1]);
});

test('tensors hold the same values, and come back as the same images', async () => {
  await selectBackend('cpu');
  const [unit, signed] = [imagesToTensor(images), imagesToSignedTensor(images)];
  expect([unit.shape, signed.shape]).toEqual([
    [8, 4, 8, 3],
    [8, 4, 8, 3],
  ]);
  const [there, back] = tf.tidy(() => [unitToSigned(unit), signedToUnit(signed)]);
  expectAllclose(await there.data(), await signed.data(), { absolute: 1e-6 });
  expectAllclose(await back.data(), await unit.data(), { absolute: 1e-6 });
  expect(await tensorToImages(unit)).toEqual(images);
  expect(await tensorToImages(back)).toEqual(images);
  tf.dispose([unit, signed, there, back]);
});
