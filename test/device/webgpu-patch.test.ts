/** @file Training the patch tokenizer on the GPU: with every quantizer the same losses as on the CPU, step by step. */
import { test } from 'vitest';
import { patchSchema, patchTrainSchema, quantizers } from '../../src/config/patch.ts';
import { Random } from '../../src/core/random.ts';
import { type BackendName, selectBackend } from '../../src/device/backends.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { PatchTask } from '../../src/families/transformer/patch-task.ts';
import { Images } from '../../src/image/images.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import type { ImageStream } from '../../src/training/captioned.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';
import { expectAllclose, noWebgpu } from '../support.ts';

const SIZE = 16;
const BATCH = 4;
const STEPS = 8;

/** Pictures of random colours in 4 x 4 blocks, the same on every backend. */
function pictures(): ImageStream {
  const random = new Random(1);
  return {
    next: async () => {
      const images = new Uint8Array(BATCH * SIZE * SIZE * 3);
      const colours = Array.from({ length: BATCH * 16 * 3 }, () => random.integer(256));
      for (let i = 0; i < images.length; i++) {
        const [c, x, y] = [i % 3, Math.floor(i / 3) % SIZE, Math.floor(i / 3 / SIZE) % SIZE];
        const image = Math.floor(i / 3 / SIZE / SIZE);
        images[i] = colours[(image * 16 + Math.floor(y / 4) * 4 + Math.floor(x / 4)) * 3 + c];
      }
      return { images: new Images(images, { width: SIZE, height: SIZE }), captions: [] };
    },
    state: () => null,
    restore: () => {},
  };
}

/** The losses of some steps, and what the result is worth on held-out pictures. */
async function train(backend: BackendName, quantizer: (typeof quantizers)[number]): Promise<number[]> {
  await selectBackend(backend, { precision: 'fp32' });
  // A GPU looks for codes to revive at other steps than a CPU: within these steps nobody does.
  const config = patchTrainSchema.parse({ batchSize: BATCH, steps: STEPS, reviveAfter: 100, temperature: 0.5 });
  const stream = pictures();
  const tokenizer = new PatchTokenizer(
    patchSchema.parse({ grid: 4, quantizer, codebookSize: 32, width: 8, maxWidth: 8, blocks: 1, codeBlocks: 1 }),
    SIZE,
    new Random(2),
  );
  const heldOut = (await stream.next()).images;
  const task = new PatchTask(tokenizer, stream, { config, heldOut });
  const parameters = tokenizer.parameters.list();
  const optimizer = new Optimizer(parameters, config);
  await task.begin(new Random(3));
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const random = new Random(4).fork('step', step);
    const forward = await task.batch(step);
    const { loss, gradients } = valueAndGradients(
      () => ({ loss: forward(random).loss }),
      parameters.map(({ variable }) => variable),
    );
    losses.push((await loss.data())[0]);
    loss.dispose();
    await optimizer.step([...gradients], 3e-3);
    await task.afterStep(step, random);
  }
  const { psnr } = await task.evaluate();
  tokenizer.dispose();
  return [...losses, psnr];
}

for (const quantizer of quantizers) {
  const reason = noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`;
  test.skipIf(noWebgpu !== undefined)(
    `the patch tokenizer with ${quantizer} trains on webgpu as it does on the CPU${reason}`,
    async () => {
      const expected = await train(registerAddon() === undefined ? 'native' : 'cpu', quantizer);
      const actual = await train('webgpu', quantizer);
      expectAllclose(actual, expected, { relative: 1e-3, absolute: 1e-5 });
    },
    600_000,
  );
}
