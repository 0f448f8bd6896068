/**
 * @file A format of data from outside: one file defines it, and the program opens it, inspects it and trains on it; once it
 * is taken out, it is refused.
 */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../examples/custom-format.ts';
import { allFormats, defineFormat, removeFormat } from '../../data/formats/formats.ts';
import { openDataset } from '../../data/open.ts';
import { UserError } from '../../src/core/errors.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import {
  captions,
  fileOf,
  hardlyTrained,
  startProgram,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
} from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const data = at('data');
const given = captions.filter(caption => caption !== 'red circle');

beforeAll(async () => {
  await writeDrawings(at('images'));
  cpSync(at('images'), data, { recursive: true, filter: path => !path.endsWith('.txt') });
  const lines = given.map((caption, i) => `${i}\t${fileOf(caption)}\t${caption}`);
  lines.push(`7\t${fileOf(given[0])}\tthe same again`, '8\tgone.png\twho knows', `9\t${fileOf('red circle')}\t `, '');
  writeFileSync(join(data, 'captions.lst'), lines.join('\r\n'));
});

afterAll(() => {
  if (allFormats().some(({ name }) => name === 'lst')) removeFormat('lst');
});

test('a folder and its index are recognised; captions of one image come together, problems are named', async () => {
  for (const [path, format] of [
    [data, 'auto'],
    [data, 'lst'],
    [join(data, 'captions.lst'), 'auto'],
  ]) {
    const dataset = await openDataset(path, { format });
    expect(dataset.format).toBe('lst');
    expect(dataset.items.map(({ id, captions: said }) => [id, said])).toEqual(
      given.map((caption, i) => [fileOf(caption), i === 0 ? [caption, 'the same again'] : [caption]]),
    );
    expect(dataset.problems).toEqual([
      { id: 'gone.png', what: 'missing file (named in captions.lst:9)' },
      { id: 'red-circle.png', what: 'no caption in captions.lst:10' },
    ]);
  }
  await expect(openDataset(data, { strict: true })).rejects.toThrow('gone.png: missing file');
});

test('it is tried before the formats that come with Tessera, which read their own as before', async () => {
  const both = at('both');
  cpSync(at('images'), both, { recursive: true });
  expect((await openDataset(both)).format).toBe('images');
  cpSync(join(data, 'captions.lst'), join(both, 'captions.lst'));
  expect((await openDataset(both)).format).toBe('lst');
  expect((await openDataset(both, { format: 'images' })).items).toHaveLength(8);
});

test('a program that loads it before the commands inspects such data and trains on it', async () => {
  const argv = ['--import', './examples/custom-format.ts', join('src', 'cli.ts')];
  const inspected = await startProgram(argv, ['data', 'inspect', data, '--format', 'lst', '--sheet', at('sheet.png')]);
  expect(inspected.code, inspected.stderr).toBe(0);
  expect(inspected.stdout).toMatch(/^\S+ \(lst\)\nimages +7 \(7 png\)$/m);
  const run = at('run');
  const config = writeConfig(at('config.json'), hardlyTrained);
  const flags = ['train', '--data', data, '--out', run, '--config', config, '--threads', '1'];
  const trained = await startProgram(argv, flags);
  expect(trained.code, trained.stderr).toBe(0);
  const steps = (readJsonLines(join(run, 'metrics.jsonl')) as { stage: string; step: number; val_loss?: number }[])
    .filter(({ stage }) => stage === 'transformer')
    .map(({ step }) => step);
  expect(Math.max(...steps)).toBe(2);
});

test('help lists it while it is there; taken out, it is refused and its data is not recognised', async () => {
  expect((await tessera('train', '--help', '--all')).stdout).toMatch(/--format <[^>]*\blst\b/);
  removeFormat('lst');
  expect(() => removeFormat('lst')).toThrow('got lst, which is not defined');
  expect((await tessera('train', '--help', '--all')).stdout).not.toMatch(/\blst\b/);
  const { code, stderr } = await tessera('data', 'inspect', data, '--format', 'lst');
  expect(code).toBe(2);
  expect(stderr).toMatch(/^data inspect: --format: expected .*images.*, got .*lst/m);
  await expect(openDataset(data)).rejects.toThrow('no captioned image');
  await expect(openDataset(join(data, 'captions.lst'))).rejects.toThrow('a file of no known format');
  await expect(openDataset(data, { format: 'lst' })).rejects.toThrow('expected auto, metadata, parquet');
});

test('names are checked, and none is taken twice or away from those that come with Tessera', () => {
  const toy = { layout: 'nothing', recognise: () => false, read: async () => ({ items: [], problems: [] }) };
  for (const name of ['', 'A', 'a b', 'auto', 'images'])
    expect(() => defineFormat({ ...toy, name })).toThrow(UserError);
  expect(() => defineFormat({ ...toy, name: 'toy', layout: 'two\nlines' })).toThrow('expected a layout in one line');
  expect(() => removeFormat('images')).toThrow(UserError);
  expect(() => defineFormat({ ...toy, name: 'toy', layout: undefined as unknown as string })).toThrow(
    'defineFormat: layout: expected text, got nothing',
  );
  const before = allFormats();
  defineFormat({ ...toy, name: 'toy' });
  expect(() => defineFormat({ ...toy, name: 'toy' })).toThrow('defineFormat: expected a new name, got toy');
  expect(allFormats().map(({ name }) => name)).toEqual(['toy', ...before.map(({ name }) => name)]);
  removeFormat('toy');
  expect(allFormats()).toEqual(before);
});
