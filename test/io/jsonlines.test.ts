/** @file JSON lines with what kills and resumes do to them. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JsonLines, readJsonLines, truncateAfter } from '../../src/io/jsonlines.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jsonlines-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

function append(...records: object[]): void {
  const lines = new JsonLines(path);
  for (const record of records) lines.append(record);
  lines.close();
}

it('reads what was appended, over several openings', () => {
  expect(readJsonLines(path)).toEqual([]);
  append({ step: 1, text: 'a\nb' }, { step: 2, loss: Number.NaN });
  append({ step: 3 });
  expect(readFileSync(path, 'utf8')).toBe('{"step":1,"text":"a\\nb"}\n{"step":2,"loss":null}\n{"step":3}\n');
  expect(readJsonLines(path)).toEqual([{ step: 1, text: 'a\nb' }, { step: 2, loss: null }, { step: 3 }]);
});

it('drops a torn last line wherever it is torn, and appends after the whole ones', () => {
  const torn = '{"step":12,"text":"é"}';
  for (let length = 1; length < Buffer.byteLength(torn); length++) {
    append({ step: 1 });
    appendFileSync(path, Buffer.from(torn).subarray(0, length));
    expect(readJsonLines(path)).toEqual([{ step: 1 }]);
    append({ step: 2 });
    expect(readFileSync(path, 'utf8')).toBe('{"step":1}\n{"step":2}\n');
    rmSync(path);
  }
});

it('keeps a last record that lacks only its line break', () => {
  append({ step: 1 });
  appendFileSync(path, '{"step":2}');
  expect(readJsonLines(path)).toHaveLength(2);
  append({ step: 3 });
  expect(readFileSync(path, 'utf8')).toBe('{"step":1}\n{"step":2}\n{"step":3}\n');
});

it('passes over lines that are no records, says so, and keeps them when a run goes on', async () => {
  const garbage = '{"step":1}\nnonsense\n{"step":2,"lo\n\0\0\0\n{"step":3}\n{"step":4}\n{"ste';
  writeFileSync(path, garbage);
  const said: string[] = [];
  expect(readJsonLines(path, what => said.push(what))).toEqual([{ step: 1 }, { step: 3 }, { step: 4 }]);
  expect(said).toEqual([`${path}: 3 of 7 lines are no records and are left out`]);
  await truncateAfter(path, record => (record as { step: number }).step > 3);
  append({ step: 5 });
  expect(readFileSync(path, 'utf8')).toBe('{"step":1}\nnonsense\n{"step":2,"lo\n\0\0\0\n{"step":3}\n{"step":5}\n');
  expect(readJsonLines(path)).toEqual([{ step: 1 }, { step: 3 }, { step: 5 }]);
});

it('drops the records after the resumed step, of the stage that resumes', async () => {
  append(
    { stage: 'patch', step: 9 },
    { stage: 'model', step: 1 },
    { stage: 'model', step: 2 },
    { stage: 'model', step: 3 },
  );
  appendFileSync(path, '{"stage":"mod');
  const isAfter = (record: unknown) => {
    const { stage, step } = record as { stage: string; step: number };
    return stage === 'model' && step > 1;
  };
  expect(await truncateAfter(path, isAfter)).toBe(2);
  expect(readFileSync(path, 'utf8')).toBe('{"stage":"patch","step":9}\n{"stage":"model","step":1}\n');
  expect(await truncateAfter(join(folder, 'none.jsonl'), isAfter)).toBe(0);
});

it('says that the file was taken away, and closes', () => {
  const path = join(folder, 'moved', 'log.jsonl');
  mkdirSync(join(folder, 'moved'));
  const lines = new JsonLines(path);
  lines.append({ step: 1 });
  renameSync(join(folder, 'moved'), join(folder, 'elsewhere'));
  expect(() => lines.append({ step: 2 })).toThrow(
    /log\.jsonl: the file is gone: it, or its folder, was removed or renamed/,
  );
  expect(() => lines.sync()).toThrow('the file is gone');
  lines.close();
  expect(readJsonLines(join(folder, 'elsewhere', 'log.jsonl'))).toEqual([{ step: 1 }]);
});

it('takes a line that is deeper than anything here writes for no record', () => {
  const deep = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
  writeFileSync(path, `{"step":1}\n${deep(64)}\n${deep(65)}\n${deep(100_000)}\n{"step":2}\n`);
  const said: string[] = [];
  const records = readJsonLines(path, what => said.push(what));
  expect(records.map(record => Object.keys(record as object))).toEqual([['step'], ['a'], ['step']]);
  expect(said).toEqual([`${path}: 2 of 5 lines are no records and are left out`]);
});
