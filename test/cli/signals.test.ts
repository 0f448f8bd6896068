/**
 * @file Signals: every command that is stopped ends with the code of shells, prints no result, and what saves has saved. Each
 * is a process of its own, which sends itself the signal at a step (stopping.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { hardlyTrained, startTessera, temporaryFolder, tessera, writeConfig, writeSplitDrawings } from './program.ts';
import type { Stop } from './stopping.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const run = join(folder, 'run');
const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

beforeAll(async () => {
  await writeSplitDrawings(data);
  const config = writeConfig(join(folder, 'config.json'), hardlyTrained);
  expect((await tessera('train', '--data', data, '--out', run, '--config', config, '--backend', 'cpu')).code).toBe(0);
});

/** Commands that save nothing, where each is stopped, and what it would have printed. */
const commands: readonly (readonly [argv: readonly string[], at: Omit<Stop, 'signal'>])[] = [
  [['data', 'shapes', '--out', join(folder, 'shapes'), '--count', '2000'], { stage: 'shapes', step: 3 }],
  [['data', 'modes', '--out', join(folder, 'modes'), '--per-mode', '2'], { stage: 'modes', step: 3 }],
  [['data', 'emoji', '--out', join(folder, 'emoji')], { stage: 'emoji', step: 3 }],
  [['data', 'inspect', data, '--sheet', join(folder, 'sheet.png')], { stage: 'inspect', step: 1 }],
  [
    ['sample', '--run', run, '--text', 'red circle', '--outputs-dir', join(folder, 'out')],
    { stage: 'red circle', step: 1 },
  ],
  [['eval', '--run', run, '--data', data, '--metrics', 'recon', '-n', '8'], { stage: 'held-out images', step: 1 }],
  [['compare', run, '--data', data, '--out', join(folder, 'page.html')], { stage: 'training images', step: 1 }],
];

describe('a command that saves nothing', () => {
  test.each(
    commands.map(
      ([argv, at], i) =>
        [
          argv.slice(0, 2).join(' '),
          argv,
          { ...at, signal: (['SIGINT', 'SIGTERM', 'SIGHUP'] as const)[i % 3] },
        ] as const,
    ),
  )('%s ends with the code of the signal and no result', async (_, argv, stop) => {
    const { code, signal, stdout, stderr } = await startTessera(
      [...argv, ...(argv[0] === 'data' ? [] : ['--backend', 'cpu'])],
      { stop },
    );
    expect({ code, signal, stdout }, stderr).toEqual({ code: codes[stop.signal], signal: null, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(`stopped by ${stop.signal === 'SIGINT' ? 'Ctrl-C' : stop.signal}`);
  });

  test('leaves nothing that looks complete', () => {
    for (const name of ['shapes', 'modes', 'emoji'])
      expect(existsSync(join(folder, name, 'metadata.jsonl'))).toBe(false);
    for (const name of ['sheet.png', 'page.html', 'out/red_circle']) expect(existsSync(join(folder, name))).toBe(false);
    expect(
      readJsonLines(join(run, 'metrics.jsonl')).filter(record => (record as { stage: string }).stage === 'eval'),
    ).toEqual([]);
  });
});

describe('train', () => {
  const config = () =>
    writeConfig(join(folder, 'long.json'), {
      ...hardlyTrained,
      train: { ...hardlyTrained.train, steps: 200, evalEvery: 40, sampleEvery: 40, saveEvery: 40 },
    });
  const argv = (out: string) => [
    'train',
    '--data',
    data,
    '--out',
    out,
    '--config',
    config(),
    '--backend',
    'cpu',
    '--patch-train.steps',
    '20',
  ];

  test.each(['SIGTERM', 'SIGHUP'] as const)('saves within a step at %s', async signal => {
    const out = join(folder, signal);
    const { code, stderr, stdout } = await startTessera(argv(out), {
      stop: { signal, stage: 'patch tokenizer', step: 9 },
    });
    expect({ code, stdout }, stderr).toEqual({ code: codes[signal], stdout: '' });
    expect(stderr).toContain(`${signal}: stopping after this step; a second signal stops at once`);
    const { generation } = JSON.parse(readFileSync(join(out, 'state/patch/current'), 'utf8')) as { generation: number };
    const { step } = JSON.parse(readFileSync(join(out, 'state/patch', String(generation), 'state.json'), 'utf8')) as {
      step: number;
    };
    expect(step).toBeLessThanOrEqual(10);
  });

  test('a second signal ends it at once, with the same code', async () => {
    const out = join(folder, 'twice');
    const stop: Stop = { signal: 'SIGTERM', stage: 'patch tokenizer', step: 9, twice: true };
    const { code, stderr } = await startTessera(argv(out), { stop });
    expect(code, stderr).toBe(143);
    expect(stderr).not.toContain('saved');
  });
});
