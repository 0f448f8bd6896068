/**
 * @file Training from a trained model: what the new run takes over and what it says, what is refused, when it ends; and that one
 * that is cut off ends, started again, with the bits of one that never was, though its source is gone.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { registerNative } from '../../src/device/native/native.ts';
import { readRun } from '../../src/families/config.ts';
import { readSafetensors } from '../../src/io/files.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { fingerprint, runPaths } from '../../src/io/runfolder.ts';
import type { ProgressEvent } from '../../src/library/progress.ts';
import { type TrainOptions, train } from '../../src/library/train.ts';
import { readLearntWords } from '../../src/runs/learnt/record.ts';
import { byHeart, snapshot, temporaryFolder, tessera, writeDrawings, writeSplitDrawings } from '../cli/program.ts';

const missing = registerNative();
const folder = temporaryFolder();
const data = join(folder, 'data');
const source = join(folder, 'source');
const own = {
  ...byHeart,
  patchTrain: { ...byHeart.patchTrain, steps: 30 },
  train: { ...byHeart.train, steps: 30, evalEvery: 10 },
} satisfies RunConfigInput;
const engine = { backend: 'native', threads: 1 } as const;

/** Trains a run from the source. @returns its lines */
async function trainFrom(out: string, more: Partial<TrainOptions> = {}): Promise<string[]> {
  const lines: string[] = [];
  const onProgress = (event: ProgressEvent) => {
    if (event.type === 'message') lines.push(event.text);
    if (event.type === 'skip') lines.push(`${event.stage}: ${event.reason}`);
    more.onProgress?.(event);
  };
  await train({ data, out: join(folder, out), from: source, ...engine, ...more, onProgress });
  return lines;
}

const tensorsOf = async (path: string) => Object.fromEntries((await readSafetensors(path)).tensors);

/** What a run has to show for itself. */
const results = (out: string) =>
  Object.fromEntries(
    Object.entries(snapshot(join(folder, out))).filter(
      ([name]) => /\.safetensors$|^(config|tokenizer)\.json$|^captions/.test(name) && !/^state/.test(name),
    ),
  );

/** The log but for how fast it went. */
const records = (out: string) =>
  readJsonLines(join(folder, out, 'metrics.jsonl')).map(record =>
    Object.fromEntries(
      Object.entries(record as object).filter(([name]) => !name.endsWith('PerSecond') && name !== 'seconds'),
    ),
  );

describe.skipIf(missing !== undefined)(`from a trained run${missing === undefined ? '' : ` (${missing})`}`, () => {
  beforeAll(async () => {
    await writeSplitDrawings(data);
    await train({ data, out: source, config: own, ...engine });
  });

  test('takes tokenizers, settings and weights over, and says so', async () => {
    const lines = (await trainFrom('over', { config: { train: { steps: 4 } } })).join('\n');
    const paths = runPaths(join(folder, 'over'));
    const from = runPaths(source);
    const config = await readRun(paths.folder, 'test');
    const words = [...((await readLearntWords(from.learnt))?.words.keys() ?? [])];
    expect(words).toContain('circle');
    expect(await readLearntWords(paths.learnt)).toMatchObject({ images: 8, source: new Set(words) });
    expect(config.from).toEqual({
      name: 'source',
      fingerprint: await fingerprint(from.weights.best),
      weights: 'best',
      step: Number((await readSafetensors(from.weights.best)).metadata.step),
    });
    expect(config.patch).toEqual((await readRun(source, 'test')).patch);
    expect(config.model.captionLength).toBe(16);
    // By the rule: the source's rate, a quarter of a pass but at least 2 steps between validations.
    expect(config.train).toMatchObject({ steps: 4, lr: 0.005, evalEvery: 2, patience: 4 });
    for (const part of ['captions', 'patch'] as const)
      expect(readFileSync(paths[part])).toEqual(readFileSync(from[part]));
    expect(await tensorsOf(paths.source)).toEqual(await tensorsOf(from.weights.best));
    expect(lines).toMatch(/from .*source: best on validation weights of step \d+, \d+ thousand parameters/);
    expect(lines).toMatch(/caption tokenizer kept: \d+\.\d ids a caption, 0\.0% cut/);
    expect(lines).toMatch(
      /transformer: all 25 tensors kept; learning rate 0.005, at most 4 steps, validated every 2, ends after 4/,
    );
    // Before the first step there is something to look at.
    expect(existsSync(join(paths.sampleHistory, '000000.png'))).toBe(true);
    expect(existsSync(join(paths.folder, 'unfinished.json'))).toBe(false);
  });

  test('measures the start as its source was measured last', () => {
    const measured = (log: readonly unknown[]) =>
      log.filter(record => 'val_image' in (record as object)) as { step: number; val_image: number }[];
    const before = measured(readJsonLines(runPaths(source).metrics));
    const best = Math.min(...before.map(({ val_image: image }) => image));
    const [start] = measured(records('over'));
    expect(start.step).toBe(0);
    expect(start.val_image).toBeCloseTo(best, 5);
  });

  test('takes the weights that are asked for', async () => {
    await trainFrom('last', { fromWeights: 'last', config: { train: { steps: 1 } } });
    const paths = runPaths(join(folder, 'last'));
    expect(await tensorsOf(paths.source)).toEqual(await tensorsOf(runPaths(source).weights.last));
    expect((await readRun(paths.folder, 'test')).from).toMatchObject({ weights: 'last', step: 30 });
  });

  test('lengthens captions of which many would be cut, and says so', async () => {
    const wordy = join(folder, 'wordy');
    await writeDrawings(wordy);
    const caption = 'a rather long sentence about a red circle';
    for (const name of ['red-circle', 'blue-square']) {
      writeFileSync(join(wordy, `${name}.txt`), caption);
    }
    const lines = (await trainFrom('wordy-run', { data: wordy, config: { train: { steps: 1 } } })).join('\n');
    const { model } = await readRun(join(folder, 'wordy-run'), 'test');
    expect(model.captionLength).toBeGreaterThan(16);
    expect(model.captionLength % 4).toBe(0);
    expect(lines).toMatch(/% would be cut at 16, so that they get \d+ positions \(0\.0% cut\)/);
    expect(lines).toContain(
      `model.captionLength 16 -> ${model.captionLength}: those from 16 on are copies of the last`,
    );
  });

  test('maps what can be mapped: more layers begin as the identity', async () => {
    await trainFrom('deeper', { config: { model: { layers: 3 }, train: { steps: 1 } } });
    const [deeper, over] = ['deeper', 'over'].map(out => records(out).find(({ val_image: x }) => x !== undefined));
    expect(deeper?.val_image).toBeCloseTo(over?.val_image as number, 4);
  });

  test('ends when patience is out, keeps the best, and is done then', async () => {
    // Of a rate that ruins what is there, no validation is better than the start.
    const config = { train: { steps: 200, patience: 2, lr: 3, warmup: 0 } };
    const lines = await trainFrom('ruined', { config });
    expect(lines).toContain('step 4: no better validation in 2; the training ends, the best is kept');
    expect(
      records('ruined')
        .filter(({ val_image: x }) => x !== undefined)
        .map(({ step }) => step),
    ).toEqual([0, 2, 4]);
    const { best } = runPaths(join(folder, 'ruined')).weights;
    expect(await tensorsOf(best)).toEqual(await tensorsOf(runPaths(source).weights.best));
    const before = snapshot(join(folder, 'ruined'));
    expect(await trainFrom('ruined', { config })).toContain('transformer: done before');
    expect(snapshot(join(folder, 'ruined'))).toEqual(before);
  });

  test('ends with the same bits where it was cut off, without its source', async () => {
    const moved = join(folder, 'moved');
    await cp(source, moved, { recursive: true });
    const config = { train: { steps: 12, saveEvery: 4, sampleEvery: 6 } };
    await trainFrom('straight', { from: moved, config });
    for (const at of [0, 1, 6, 9]) {
      // What a listener throws ends the process of a training as a kill does: nothing is saved.
      const onProgress = (event: ProgressEvent) => {
        if (event.type === 'stage' && event.stage === 'transformer' && at === 0) throw new Error('killed');
        if (event.type === 'step' && event.stage === 'transformer' && event.step === at) throw new Error('killed');
      };
      await expect(trainFrom('cut', { from: moved, config, onProgress })).rejects.toThrow('killed');
    }
    rmSync(moved, { recursive: true });
    await trainFrom('cut', { from: undefined, config });
    expect(results('cut')).toEqual(results('straight'));
    expect(records('cut')).toEqual(records('straight'));
  });

  test('refuses in one line what does not fit', async () => {
    const refusal = async (...flags: string[]) => {
      const out = join(folder, 'refused');
      const { code, stderr } = await tessera('train', '--data', data, '--out', out, ...flags);
      expect(code).toBe(2);
      expect(existsSync(join(out, 'config.json'))).toBe(false);
      return stderr;
    };
    const from = ['--from', source];
    expect(await refusal(...from, '--preset', 'tiny')).toContain(
      'train: --preset: with --from the settings are those of',
    );
    expect(await refusal(...from, '--model', 'diffusion')).toContain('family: expected transformer');
    expect(await refusal(...from, '--width', '64')).toContain(
      'model.width: expected 32, as what it starts from has it, got 64',
    );
    expect(await refusal('--from', data)).toMatch(
      /expected the folder of a run, or a model by name: emoji; got .*data, which is neither/,
    );
    expect(await refusal('--from-weights', 'ema')).toContain('says which weights of --from, which is not given');
    expect(await refusal('--from', 'emoji', '--from-weights', 'last')).toMatch(
      /expected .*ema, which .* has, got last/,
    );
  });

  test('goes on with the flag repeated, and refuses another source', async () => {
    expect(await trainFrom('over', { config: { train: { steps: 4 } } })).toContain('transformer: done before');
    await expect(trainFrom('over', { from: 'emoji' })).rejects.toThrow('was started from source, got emoji');
    await expect(train({ data, out: source, from: source, ...engine })).rejects.toThrow('was not started from');
  });
});
