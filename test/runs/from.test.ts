/**
 * @file Training from a trained model: what the new run takes over and what it says, what is refused, when it ends; and that one
 * that is cut off ends, started again, with the bits of one that never was, though its source is gone.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { mergeConfig } from '../../src/config/schema.ts';
import { Random } from '../../src/core/random.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { readRun } from '../../src/families/config.ts';
import { variantNames } from '../../src/image/variants.ts';
import { readSafetensors } from '../../src/io/files.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { fingerprint, runPaths } from '../../src/io/runfolder.ts';
import type { ProgressEvent } from '../../src/library/progress.ts';
import { type TrainOptions, train } from '../../src/library/train.ts';
import { decide, readDecision, settle } from '../../src/runs/from/patch-decision.ts';
import { lastPsnr } from '../../src/runs/from/source.ts';
import { readLearntWords } from '../../src/runs/learnt/record.ts';
import {
  byHeart,
  snapshot,
  temporaryFolder,
  tessera,
  writeDrawings,
  writeItem,
  writeSplitDrawings,
} from '../cli/program.ts';

const missing = registerAddon();
const folder = temporaryFolder();
const data = join(folder, 'data');
const source = join(folder, 'source');
const own = {
  ...byHeart,
  patchTrain: { ...byHeart.patchTrain, steps: 30 },
  train: { ...byHeart.train, steps: 30, evalEvery: 10 },
} satisfies RunConfigInput;
const engine = { backend: 'native', threads: 1 } as const;

/** Trains a run from the source, on plain pictures. @returns its lines */
async function trainFrom(out: string, more: Partial<TrainOptions> = {}): Promise<string[]> {
  const lines: string[] = [];
  const config = mergeConfig({ model: { variants: [] } }, more.config ?? {});
  const onProgress = (event: ProgressEvent) => {
    if (event.type === 'message') lines.push(event.text);
    if (event.type === 'skip') lines.push(`${event.stage}: ${event.reason}`);
    more.onProgress?.(event);
  };
  await train({ data, out: join(folder, out), from: source, ...engine, ...more, config, onProgress });
  return lines;
}

let overLines: string[] = [];

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
    overLines = await trainFrom('over', { config: { train: { steps: 4 } } });
    const lines = overLines.join('\n');
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
      patch: 'auto',
      psnr: lastPsnr(readJsonLines(from.metrics)),
      step: Number((await readSafetensors(from.weights.best)).metadata.step),
    });
    expect(config.patch).toEqual((await readRun(source, 'test')).patch);
    expect(config.model.captionLength).toBe(16);
    // By the rule: the source's rate, a quarter of a pass but at least 2 steps between validations, 120 steps without a better one.
    expect(config.train).toMatchObject({ steps: 4, lr: 0.005, evalEvery: 2, patience: 60 });
    for (const part of ['captions', 'patch'] as const)
      expect(readFileSync(paths[part])).toEqual(readFileSync(from[part]));
    expect(await tensorsOf(paths.source)).toEqual(await tensorsOf(from.weights.best));
    expect(lines).toMatch(/from .*source: best on validation weights of step \d+, \d+ thousand parameters/);
    expect(lines).toMatch(/caption tokenizer kept: \d+\.\d ids a caption, 0\.0% cut/);
    expect(lines).toMatch(
      /transformer: all 25 tensors kept; learning rate 0.005, at most 4 steps, validated every 2, ends after 60/,
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

  test('promises no validation where nothing is held out', async () => {
    const all = join(folder, 'all');
    await writeDrawings(all);
    const config = { images: { validation: 0 }, train: { steps: 1 } };
    const lines = (await trainFrom('all-run', { data: all, patch: 'keep', config })).join('\n');
    expect(lines).toContain('learning rate 0.005, 1 step, not validated: nothing is held out');
    expect(lines).not.toContain('has no effect');
  });

  test('maps what can be mapped: more layers begin as the identity', async () => {
    await trainFrom('deeper', { config: { model: { layers: 3 }, train: { steps: 1 } } });
    const [deeper, over] = ['deeper', 'over'].map(out => records(out).find(({ val_image: x }) => x !== undefined));
    expect(deeper?.val_image).toBeCloseTo(over?.val_image as number, 4);
  });

  test('learns changed pictures of few drawings beside the plain ones', async () => {
    const lines: string[] = [];
    const onProgress = (event: ProgressEvent) => event.type === 'message' && lines.push(event.text);
    await train({
      data,
      out: join(folder, 'varied'),
      from: source,
      ...engine,
      config: { train: { steps: 1 } },
      onProgress,
    });
    expect((await readRun(join(folder, 'varied'), 'test')).model.variants).toEqual([...variantNames]);
    expect(lines.join('\n')).toContain('variants none -> mirrored, turned, recoloured, small');
    const { codes } = await tensorsOf(runPaths(join(folder, 'varied')).trainingCodes);
    expect(codes.shape).toEqual([8, 5, 16]);
    const { start, 'variant_embedding.weight': signs } = await tensorsOf(runPaths(join(folder, 'varied')).source);
    expect(signs.shape).toEqual([4, start.shape[0]]);
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
    const done =
      'transformer: done before, at step 4 of 200, after 2 validations without a better one; to go on: --patience 0';
    expect(await trainFrom('ruined', { config })).toContain(done);
    expect(snapshot(join(folder, 'ruined'))).toEqual(before);
    expect(await trainFrom('ruined', { config: { train: { steps: 300 } } })).toContain(done.replace('200', '300'));
    await trainFrom('ruined', { config: { train: { steps: 6, patience: 0 } } });
    expect(records('ruined').at(-1)).toMatchObject({ step: 6 });
  });

  test('ends with the same bits where it was cut off, without its source', async () => {
    const moved = join(folder, 'moved');
    await cp(source, moved, { recursive: true });
    const config = { train: { steps: 12, saveEvery: 4, sampleEvery: 6 } };
    await trainFrom('straight', { from: moved, config });
    for (const at of [0, 7]) {
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

  test('keeps the patch tokenizer where pictures come back as well as its own did, and says so', async () => {
    const [psnr] = readJsonLines(runPaths(source).metrics).flatMap(record => {
      const { stage, step, val_psnr } = record as { stage: string; step: number; val_psnr?: number };
      return stage === 'patch' && step === 30 && val_psnr !== undefined ? [val_psnr] : [];
    });
    const [line] = overLines.filter(said => said.startsWith('patch tokenizer'));
    const [own] = [psnr.toFixed(1)];
    expect(line).toBe(`patch tokenizer: kept: ${own} dB on your held-out images (${own} on its own)`);
    // So that a run that starts from this one knows it, too.
    const [kept] = records('over').filter(({ stage }) => stage === 'patch');
    expect(kept).toMatchObject({ step: 0, val_psnr: expect.closeTo(psnr, 4) });
  });

  test('tunes the decoder alone: codes stay what they are, and what is cut off ends with the same bits', async () => {
    const config = { patchTrain: { steps: 12, lr: 0.01 }, train: { steps: 1 } };
    await trainFrom('tuned', { patch: 'decoder', config });
    const [before, after] = [
      await tensorsOf(runPaths(source).patch),
      await tensorsOf(join(folder, 'tuned', 'patch.safetensors')),
    ];
    for (const [name, tensor] of Object.entries(after)) {
      if (name.startsWith('decoder.')) expect(tensor.data, name).not.toEqual(before[name].data);
      else expect(tensor.data, name).toEqual(before[name].data);
    }
    const codesOf = async (out: string) => (await tensorsOf(runPaths(out).trainingCodes)).codes;
    expect(await codesOf(join(folder, 'tuned'))).toEqual(await codesOf(source));
    for (const at of [1, 5]) {
      const onProgress = (event: ProgressEvent) => {
        if (event.type === 'step' && event.stage === 'patch tokenizer' && event.step === at) throw new Error('killed');
      };
      await expect(trainFrom('tuned-cut', { patch: 'decoder', config, onProgress })).rejects.toThrow('killed');
    }
    await trainFrom('tuned-cut', { config });
    expect(results('tuned-cut')).toEqual(results('tuned'));
    expect(records('tuned-cut')).toEqual(records('tuned'));
  });

  test('tunes what comes back badly: the decoder, then all of it, and says what was measured', async () => {
    const noisy = join(folder, 'noisy');
    for (let i = 0; i < 8; i++) {
      const bytes = new Random(i)
        .fork('noise')
        .permutation(32 * 32 * 3)
        .map(x => x % 256);
      const png = await sharp(Buffer.from(bytes), { raw: { width: 32, height: 32, channels: 3 } })
        .png()
        .toBuffer();
      await writeItem(noisy, `${i}.png`, png, `noise ${i}`);
    }
    // By its log the source has been much better at its own pictures than its decoder can become at noise.
    const good = join(folder, 'good');
    await cp(source, good, { recursive: true });
    appendFileSync(join(good, 'metrics.jsonl'), `${JSON.stringify({ stage: 'patch', step: 30, val_psnr: 30 })}\n`);
    const config = { images: { validation: 0.3 }, patchTrain: { steps: 3, lr: 0.01 }, train: { steps: 1 } };
    const options = { data: noisy, from: good, config };
    const lines = (await trainFrom('noisy-run', options)).filter(line => line.startsWith('patch'));
    expect(lines[0]).toMatch(
      /^patch tokenizer: \d+\.\d dB on your held-out images \(30\.0 on its own\); its decoder is tuned/,
    );
    expect(lines[1]).toMatch(
      /^patch tokenizer: \d+\.\d dB on your held-out images with the decoder tuned \(\d+\.\d before\): far from its own pictures still, so that all of it is tuned/,
    );
    expect(await readDecision(runPaths(join(folder, 'noisy-run')))).toMatchObject({ choice: 'all', settled: true });
    const [before, after] = [
      await tensorsOf(runPaths(good).patch),
      await tensorsOf(join(folder, 'noisy-run', 'patch.safetensors')),
    ];
    for (const [name, { data }] of Object.entries(after)) expect(data, name).not.toEqual(before[name].data);
    for (const nth of [1, 2]) {
      let seen = 0;
      const onProgress = (event: ProgressEvent) => {
        if (event.type === 'step' && event.stage === 'patch tokenizer' && event.step === 2 && ++seen === nth)
          throw new Error('killed');
      };
      await expect(trainFrom('noisy-cut', { ...options, onProgress })).rejects.toThrow('killed');
    }
    await trainFrom('noisy-cut', options);
    expect(results('noisy-cut')).toEqual(results('noisy-run'));
    expect(records('noisy-cut')).toEqual(records('noisy-run'));
    expect(await trainFrom('noisy-run', options)).toContain('patch tokenizer: done before');
  });

  test('trains another patch tokenizer where its network is to be another', async () => {
    const config = { patch: { levels: [5, 5] }, patchTrain: { steps: 2 }, train: { steps: 1 } };
    const lines = (await trainFrom('anew', { config })).join('\n');
    expect(lines).toContain('25 other codes (64 before): their embeddings and their head are new');
    const [start] = records('anew').filter(({ val_image: x }) => x !== undefined);
    expect(start.val_image).toBeCloseTo(Math.log(25), 4);
    await expect(trainFrom('kept-anew', { patch: 'keep', config })).rejects.toThrow(
      /keep: expected patch.levels \[4,4,4\], as the patch tokenizer of .* has it, got \[5,5\]/,
    );
  });

  test('rehearses what the source knows: a share of each batch, exactly, and once encoded without the data', async () => {
    const knows = join(folder, 'knows');
    await writeDrawings(knows);
    const config = { train: { steps: 8, saveEvery: 2 } };
    const options = { keep: 0.25, keepData: knows, config };
    await trainFrom('rehearsed', options);
    const { keep } = (await readRun(join(folder, 'rehearsed'), 'test')).from ?? {};
    expect(keep).toEqual({ share: 0.25, drawn: false, validation: 0, split: ['train'] });
    const { codes } = await tensorsOf(runPaths(join(folder, 'rehearsed')).rehearsedCodes);
    expect(codes.shape).toEqual([8, 1, 16]);
    const at = (stage: string, step: number) => (event: ProgressEvent) => {
      if (event.type === 'step' && event.stage === stage && event.step === step) throw new Error('killed');
    };
    await expect(trainFrom('rehearsed-cut', { ...options, onProgress: at('transformer', 5) })).rejects.toThrow(
      'killed',
    );
    rmSync(knows, { recursive: true });
    await trainFrom('rehearsed-cut', { config });
    expect(results('rehearsed-cut')).toEqual(results('rehearsed'));
    expect(records('rehearsed-cut')).toEqual(records('rehearsed'));
    await trainFrom('unrehearsed', { config });
    expect(results('unrehearsed')['model.safetensors']).not.toBe(results('rehearsed')['model.safetensors']);
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
    expect(await refusal('--from-weights', 'ema')).toContain('says something of --from, which is not given');
    expect(await refusal(...from, '--keep', '0.2')).toMatch(
      /train: --keep: expected the images that .*source was trained on, got no --keep-data/,
    );
    expect(await refusal(...from, '--keep-data', data)).toContain(
      'says where the data of --keep is, which is not given',
    );
    // The same bounds on the command line and in the library.
    expect(await refusal(...from, '--keep', '0.0009')).toMatch(/--keep: expected .*0\.001.*got/);
    await expect(trainFrom('kept-too-little', { keep: 0.0009 })).rejects.toThrow(
      /keep: expected .*0\.001.*got 0\.0009/,
    );
    expect(await refusal('--patch', 'keep')).toContain('train: --patch: says something of --from');
    expect(await refusal('--from', 'emoji', '--from-weights', 'last')).toMatch(
      /expected .*ema, which .* has, got last/,
    );
  });

  test('goes on with the flag repeated, and refuses another source', async () => {
    expect(await trainFrom('over', { config: { train: { steps: 4 } } })).toContain('transformer: done before');
    await expect(trainFrom('over', { from: 'emoji' })).rejects.toThrow('was started from source, got emoji');
    await expect(train({ data, out: source, from: source, ...engine })).rejects.toThrow('was not started from');
    await expect(trainFrom('over', { fromWeights: 'last' })).rejects.toThrow(
      '--from-weights: expected best, as the run',
    );
  });

  test('knows its source by its weights: under another name, and not what only has its name', async () => {
    const { from } = JSON.parse(readFileSync(join(folder, 'over', 'config.json'), 'utf8')) as {
      from: { name: string };
    };
    expect(from.name).toBe('source'); // no path of this machine
    const renamed = join(folder, 'renamed');
    await cp(source, renamed, { recursive: true });
    expect(await trainFrom('over', { from: renamed })).toContain('transformer: done before');
    const namesake = join(folder, 'elsewhere', 'source');
    await cp(source, namesake, { recursive: true });
    const { best } = runPaths(namesake).weights;
    await cp(runPaths(source).weights.last, best);
    await expect(trainFrom('over', { from: namesake })).rejects.toThrow(
      `was started from source, got ${namesake}, whose best weights are not those`,
    );
    await rm(namesake, { recursive: true });
    expect(await trainFrom('over', { from: namesake })).toContain('transformer: done before'); // its name is all there is
  });
});

test('a patch tokenizer is kept, tuned in part or whole, by decibels', () => {
  const own = 23;
  expect(decide(undefined, { psnr: 21.6, own })).toEqual({ choice: 'keep', settled: true, psnr: 21.6, own });
  const before = decide(undefined, { psnr: 21.4, own });
  expect(before).toEqual({ choice: 'decoder', settled: false, psnr: 21.4, own });
  expect(settle(before, { psnr: 22, rising: true })).toMatchObject({ choice: 'decoder', settled: true });
  expect(settle(before, { psnr: 21.3, rising: true })).toMatchObject({ choice: 'keep', settled: true });
  const far = decide(undefined, { psnr: 15, own });
  expect(settle(far, { psnr: 19.9, rising: true })).toMatchObject({ choice: 'all', settled: true });
  // Of pictures that are soon learnt by heart no more is to be had.
  expect(settle(far, { psnr: 19.9, rising: false })).toMatchObject({ choice: 'decoder', settled: true });
  expect(settle(far, { psnr: 20.1, rising: true })).toMatchObject({ choice: 'decoder', settled: true });
  // What is asked for is done, whatever the pictures say.
  for (const choice of ['keep', 'decoder', 'all'] as const) {
    expect(decide(choice, { psnr: 5, own })).toMatchObject({ choice, settled: true });
  }
});
