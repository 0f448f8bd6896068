/** @file GANs and diffusion models from a trained run of their family: text tower and weights taken over, or refused by field. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { readRun } from '../../src/families/config.ts';
import { readSafetensors } from '../../src/io/files.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { exportRun } from '../../src/library/open.ts';
import type { ProgressEvent } from '../../src/library/progress.ts';
import { type TrainOptions, train } from '../../src/library/train.ts';
import { snapshot, temporaryFolder, writeSplitDrawings } from '../cli/program.ts';

const missing = registerAddon();
const folder = temporaryFolder();
const data = join(folder, 'data');
const engine = { backend: 'native', threads: 1 } as const;

const tiny = {
  images: { imageSize: 16, validation: 0, crops: 1 },
  caption: { vocabSize: 300, bpeDropout: 0 },
  text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
  textTrain: { steps: 3, batchSize: 4 },
  gan: { latent: 8, width: 8 },
  diffusion: { width: 8, multipliers: [1, 2], attention: [4], embedding: 16, sampleSteps: 2 },
  train: { steps: 4, batchSize: 4, checkSamples: 0, evalEvery: 2, sampleEvery: 4, saveEvery: 2 },
} satisfies RunConfigInput;

const tensorsOf = async (path: string) => Object.fromEntries((await readSafetensors(path)).tensors);

async function trainTo(out: string, options: Partial<TrainOptions>): Promise<string[]> {
  const lines: string[] = [];
  const onProgress = (event: ProgressEvent) => {
    if (event.type === 'message') lines.push(event.text);
    if (event.type === 'skip') lines.push(`${event.stage}: ${event.reason}`);
    options.onProgress?.(event);
  };
  await train({ data, out: join(folder, out), ...engine, ...options, onProgress });
  return lines;
}

const families = ['dcgan', 'r3gan', 'diffusion'] as const;
beforeAll(() => writeSplitDrawings(data, 16));

describe.skipIf(missing !== undefined).each(families)(
  `%s${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  family => {
    const source = join(folder, family);
    const few = { train: { steps: 2 } };
    beforeAll(async () => {
      await train({ data, out: source, config: { ...tiny, family }, ...engine });
    });

    test('takes the text tower and the weights over', async () => {
      const lines = (await trainTo(`${family}-from`, { from: source, fromWeights: 'last', config: few })).join('\n');
      const [paths, from] = [runPaths(join(folder, `${family}-from`)), runPaths(source)];
      expect(readFileSync(paths.text)).toEqual(readFileSync(from.text));
      const [taken, saved] = [await tensorsOf(paths.source), await tensorsOf(from.weights.last)];
      for (const [name, { data: numbers }] of Object.entries(saved)) expect(taken[name].data, name).toEqual(numbers);
      // The player that does not paint comes from the state.
      const others = Object.keys(taken).filter(name => !(name in saved));
      expect(others.length > 0).toBe(family !== 'diffusion');
      expect(others.every(name => name.startsWith('discriminator.'))).toBe(true);
      expect(lines).toContain('text encoder: kept as it was');
      expect(lines).toMatch(new RegExp(`${family}: all \\d+ tensors kept; learning rate`));
      expect((await readRun(paths.folder, 'test')).train).toMatchObject({ steps: 2, patience: 0, pull: 0 });
    });

    test('ends with the same bits where it was cut off', async () => {
      const config = { train: { steps: 4, saveEvery: 2 } };
      await trainTo(`${family}-straight`, { from: source, config });
      const onProgress = (event: ProgressEvent) => {
        if (event.type === 'step' && event.stage === family && event.step === 3) throw new Error('killed');
      };
      await expect(trainTo(`${family}-cut`, { from: source, config, onProgress })).rejects.toThrow('killed');
      await trainTo(`${family}-cut`, { config });
      const weightsOf = (out: string) =>
        Object.entries(snapshot(join(folder, out))).filter(([name]) => /^[^/]*\.safetensors$/.test(name));
      expect(weightsOf(`${family}-cut`)).toEqual(weightsOf(`${family}-straight`));
    });

    test('starts from an export, and says what that has not', async () => {
      await exportRun({ run: source, out: `${source}-export`, weights: 'ema', dtype: 'f32' });
      const lines = (await trainTo(`${family}-exported`, { from: `${source}-export`, config: few })).join('\n');
      expect(lines.includes('has not the weights of the player that does not paint: it starts anew')).toBe(
        family !== 'diffusion',
      );
      expect(existsSync(runPaths(join(folder, `${family}-exported`)).weights.last)).toBe(true);
    });

    test('refuses by field what the weights do not fit', async () => {
      const section = family === 'diffusion' ? 'diffusion' : 'gan';
      const refused = (config: RunConfigInput, more: Partial<TrainOptions> = {}) =>
        expect(trainTo('refused', { from: source, config, ...more })).rejects;
      await refused({ [section]: { width: 16 } }).toThrow(
        `${section}.width: expected 8, as what it starts from has it, got 16`,
      );
      await refused({ images: { imageSize: 32 } }).toThrow('images.imageSize: expected 16,');
      await refused({ text: { layers: 2 } }).toThrow('text.layers: expected 1,');
      await refused({ family: 'transformer' }).toThrow(`family: expected ${family}`);
      await refused({}, { patch: 'keep' }).toThrow('which has no patch tokenizer');
      await refused({}, { keep: 0.2, keepData: data }).toThrow('train: --keep: is for models of codes');
      expect(existsSync(join(folder, 'refused'))).toBe(false);
    });

    test('takes other settings of the training', async () => {
      const section = family === 'diffusion' ? { diffusion: { dropout: 0.2 } } : { gan: { loss: 'hinge' as const } };
      const config = { ...few, ...(family === 'r3gan' ? { gan: { r1: 0.5 } } : section) };
      await trainTo(`${family}-other`, { from: source, config });
      expect(await readRun(join(folder, `${family}-other`), 'test')).toMatchObject(config);
    });
  },
);
