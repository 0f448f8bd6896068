/** @file The log of a run for other programs: what is written a record at a time is what is made of the whole log. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { JsonLines } from '../../src/io/jsonlines.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { keepCodeUsage, readCodeUsage } from '../../src/runs/code-usage.ts';
import type { LogRecord } from '../../src/runs/logs/log-file.ts';
import { LogFiles, presentFormats, writeLogFiles } from '../../src/runs/logs/log-files.ts';
import { isKept, keepSheet, MOST_SHEETS, readSheets } from '../../src/runs/sheet-history.ts';
import { temporaryFolder } from '../cli/program.ts';
import { readEvents } from './read-events.ts';

const folder = temporaryFolder();
const newRun = (name: string) => {
  const paths = runPaths(join(folder, name));
  mkdirSync(paths.folder);
  return paths;
};

const records: readonly LogRecord[] = [
  { stage: 'patch', step: 10, loss: 0.5, lr: 0.25, seconds: 2 },
  { stage: 'patch', step: 20, val_loss: 0.75 },
  { stage: 'patch', step: 20, loss: Number.NaN, lr: 0.125, seconds: 4 },
  { stage: 'dcgan', step: 0, note: 'nothing is held out' },
  { stage: 'dcgan', step: 10, generator_loss: 1.5, seconds: 3 },
  { stage: 'dcgan', step: 10, collapsed: 'kid' },
  { stage: 'eval', step: 10, metric: 'kid', value: 2, row: 'samples', split: 'validation', weights: 'ema' },
  { stage: 'eval', step: 10, metric: 'kid', value: 1, row: 'floor', split: 'test', weights: 'ema' },
];

const table = [
  'stage,step,loss,lr,seconds,val_loss,note,generator_loss,collapsed,metric,value,row,split,weights',
  'patch,10,0.5,0.25,2,,,,,,,,,',
  'patch,20,,,,0.75,,,,,,,,',
  'patch,20,,0.125,4,,,,,,,,,',
  'dcgan,0,,,,,nothing is held out,,,,,,,',
  'dcgan,10,,,3,,,1.5,,,,,,',
  'dcgan,10,,,,,,,kid,,,,,',
  'eval,10,,,,,,,,kid,2,samples,validation,ema',
  'eval,10,,,,,,,,kid,1,floor,test,ema',
  '',
].join('\n');

/** Of each curve its steps, values, and seconds since the training began. */
const curves = {
  'patch/loss': [
    [10, 0.5, 2],
    [20, Number.NaN, 4],
  ],
  'patch/lr': [
    [10, 0.25, 2],
    [20, 0.125, 4],
  ],
  'patch/seconds': [
    [10, 2, 2],
    [20, 4, 4],
  ],
  'patch/val_loss': [[20, 0.75, 2]],
  'dcgan/generator_loss': [[10, 1.5, 7]],
  'dcgan/seconds': [[10, 3, 7]],
  'eval/kid ema': [[10, 2, 7]],
  'eval/kid floor test ema': [[10, 1, 7]],
};

const png = new Uint8Array(
  await (await import('sharp'))
    .default({ create: { width: 5, height: 3, channels: 3, background: 'red' } })
    .png()
    .toBuffer(),
);

const read = ({ csv, tensorboard }: { readonly csv: string; readonly tensorboard: string }) => ({
  csv: readFileSync(csv, 'utf8'),
  ...readEvents(tensorboard),
});

describe('forms of a log', () => {
  test('are written with it, whatever records bring, and are what is made of the whole', async () => {
    const paths = newRun('live');
    const log = new JsonLines(paths.metrics);
    const files = new LogFiles(paths, ['csv', 'tensorboard'], () => expect.fail());
    await files.rewrite();
    expect(presentFormats(paths)).toEqual(['csv', 'tensorboard']);
    for (const record of records) {
      log.append(record);
      files.append(record);
      if (record.stage === 'patch') await files.sync(); // others come while the table is being written
    }
    await keepSheet(paths.reconstructionHistory, { step: 20, png }, 10);
    files.sheet('reconstructions', { step: 20, png });
    await keepSheet(paths.sampleHistory, { step: 10, png }, 10);
    files.sheet('samples', { step: 10, png });
    await files.close();
    log.close();
    const same = { width: 5, height: 3, png: Buffer.from(png).toString('hex') };
    const sheets = [
      { tag: 'reconstructions', step: 20, seconds: 4, ...same }, // when that stage was there
      { tag: 'samples', step: 10, seconds: 7, ...same },
    ];
    const live = read(paths);
    expect(live).toEqual({ csv: table, curves, sheets });
    await writeLogFiles(paths, ['csv', 'tensorboard']);
    expect(read(paths)).toEqual({ csv: table, curves, sheets });
    expect(readdirSync(paths.tensorboard)).toEqual(['events.out.tfevents.0000000002.tessera']);
  });

  test('forget what a training that goes on undoes, and leave files of others', async () => {
    const paths = newRun('resumed');
    const [first, ...undone] = records.slice(0, 3).map(record => `${JSON.stringify(record)}\n`);
    writeFileSync(paths.metrics, first + undone.join(''));
    await writeLogFiles(paths, ['csv', 'tensorboard']);
    const theirs = join(paths.tensorboard, 'events.out.tfevents.1700000000.host');
    writeFileSync(theirs, 'theirs');
    writeFileSync(paths.metrics, first);
    const files = new LogFiles(paths, ['csv', 'tensorboard'], () => expect.fail());
    await files.rewrite();
    await files.close();
    rmSync(theirs);
    expect(read(paths)).toEqual({
      csv: 'stage,step,loss,lr,seconds\npatch,10,0.5,0.25,2\n',
      curves: { 'patch/loss': [[10, 0.5, 2]], 'patch/lr': [[10, 0.25, 2]], 'patch/seconds': [[10, 2, 2]] },
      sheets: [],
    });
  });

  test('that cannot be written are given up with a word, once, and the others go on', async () => {
    const paths = newRun('refused');
    writeFileSync(paths.tensorboard, 'a file where the folder would be');
    const log = new JsonLines(paths.metrics);
    const said: string[] = [];
    const files = new LogFiles(paths, ['csv', 'tensorboard'], message => said.push(message));
    await files.rewrite();
    log.append(records[0]);
    files.append(records[0]);
    await files.close();
    log.close();
    expect(said).toEqual([expect.stringMatching(/tensorboard is not written any more \(.+\); metrics.jsonl has all/)]);
    expect(readFileSync(paths.csv, 'utf8')).toBe('stage,step,loss,lr,seconds\npatch,10,0.5,0.25,2\n');
  });
});

describe('earlier sheets', () => {
  test('are few, evenly spread, with the last', () => {
    const kept = (last: number) =>
      Array.from({ length: 100 }, (_, i) => 10 * (i + 1)).filter(step => isKept(step, { last, every: 10 }));
    expect(kept(240)).toHaveLength(MOST_SHEETS);
    expect(kept(250)).toEqual([...Array.from({ length: 12 }, (_, i) => 20 * (i + 1)), 250]);
    expect(kept(970)).toEqual([...Array.from({ length: 12 }, (_, i) => 80 * (i + 1)), 970]);
  });

  test('are the same after a training was killed and went on', async () => {
    const at = (name: string) => join(folder, name);
    const paint = async (path: string, from: number, to: number) => {
      for (let step = from; step <= to; step += 10) await keepSheet(path, { step, png }, 10);
      return (await readSheets(path)).map(({ step }) => step);
    };
    const straight = await paint(at('straight'), 10, 300);
    await paint(at('killed'), 10, 270);
    expect(await paint(at('killed'), 210, 300)).toEqual(straight);
    expect(straight).toEqual([20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 240, 260, 280, 300]);
  });
});

describe('how often codes occur', () => {
  const at = (name: string) => join(folder, `${name}.jsonl`);
  const counts = (step: number) => [step, 0, 2 * step];

  test('is kept of as few evaluations as there are sheets, the same after a training was killed and went on', async () => {
    const evaluate = async (path: string, from: number, to: number) => {
      for (let step = from; step <= to; step += 10) await keepCodeUsage(path, { step, counts: counts(step) }, 10);
      return readFileSync(path, 'utf8');
    };
    const straight = await evaluate(at('counted'), 10, 300);
    await evaluate(at('counted-killed'), 10, 270);
    expect(await evaluate(at('counted-killed'), 210, 300)).toBe(straight);
    const kept = Array.from({ length: 15 }, (_, i) => 20 * (i + 1));
    expect(readCodeUsage(at('counted'))).toEqual(kept.map(step => ({ step, counts: counts(step) })));
  });

  test('is read without what is torn or something else', () => {
    const whole = { step: 5, counts: [1, 2] };
    const lines = [whole, { step: 6 }, { step: 7, counts: [-1] }, [1]].map(line => JSON.stringify(line));
    writeFileSync(at('torn'), `${lines.join('\n')}\n{"step":8,"counts":[1,`);
    expect(readCodeUsage(at('torn'))).toEqual([whole]);
    expect(readCodeUsage(at('missing'))).toEqual([]);
  });
});
