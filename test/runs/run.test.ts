/** @file Runs on disk: a run is made once, gone on with by its own config, and refuses to become another. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PresetName } from '../../src/config/presets.ts';
import type { RunConfig, RunConfigInput } from '../../src/config/run.ts';
import { mergeConfig } from '../../src/config/schema.ts';
import { UserError } from '../../src/core/errors.ts';
import { checkConfig, readRun, runSchema, storedConfig } from '../../src/families/config.ts';
import type { RunSettings } from '../../src/families/resolve.ts';
import { weightKinds } from '../../src/io/runfiles.ts';
import { chooseWeights, fingerprint, runPaths } from '../../src/io/runfolder.ts';
import { saveState } from '../../src/io/state.ts';
import { configOfRun, lockRun, withRun } from '../../src/runs/run.ts';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'runs-')), 'demo');
});
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true });
});

/** A small run of no preset, as `tessera features` makes its own. */
const make = ({ fields = {} }: RunSettings): RunConfig =>
  checkConfig(runSchema().parse(mergeConfig({ model: { width: 64, heads: 2 } }, fields)));

async function open(fields: RunConfigInput = {}, preset?: PresetName) {
  const config = await configOfRun(folder, { preset, fields }, { make });
  return { config, resumed: await keep(config) };
}
/** Keeps a planned config as a training does. @returns whether the run was there before */
const keep = (config: RunConfig): Promise<boolean> =>
  withRun(folder, { config }, async ({ resumed, keepConfig }) => {
    await keepConfig();
    return resumed;
  });
const onDisk = () => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}

describe('a config', () => {
  test('makes the folder and keeps the whole resolved config in it', async () => {
    const { config, resumed } = await open({ train: { steps: 5 } });
    expect(resumed).toBe(false);
    expect(config.model.width).toBe(64);
    expect(onDisk()).toEqual(storedConfig(config));
    // Other families' sections are at their defaults.
    expect(Object.keys(onDisk())).toEqual([
      ...['seed', 'family', 'images', 'caption', 'patch', 'patchTrain', 'model', 'train', 'sampling'],
    ]);
    expect(await readRun(folder, 'sample')).toEqual(config);
  });

  test('goes on with the config that is there, not with the defaults of today', async () => {
    await open({ model: { layers: 3 }, train: { lr: 0.5 } });
    const config = await configOfRun(folder, {});
    const resumed = await keep(config);
    expect(resumed).toBe(true);
    expect(config.model).toMatchObject({ layers: 3, width: 64 });
    expect(config.train.lr).toBe(0.5);
  });

  test('lets a resumed run be longer and be watched more closely, and remembers it', async () => {
    await open();
    const given = {
      train: { steps: 77, evalEvery: 7, sampleEvery: 8, saveEvery: 9, logEvery: 2 },
      patchTrain: { steps: 66 },
    };
    const { config } = await open(given);
    expect(config.train).toMatchObject(given.train);
    expect(config.patchTrain.steps).toBe(66);
    expect(onDisk()).toEqual(storedConfig(config));
    expect((await open()).config.train.steps).toBe(77);
  });

  test('accepts a value that it already has', async () => {
    await open({ patch: { levels: [5, 5, 5] } });
    expect((await open({ patch: { levels: [5, 5, 5] }, seed: 0 })).resumed).toBe(true);
  });

  const changes: readonly [string, RunConfigInput][] = [
    ['model.width', { model: { width: 128 } }],
    ['train.lr', { train: { lr: 1 } }],
    ['train.batchSize', { train: { batchSize: 2 } }],
    ['patch.levels', { patch: { levels: [4, 4] } }],
    ['seed', { seed: 9 }],
    ['images.validation', { images: { validation: 0.5 } }],
  ];
  for (const [field, given] of changes) {
    test(`refuses another ${field}, naming both values, and leaves the run as it is`, async () => {
      const { config } = await open();
      const error = await refusal(open(given));
      expect(error.message).toContain(`expected ${field} `);
      expect(error.message).toMatch(/ .+, as the run in .+ has it, got .+/);
      expect(error.message).toContain(folder);
      expect(error.hint).toContain('--out');
      expect(onDisk()).toEqual(storedConfig(config));
    });
  }
});

describe('a preset', () => {
  test('of a run that is there must be what the run was made of', async () => {
    const config = await configOfRun(folder, { preset: 'tiny' });
    await keep(config);
    // Its own preset agrees, and takes nothing back of how long the run was made since.
    await open({ train: { steps: 900 } });
    expect((await configOfRun(folder, { preset: 'tiny' })).train.steps).toBe(900);
    const error = await refusal(configOfRun(folder, { preset: 'dalle' }));
    expect(error.message).toMatch(/ expected \S+ .+, as the run in .+ has it, got .+ of preset dalle$/);
    expect(onDisk()).toEqual(storedConfig({ ...config, train: { ...config.train, steps: 900 } }));
  });

  test('gives way to the fields that are named with it', async () => {
    await keep(await configOfRun(folder, { preset: 'tiny', fields: { model: { width: 64 } } }));
    const again = await configOfRun(folder, { preset: 'tiny', fields: { model: { width: 64 } } });
    expect(again.model.width).toBe(64);
    expect((await refusal(configOfRun(folder, { preset: 'tiny' }))).message).toContain(
      `expected model.width 64, as the run in ${folder} has it, got 256 of preset tiny`,
    );
  });
});

test('fields of a run that is there need not fit the preset that new runs begin with', async () => {
  await keep(await configOfRun(folder, { fields: { model: { width: 320, heads: 5 } } }));
  // 5 heads do not divide the default width of 256.
  expect((await configOfRun(folder, { fields: { model: { heads: 5 } } })).model).toMatchObject({
    width: 320,
    heads: 5,
  });
});

test('the default preset asks for the defaults of what other presets set', async () => {
  await keep(await configOfRun(folder, { preset: 'base' }));
  expect((await refusal(configOfRun(folder, { preset: 'small' }))).message).toMatch(
    / expected model\.width 768, as the run in .+ has it, got 256 of preset small$/,
  );
});

test('an exported run is not gone on with, though its lock is held', async () => {
  const { config } = await open();
  await writeFile(runPaths(folder).weights.ema, '');
  expect((await refusal(configOfRun(folder, {}))).message).toContain('was exported');
  expect((await refusal(withRun(folder, { config }, async () => 'trained'))).message).toContain('was exported');
  await mkdir(join(folder, 'state', 'patch'));
  expect(await withRun(folder, { config }, async () => 'trained')).toBe('trained');
});

describe('the steps of a run that is there', () => {
  /** A state of a training, as the loop leaves it. */
  const trainedTo = (state: string, step: number) =>
    saveState(state, {
      'state.json': JSON.stringify({ step, skipped: 0, seconds: 0, best: null, updates: [step], task: null }),
    });

  test('may become more, or fewer that are still to come, but not fewer than are done', async () => {
    const { config } = await open({ train: { steps: 100 } });
    await trainedTo(runPaths(folder).modelState, 40);
    const error = await refusal(open({ train: { steps: 39 } }));
    expect(error.message).toBe(`train: train.steps 39: the run in ${folder} has done 40 steps already`);
    expect(error.hint).toContain('--out');
    expect(onDisk()).toEqual(storedConfig(config));
    for (const steps of [50, 40, 200]) expect((await open({ train: { steps } })).config.train.steps).toBe(steps);
  });

  test('stay what they are of a training whose result is in use', async () => {
    await open({ patchTrain: { steps: 10 }, textTrain: { steps: 10 } });
    const paths = runPaths(folder);
    await trainedTo(paths.patchState, 10);
    // Nothing was made with the patch tokenizer yet.
    await open({ patchTrain: { steps: 20 } });
    await mkdir(join(folder, 'codes'));
    await writeFile(paths.trainingCodes, '');
    const before = readFileSync(join(folder, 'config.json'), 'utf8');
    expect((await refusal(open({ patchTrain: { steps: 30 } }))).message).toBe(
      `train: patchTrain.steps 30: expected 20: what the run in ${folder} made of this training is in use`,
    );
    await open({ textTrain: { steps: 20 } });
    await trainedTo(paths.modelState, 1);
    expect((await refusal(open({ textTrain: { steps: 30 } }))).message).toContain('textTrain.steps 30: expected 20');
    expect(JSON.parse(before).patchTrain.steps).toBe(20);
    expect(onDisk().textTrain.steps).toBe(20);
  });

  test('are checked again once the run is held: another process may have gone on with it', async () => {
    const config = await configOfRun(folder, { fields: { train: { steps: 5 } } }, { make });
    await open({ train: { steps: 8 } }); // by the other one
    await trainedTo(runPaths(folder).modelState, 8);
    expect((await refusal(withRun(folder, { config }, async () => undefined))).message).toContain('has done 8 steps');
    expect(onDisk().train.steps).toBe(8);
  });
});

test('a run that is held is as it was until its config is kept', async () => {
  await open({ train: { steps: 5 } });
  const before = readFileSync(join(folder, 'config.json'), 'utf8');
  const config = await configOfRun(folder, { fields: { train: { steps: 50 } } });
  const refused = withRun(folder, { config }, async () => {
    throw new UserError('train', 'no such folder or file');
  });
  expect((await refusal(refused)).message).toContain('no such folder');
  expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe(before);
  await keep(config);
  expect(onDisk().train.steps).toBe(50);
});

test('a plan writes nothing', async () => {
  await configOfRun(folder, { fields: { train: { steps: 5 } } });
  expect(existsSync(folder)).toBe(false);
  const { config } = await open();
  await configOfRun(folder, { fields: { train: { steps: 5 } } });
  expect(onDisk()).toEqual(storedConfig(config));
});

describe('readRun', () => {
  test('says what it looked for where there is no run, and how to get one', async () => {
    const error = await refusal(readRun(folder, 'sample'));
    expect(error.message).toBe(`sample: no run in ${folder} (looked for config.json)`);
    expect(error.hint).toContain('tessera train');
  });

  test('refuses a config that is damaged, unknown or impossible, naming the file', async () => {
    await mkdir(folder);
    const path = join(folder, 'config.json');
    for (const [text, says] of [
      ['{"model":', 'expected JSON'],
      ['{"model":{"colour":1}}', 'unknown field model.colour'],
      ['{"model":{"width":"wide"}}', 'model.width'],
      ['[]', 'config.json'],
    ] as const) {
      await writeFile(path, text);
      const error = await refusal(readRun(folder, 'sample'));
      expect(error.message).toContain(path);
      expect(error.message).toContain(says);
    }
    await writeFile(path, '{"model":{"width":250}}');
    expect((await refusal(readRun(folder, 'sample'))).message).toContain('width 250');
  });

  test('reads a config written before a field existed: the field has its default', async () => {
    await open();
    const config = onDisk();
    delete config.model.zLoss;
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    expect((await readRun(folder, 'sample')).model.zLoss).toBe(runSchema().parse({}).model.zLoss);
  });
});

test('all files of a run lie in its folder, each under a name of its own', () => {
  const { folder: root, weights, ...rest } = runPaths('runs/demo');
  const files = [...Object.values(rest), ...Object.values(weights)];
  expect(root).toBe('runs/demo');
  expect(new Set(files).size).toBe(files.length);
  for (const file of files) expect(file.startsWith(join('runs', 'demo'))).toBe(true);
  expect(Object.keys(weights).sort()).toEqual([...weightKinds].sort());
});

test('the weights of a run are the averaged ones, or the only ones there are, or those that were asked for', async () => {
  const { weights } = runPaths(folder);
  await mkdir(folder);
  expect(chooseWeights(folder)).toBe('ema'); // for the message that there are none
  await writeFile(weights.best, '');
  expect(chooseWeights(folder)).toBe('best');
  await writeFile(weights.last, '');
  expect(chooseWeights(folder)).toBe('ema'); // which of two is not guessed
  expect(chooseWeights(folder, 'last')).toBe('last');
});

test('a fingerprint is the SHA-256 of the file', async () => {
  await mkdir(folder);
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, 'abc');
  // FIPS 180-2, appendix B.1.
  expect(await fingerprint(path)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  await writeFile(path, 'abd');
  expect(await fingerprint(path)).toBe(createHash('sha256').update('abd').digest('hex'));
});

test('a run is trained by one process at a time; the lock of a dead one does not count', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-lock-'));
  const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
  await mkdir(join(folder, 'state'));
  await writeFile(join(folder, 'state', 'lock'), String(other.pid));
  await expect(lockRun(folder)).rejects.toThrow(`is being trained by process ${other.pid}`);
  // Whoever is refused writes nothing.
  const config = await configOfRun(folder, {});
  await expect(withRun(folder, { config }, async () => undefined)).rejects.toThrow('is being trained');
  expect(existsSync(join(folder, 'config.json'))).toBe(false);
  const ended = new Promise(resolve => other.once('exit', resolve));
  other.kill('SIGKILL');
  await ended;
  const unlock = await lockRun(folder);
  expect(JSON.parse(await readFile(join(folder, 'state', 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  await unlock();
  expect(existsSync(join(folder, 'state', 'lock'))).toBe(false);
  await rm(folder, { recursive: true });
});

test('who trains a run is named with the host, also where that is another one', async () => {
  const unlock = await lockRun(folder);
  // Without the start of a process a lock with our own number is one that a process before us left.
  if (process.platform === 'linux') {
    await expect(lockRun(folder)).rejects.toThrow(`is being trained by process ${process.pid} on ${hostname()}`);
  }
  await unlock();
  const lock = join(folder, 'state', 'lock');
  expect(existsSync(lock)).toBe(false);
  await writeFile(lock, JSON.stringify({ pid: 7, host: 'elsewhere', started: null }));
  await expect(lockRun(folder)).rejects.toMatchObject({
    message: expect.stringContaining('is being trained by process 7 on elsewhere'),
    hint: expect.stringContaining(`if it was killed, remove ${lock}`),
  });
});
