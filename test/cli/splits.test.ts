/**
 * @file Published splits through the commands: validation is held out, test is left alone unless it is asked for, and what
 * is asked for is kept with the run. Then a data set of which nothing is held out, by every command that would measure on it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/io/files.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import {
  captions,
  draw,
  fileOf,
  hardlyTrained,
  type Outcome,
  snapshot,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
  writeItem,
} from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const [data, run, few] = [at('data'), at('run'), at('few')];

/** Which drawings lie on which side. */
const sides = { train: captions.slice(0, 4), validation: captions.slice(4, 6), test: captions.slice(6) } as const;
const filesOn = (...names: (keyof typeof sides)[]) =>
  names.flatMap(side => sides[side].map(caption => `${side}/${fileOf(caption)}`)).sort();

const train = (out: string, ...flags: string[]) =>
  tessera('train', '--data', data, '--out', out, '--threads', '1', ...flags);
/** The items of which a run has codes. */
async function codesOf(out: string): Promise<{ readonly training: string[]; readonly heldOut: string[] }> {
  const { trainingCodes, heldOutCodes } = runPaths(out);
  const idsIn = async (path: string) => (JSON.parse((await readSafetensors(path)).metadata.ids) as string[]).toSorted(); // as codes.ts writes them
  return { training: await idsIn(trainingCodes), heldOut: await idsIn(heldOutCodes) };
}
let config: string;
let trained: Outcome;

beforeAll(async () => {
  for (const [side, some] of Object.entries(sides)) {
    for (const caption of some) await writeItem(at('data', side), fileOf(caption), await draw(caption), caption);
  }
  await writeDrawings(few, 16);
  config = writeConfig(at('config.json'), hardlyTrained);
  trained = await train(run, '--config', config);
}, 60_000);

describe('a published split', () => {
  test('is trained on, held out and left alone, and a line says so', async () => {
    expect(trained.code).toBe(0);
    expect(trained.stderr).toContain('published split: 4 train, 2 validation held out, 2 test not used (--split)\n');
    expect(trained.stderr).toContain('entries from 4 items');
    expect(await codesOf(run)).toEqual({ training: filesOn('train'), heldOut: filesOn('validation') });
    expect(existsSync(at('run', 'best.safetensors'))).toBe(true);
  });

  test('is asked for, kept with the run, and not to be changed', async () => {
    const both = at('both');
    const { code, stderr } = await train(both, '--config', config, '--split', 'test,train');
    expect(code).toBe(0);
    expect(stderr).toContain('published split: 4 train, 2 test trained on, 2 validation held out\n');
    expect(await codesOf(both)).toEqual({ training: filesOn('test', 'train'), heldOut: filesOn('validation') });
    expect(JSON.parse(readFileSync(join(both, 'config.json'), 'utf8')).images.split).toEqual(['train', 'test']);
    for (const same of ['train,test', 'test,train']) expect((await train(both, '--split', same)).code).toBe(0);
    const before = snapshot(both);
    const other = await train(both, '--split', 'train');
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('expected images.split ["train","test"]');
    expect(snapshot(both)).toEqual(before);
  }, 60_000);

  test('of another name is refused with the names there are', async () => {
    const { code, stderr } = await train(at('none'), '--split', 'val');
    expect({ code, made: existsSync(at('none')) }).toEqual({ code: 2, made: false });
    expect(stderr).toMatch(/--split: expected .*train, validation or test\b.*, got "?val/);
  });

  test('that leaves nothing to train on is refused with the flag that helps', async () => {
    const words = ['train', '--data', at('data', 'test'), '--out', at('none'), '--validation', '1'];
    const { code, stderr } = await tessera(...words);
    expect({ code, made: existsSync(at('none')) }).toEqual({ code: 2, made: false });
    expect(stderr).toMatch(/^data: no training image among 2\n {2}hint: lower --validation/m);
  });

  const evaluate = (...flags: string[]) =>
    tessera('eval', '--run', run, '--data', data, '-n', '4', '--metrics', 'nll,nearest', '--threads', '1', ...flags);

  test.each([
    ['validation', [], 'held-out', 2],
    ['test', ['--split', 'test'], 'test', 2],
    ['validation,test', ['--split', 'validation,test'], 'held-out and test', 4],
  ] as const)('is measured: %s', async (split, flags, words, images) => {
    const before = readJsonLines(runPaths(run).metrics).length;
    const { code, stdout, stderr } = await evaluate(...flags);
    expect(code).toBe(0);
    expect(stderr).toContain(`${words} images: done`);
    expect(stdout).toContain(`4 images of ${words} captions`);
    const lines = (readJsonLines(runPaths(run).metrics) as Record<string, unknown>[]).slice(before);
    expect(new Set(lines.map(line => line.split))).toEqual(new Set([split]));
    expect(lines.find(({ metric }) => metric === 'nll')).toMatchObject({ n: images, value: expect.any(Number) });
    expect(lines.find(({ metric, row }) => metric === 'nearest-ratio' && row === 'floor')).toMatchObject({ n: images });
  });

  test('is measured where it was trained on, without what needs other images', async () => {
    const { code, stdout } = await evaluate('--split', 'train');
    expect(code).toBe(0);
    expect(stdout).toContain('4 images of training captions');
    expect(stdout).toMatch(/^n\/a {2}nll, .*: the run was trained on these images$/m);
    expect(stdout).toMatch(/authentic +\d/);
  });

  test('is counted by data inspect, which shows what is asked for', async () => {
    const sheet = ['--sheet', at('sheet.png')];
    const whole = await tessera('data', 'inspect', data, ...sheet);
    expect(whole.stdout).toContain('images        8 ');
    expect(whole.stdout).toContain('split         4 train, 2 validation, 2 test\n');
    expect(whole.stdout).toContain('published split: 4 train, 2 validation held out, 2 test not used (--split)');
    const some = await tessera('data', 'inspect', data, '--split', 'test', '--json');
    const found = JSON.parse(some.stdout) as Record<string, unknown> & { items: { id: string }[] };
    expect(found).toMatchObject({ images: 2, train: 4, validation: 2, test: 2 });
    expect(found.items.map(({ id }) => id)).toEqual(filesOn('test'));
    expect(found.items).toMatchObject([{ split: 'test', published: 'test' }, { split: 'test' }]);
  });

  test('is put through the tokenizer, and looked through for the nearest images', async () => {
    const words = ['reconstruct', '--run', run, data, '--out', at('again.png'), '--threads', '1'];
    expect((await tessera(...words, '--split', 'validation,test')).stdout).toContain('4 images, ');
    const asked = ['--text', 'red circle', '-n', '1', '--outputs-dir', at('outputs'), '--nearest', '--data', data];
    const { code, stderr } = await tessera('sample', '--run', run, ...asked, '--split', 'test', '--threads', '1');
    expect(code).toBe(0);
    expect(stderr).toContain('test images: done');
  });
});

describe('where nothing is held out', () => {
  const none = (stderr: string) => stderr.match(/nothing is held out/g)?.length;
  const small = ['--image-size', '16', '--validation', '0', '--dim', '8', '--width', '16', '--image-width', '8'];

  test('features are trained, and not measured', async () => {
    const [out, flags] = [at('features'), ['--steps', '2', '--batch-size', '4', '--threads', '1']];
    const { code, stdout, stderr } = await tessera('features', '--data', few, '--out', out, ...small, ...flags);
    expect(code).toBe(0);
    expect(none(stderr)).toBe(1);
    expect(stdout).toBe(`${out}: trained; not measured, since nothing is held out\n`);
    const records = readJsonLines(join(out, 'metrics.jsonl')) as Record<string, unknown>[];
    expect(records[0]).toEqual({ stage: 'text', step: 0, note: 'nothing is held out' });
    expect(records.flatMap(record => Object.keys(record)).filter(key => key.startsWith('val_'))).toEqual([]);
  });

  test.each(['dcgan', 'diffusion'])(
    'a %s is trained to its end, and has no best weights',
    async family => {
      const [out, model] = [at(family), family === 'dcgan' ? ['--gan.width', '8'] : ['--diffusion.width', '16']];
      const size = ['--image-size', '16', '--validation', '0', '--text-train.steps', '2', '--steps', '2'];
      const flags = [...size, '--train.batchSize', '4', '--vocab-size', '300', '--plateau', '1', '--patience', '1'];
      const words = ['train', '--data', few, '--out', out, '--family', family, ...model, ...flags, '--threads', '1'];
      const { code, stderr } = await tessera(...words);
      expect(code).toBe(0);
      expect(stderr).toContain('nothing is held out (validation is 0)\n');
      expect(stderr).toContain('needs 8 held-out and 8 training images, there are 0 and 8');
      expect(stderr).toContain('plateau has no effect: nothing is held out');
      expect(stderr).toContain('patience has no effect: nothing is held out');
      const weights = ['ema', 'model', 'best'].map(kind => existsSync(join(out, `${kind}.safetensors`)));
      expect(weights).toEqual([true, true, false]);
      const log = readFileSync(join(out, 'metrics.jsonl'), 'utf8');
      expect(log).not.toMatch(/"(val|check)_/);
      const painting = ['sample', '--run', out, '--text', 'red circle', '-n', '1', '--outputs-dir', at(`of-${family}`)];
      expect((await tessera(...painting, '--threads', '1')).code).toBe(0);
    },
    60_000,
  );

  test('a comparison says so on its page, and has null for what would need more', async () => {
    const [alone, page] = [at('alone'), at('page.html')];
    await writeDrawings(at('large'));
    const flags = ['--config', config, '--threads', '1'];
    expect((await tessera('train', '--data', at('large'), '--out', alone, ...flags)).code).toBe(0);
    const asked = ['--data', at('large'), '--metrics', 'kid,nearest,nll', '-n', '8', '--out', page, '--threads', '1'];
    expect((await tessera('compare', alone, ...asked)).code).toBe(0);
    const html = readFileSync(page, 'utf8');
    expect(html).toContain('Captions of training images, since nothing is held out');
    expect(html).toContain('Captions painted: those of training images.');
    expect(html).toContain('Nothing is held out: there is no distance to compare these with.');
    expect(html).not.toMatch(/NaN|Infinity/);
    const json = readFileSync(at('page.json'), 'utf8');
    const { runs, grid } = JSON.parse(json);
    expect(grid).toMatchObject({ heldOut: false, captions: expect.arrayContaining(['red circle']) });
    expect(runs[0].nearest).toMatchObject({ heldOut: 0, heldOutMedian: null, ratio: null, heldOutRatios: [] });
    expect(runs[0].metrics.find(({ metric }: { metric: string }) => metric === 'nll')).toMatchObject({
      value: null,
      reason: 'nothing is held out',
    });
    // Measured once: what does not apply is known as well.
    const log = readFileSync(runPaths(alone).metrics, 'utf8');
    expect((await tessera('compare', alone, ...asked)).code).toBe(0);
    expect(readFileSync(runPaths(alone).metrics, 'utf8')).toBe(log);
  }, 60_000);
});
