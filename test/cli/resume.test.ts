/**
 * @file A training that is killed or interrupted ends, started again, bit for bit where one that was never stopped does.
 * Only on the native backend, as promised; each run is a process of its own, killed for real.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { Random } from '../../src/core/random.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { writeLogFiles } from '../../src/runs/logs/log-files.ts';
import { readEvents } from '../runs/read-events.ts';
import { snapshot, startTessera, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';
import type { Stop } from './stopping.ts';

/** All that draws or remembers is on: crops, dropout, left-out captions, BPE dropout, a codebook with averages and revival. */
const config = {
  images: { imageSize: 16, validation: 0.3, crops: 3, padCrops: true, flip: true },
  caption: { vocabSize: 300, bpeDropout: 0.3 },
  patch: { grid: 4, quantizer: 'vq', codebookSize: 16, width: 4, maxWidth: 8, stem: 2, blocks: 1, codeBlocks: 1 },
  patchTrain: { steps: 700, batchSize: 2, reviveAfter: 20 },
  model: { captionLength: 8, width: 16, layers: 2, heads: 2, dropout: 0.1, captionDrop: 0.2 },
  train: { steps: 300, batchSize: 4, accumulate: 2, evalEvery: 50, sampleEvery: 150, saveEvery: 30, logEvery: 10 },
} satisfies RunConfigInput;

const missing = registerAddon();
const folder = temporaryFolder();
const data = join(folder, 'data');
const file = join(folder, 'config.json');
const straight = join(folder, 'straight');

const argv = (out: string) => ['train', '--data', data, '--out', out, '--config', file, '--threads', '1'];
const MODEL = /^\[4\/4\] transformer: 300 steps/m;

/** Starts a training that stops itself. */
const interrupted = (out: string, stop: Stop) => startTessera(argv(out), { stop });

/** What a run has to show for itself, without the pictures and the states that only an interrupted one has more of. */
const results = (out: string) =>
  Object.fromEntries(
    Object.entries(snapshot(out)).filter(
      ([name]) => /\.safetensors$|^(config|tokenizer)\.json$/.test(name) && !/^state/.test(name),
    ),
  );

/** metrics.jsonl but for how fast it went. */
const records = (out: string) =>
  readJsonLines(join(out, 'metrics.jsonl')).map(record =>
    Object.fromEntries(
      Object.entries(record as object).filter(([name]) => !name.endsWith('PerSecond') && name !== 'seconds'),
    ),
  );

describe.skipIf(missing !== undefined)(`resuming${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    await writeDrawings(data);
    writeConfig(file, config);
    const { code, stderr } = await startTessera(argv(straight));
    expect(stderr).toMatch(MODEL);
    expect(code).toBe(0);
  });

  test('a run killed at drawn moments of both trainings ends with the same bytes', async () => {
    const out = join(folder, 'killed');
    const random = new Random(20261130); // another seed kills at other steps and file operations
    // Each kill comes after the state that the one before it left, so that every one of them hits.
    const kills: Stop[] = [
      { stage: 'patch tokenizer', from: 1, until: 140 },
      { stage: 'patch tokenizer', from: 150, until: 690 },
      { stage: 'codes', from: 0, until: 0 },
      { stage: 'transformer', from: 1, until: 60 },
      { stage: 'transformer', from: 70, until: 160 },
      { stage: 'transformer', from: 170, until: 290 },
    ].map(({ stage, from, until }, i) => ({
      signal: 'SIGKILL',
      stage,
      step: from + random.integer(until - from + 1),
      ...(i % 2 === 1 ? { operation: 1 + random.integer(20) } : {}),
    }));
    for (const kill of kills) expect((await interrupted(out, kill)).signal, JSON.stringify(kill)).toBe('SIGKILL');
    const { code, stderr } = await startTessera(argv(out));
    const where = JSON.stringify(kills);
    expect(stderr, where).toMatch(/going on with the run that is there/);
    expect(code, where).toBe(0);
    expect(results(out), where).toEqual(results(straight));
    expect(Object.keys(results(straight))).toEqual(
      expect.arrayContaining(['model.safetensors', 'ema.safetensors', 'best.safetensors', 'patch.safetensors']),
    );
    expect(records(out), where).toEqual(records(straight));
    const pictures = (run: string) =>
      Object.entries(snapshot(run)).filter(([name]) => /^(samples|reconstructions|usage)\b/.test(name));
    expect(pictures(out), where).toEqual(pictures(straight));
    expect(pictures(out).length).toBeGreaterThan(4);
    const { metrics, sampleHistory, reconstructionHistory } = runPaths(out);
    const { csv, tensorboard } = runPaths(join(folder, 'made'));
    await writeLogFiles({ metrics, sampleHistory, reconstructionHistory, csv, tensorboard }, ['csv', 'tensorboard']);
    expect(readFileSync(runPaths(out).csv, 'utf8'), where).toBe(readFileSync(csv, 'utf8'));
    expect(readEvents(runPaths(out).tensorboard).curves, where).toEqual(readEvents(tensorboard).curves);
  });

  test('Ctrl-C saves, says how to go on, and goes on to the same weights', async () => {
    const out = join(folder, 'interrupted');
    const first = await interrupted(out, { signal: 'SIGINT', stage: 'patch tokenizer', step: 0 });
    expect(first).toMatchObject({ code: 130, signal: null });
    expect(first.stderr).toContain('stopping after this step');
    expect(first.stderr).toContain(`patch tokenizer stopped; go on with: tessera train --data ${data} --out ${out}`);
    expect(first.stdout).not.toContain('trained');

    const second = await interrupted(out, { signal: 'SIGINT', stage: 'transformer', step: 41 });
    expect(second).toMatchObject({ code: 130, signal: null });
    expect(second.stderr).toContain(`transformer stopped; go on with: tessera train --data ${data} --out ${out}`);
    const { step } = JSON.parse(readFileSync(statePath(out), 'utf8')) as { step: number };
    expect(step).toBeGreaterThanOrEqual(41);
    expect(step).toBeLessThan(config.train.steps);

    // As it says: without the flags, which the run remembers.
    const last = await startTessera(['train', '--data', data, '--out', out, '--threads', '1']);
    expect(last.stderr).toContain(`resumed at step ${step}`);
    expect(last.code).toBe(0);
    expect(results(out)).toEqual(results(straight));
  });

  test('a finished run has nothing to do, does not even need its data, and is left as it is', async () => {
    const before = snapshot(straight);
    const { code, stderr, stdout } = await tessera('train', '--data', join(folder, 'moved'), '--out', straight);
    for (const [i, stage] of ['caption tokenizer', 'patch tokenizer', 'codes', 'transformer'].entries()) {
      expect(stderr).toContain(`[${i + 1}/4] ${stage}: done before`);
    }
    expect(stdout).toContain('trained');
    expect(code).toBe(0);
    expect(snapshot(straight)).toEqual(before);
  });

  test('another value of what is settled is refused, and nothing is touched', async () => {
    const before = snapshot(straight);
    for (const [flag, value, field, got] of [
      ['--seed', '9', 'seed 0', '9'],
      ['--model.width', '32', 'model.width 16', '32'],
      ['--lr', '0.5', 'train.lr 0.0006', '0.5'],
      ['--quantizer', 'fsq', 'patch.quantizer "vq"', '"fsq"'],
    ]) {
      const { code, stderr } = await tessera('train', '--data', data, '--out', straight, flag, value);
      expect(stderr).toContain(`train: expected ${field}, as the run in ${straight} has it, got ${got}\n  hint: `);
      expect(code).toBe(2);
    }
    expect(snapshot(straight)).toEqual(before);
  });

  test('codes that were lost are made again, the same', async () => {
    const before = results(straight);
    rmSync(join(straight, 'codes'), { recursive: true });
    const { code, stderr } = await tessera('train', '--data', data, '--out', straight, '--threads', '1');
    expect(stderr).toMatch(/\[3\/4\] codes: done in/);
    expect(code).toBe(0);
    expect(results(straight)).toEqual(before);
  });
});

/** The counters of a run's transformer. */
function statePath(out: string): string {
  const { generation } = JSON.parse(readFileSync(join(out, 'state', 'model', 'current'), 'utf8')) as {
    generation: number;
  };
  return join(out, 'state', 'model', String(generation), 'state.json');
}
