/**
 * @file An exported run is a run: it paints what the rounded weights paint, is evaluated and compared, and says what it is.
 * What cannot be exported is refused with nothing written.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/io/files.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { fingerprint } from '../../src/io/runfolder.ts';
import { type TensorData, toFloat32 } from '../../src/io/safetensors.ts';
import { Tessera } from '../../src/library/tessera.ts';
import { hardlyTrained, snapshot, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const data = at('data');
const run = at('run');
const exported = at('exported');
const few = ['--metrics', 'recon', '--num-images', '4', '--reference', '4'];

const weightsOf = async (where: string, file = 'ema.safetensors') => readSafetensors(join(where, file));

/** To the nearest number with 8 bits of fraction; halfway to the even one. */
function rounded(value: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
  const below = Math.floor(value / unit);
  const rest = value / unit - below;
  return (rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below) * unit;
}

async function codesOf(where: string): Promise<Int32Array> {
  const model = await Tessera.load(where);
  try {
    let codes = new Int32Array(0);
    for await (const painting of model.paint('red circle', { seed: 3, images: 2, previews: false })) {
      codes = painting.codes.slice();
    }
    return codes;
  } finally {
    model.dispose();
  }
}

beforeAll(async () => {
  await writeDrawings(data);
  const config = writeConfig(at('config.json'), {
    ...hardlyTrained,
    images: { ...hardlyTrained.images, validation: 0.5 },
  });
  expect((await tessera('train', '--data', data, '--out', run, '--config', config)).code).toBe(0);
  expect((await tessera('eval', '--run', run, '--data', data, ...few)).code).toBe(0);
  writeFileSync(at('credits.md'), 'Drawn by hand.\n');
});

describe('tessera export', () => {
  test('writes a run without what only its training needs, and leaves the run as it was', async () => {
    const before = snapshot(run);
    const { code, stdout, stderr } = await tessera(
      ...['export', '--run', run, '--out', exported, '--attribution', at('credits.md')],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/exported: ema weights of step 2 in bf16, \d+\.\d MB\n$/);
    expect(snapshot(run)).toEqual(before);
    expect(readdirSync(exported).sort()).toEqual([
      'ATTRIBUTION.md',
      'README.md',
      'captions.jsonl.gz',
      'config.json',
      'ema.safetensors',
      'metrics.jsonl',
      'patch.safetensors',
      'samples.png',
      'tokenizer.json',
    ]);
    for (const same of ['captions.jsonl.gz', 'config.json', 'tokenizer.json', 'patch.safetensors', 'samples.png']) {
      expect(await fingerprint(join(exported, same))).toBe(await fingerprint(join(run, same)));
    }
    expect(readFileSync(join(exported, 'ATTRIBUTION.md'), 'utf8')).toBe('Drawn by hand.\n');
  });

  test('comes with a card of what is known of it, and writes over none', async () => {
    const card = readFileSync(join(exported, 'README.md'), 'utf8');
    expect(card).toContain('license: unknown\n');
    expect(card).toContain('# exported\n');
    expect(card).toMatch(/\d captioned images of `data`; \d more were held out: .* none 50%, chosen/);
    expect(card).toMatch(/^- `(red|blue|green|orange) (circle|square)`$/m);
    expect(card).toMatch(/at step 2 at its lowest/);
    expect(card).toMatch(/^\| PSNR of the tokenizer, dB \| [\d.]+ \(.* of reconstructions/m);
    expect(card).toContain('![Sheet of samples](samples.png)');
    expect(card).not.toContain(folder);
    const taken = at('taken');
    mkdirSync(taken);
    writeFileSync(join(taken, 'README.md'), 'mine');
    const refused = await tessera('export', '--run', run, '--out', taken);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('got one with README.md') });
    expect(readFileSync(join(taken, 'README.md'), 'utf8')).toBe('mine');
    const wrong = await tessera('export', '--run', run, '--out', at('licensed'), '--license', 'a licence');
    expect(wrong.stderr).toMatch(/^export: --license: expected a licence's name of small letters/);
    expect((await tessera('export', '--run', run, '--out', at('licensed'), '--license', 'mit')).code).toBe(0);
    expect(readFileSync(join(at('licensed'), 'README.md'), 'utf8')).toContain('license: mit\n');
  });

  test('keeps the matrices in half the bytes, and says where they are from', async () => {
    const [before, after] = [await weightsOf(run), await weightsOf(exported)];
    expect(after.metadata).toEqual({ ...before.metadata, dtype: 'bf16', weights: 'ema', source: 'run' });
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
    for (const [name, { shape, data: values }] of before.tensors) {
      const found = after.tensors.get(name) as TensorData;
      expect(found.shape).toEqual(shape);
      expect(found.dtype, name).toBe(shape.length > 1 ? 'BF16' : 'F32');
      const expected = Array.from(values as Float32Array, shape.length > 1 ? rounded : Number);
      expect(Array.from(toFloat32(found)), name).toEqual(expected);
    }
    const size = (where: string) => statSync(join(where, 'ema.safetensors')).size;
    expect(size(exported)).toBeLessThan(0.6 * size(run));
  });

  test('names the run in its log, not where it lay', () => {
    const [was, is] = [run, exported].map(where => readJsonLines(join(where, 'metrics.jsonl')) as { run?: string }[]);
    expect(was.some(record => record.run === run)).toBe(true);
    expect(is).toEqual(was.map(record => (record.run === undefined ? record : { ...record, run: 'run' })));
  });

  test('paints what the rounded weights paint', async () => {
    const copy = at('rounded');
    cpSync(run, copy, { recursive: true });
    const { tensors, metadata } = await weightsOf(run);
    const values = [...tensors].map(([name, tensor]): [string, TensorData] => {
      const source = tensor.data as Float32Array;
      return [name, { ...tensor, data: tensor.shape.length > 1 ? source.map(rounded) : source }];
    });
    await writeSafetensors(join(copy, 'ema.safetensors'), new Map(values), metadata);
    const codes = await codesOf(exported);
    expect(codes).toHaveLength(2 * 16);
    expect(codes).toEqual(await codesOf(copy));
  });

  test('of the last weights, whole: sample takes the only ones there are', async () => {
    const out = at('last');
    expect((await tessera('export', '--run', run, '--out', out, '--weights', 'last', '--dtype', 'f32')).code).toBe(0);
    expect(readdirSync(out)).toContain('model.safetensors');
    const [before, after] = [await weightsOf(run, 'model.safetensors'), await weightsOf(out, 'model.safetensors')];
    expect(after.tensors).toEqual(before.tensors);
    const painted = await tessera(
      ...['sample', '--run', out, '--text', 'red', '--num-images', '1', '--outputs-dir', at('painted')],
    );
    expect(painted.code).toBe(0);
    expect(JSON.parse(readFileSync(at('painted', 'red', 'caption.json'), 'utf8'))).toMatchObject({ weights: 'last' });
    // Those that were asked for are not there.
    const { code, stderr } = await tessera('sample', '--run', out, '--text', 'red', '--weights', 'best');
    expect(stderr).toMatch(/^load: weights: expected last, which .*last has, got best; /m);
    expect(code).toBe(2);
  });

  test('the copy is evaluated, compared, and exported again', async () => {
    const copy = at('copy');
    cpSync(exported, copy, { recursive: true });
    const measured = await tessera('eval', '--run', copy, '--data', data, ...few);
    expect(measured.code).toBe(0);
    expect(measured.stdout).toContain(`${copy}: step 2, ema weights`);
    const page = at('page.html');
    const compared = await tessera('compare', run, copy, '--captions', 'red circle', '--out', page);
    expect({ code: compared.code, warned: compared.stderr.includes('warning') }).toEqual({ code: 0, warned: false });
    const again = at('again');
    expect((await tessera('export', '--run', copy, '--out', again)).code).toBe(0);
    expect((await weightsOf(again)).tensors).toEqual((await weightsOf(copy)).tensors);
  });

  test('a rival takes its text encoder along', async () => {
    const gan = at('gan');
    const config = writeConfig(at('gan.json'), {
      ...hardlyTrained,
      textTrain: { steps: 2, batchSize: 8 },
      text: { dim: 8, width: 8, layers: 1, heads: 2, imageWidth: 8 },
      gan: { width: 4 },
      train: { ...hardlyTrained.train, optimizer: 'adamw' },
    });
    const trained = await tessera('train', '--data', data, '--out', gan, '--config', config, '--model', 'dcgan');
    expect(trained.code).toBe(0);
    expect((await tessera('export', '--run', gan, '--out', at('generator'))).code).toBe(0);
    expect(readdirSync(at('generator')).sort()).toEqual([
      ...['README.md', 'captions.jsonl.gz', 'config.json', 'ema.safetensors', 'metrics.jsonl'],
      ...['samples.png', 'text.safetensors', 'tokenizer.json'],
    ]);
    const argv = ['sample', '--run', at('generator'), '--text', 'red', '--outputs-dir', at('generated')];
    expect((await tessera(...argv)).code).toBe(0);
  });
});

test('an export that was stopped half-way is no run, and the same command completes it', async () => {
  const [straight, out] = [at('straight'), at('stopped')];
  expect((await tessera('export', '--run', run, '--out', straight)).code).toBe(0);
  const files = Object.keys(snapshot(straight));
  // Wherever it stops: before the first file, or after each in turn.
  for (const kept of [[], ['tokenizer.json'], files.filter(file => file !== 'config.json'), files]) {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out);
    const mark = { madeBy: 'tessera export', files: [...files, 'best.safetensors'] };
    writeFileSync(join(out, 'unfinished.json'), JSON.stringify(mark));
    for (const file of kept) writeFileSync(join(out, file), 'half of it');
    writeFileSync(join(out, 'best.safetensors'), 'of an export of other weights');
    writeFileSync(join(out, 'note.txt'), 'mine');
    const { code, stderr } = await tessera('export', '--run', run, '--out', out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { 'note.txt': note, 'README.md': _, ...rest } = snapshot(out);
    const { 'README.md': __, ...expected } = snapshot(straight);
    expect(rest).toEqual(expected);
    const card = (model: string) => readFileSync(join(model, 'README.md'), 'utf8');
    expect(card(out)).toBe(card(straight).replaceAll('straight', 'stopped'));
    expect(note).toBeDefined();
  }
});

describe('what is refused', () => {
  const out = at('new');

  async function refused(...argv: string[]): Promise<string> {
    const before = snapshot(folder);
    const { code, stderr } = await tessera(...argv);
    expect(code).toBe(2);
    expect(snapshot(folder)).toEqual(before);
    return stderr;
  }

  test('a folder with a run in it, or with anything else', async () => {
    expect(await refused('export', '--run', run, '--out', exported)).toMatch(
      /^export: --out: there is a run in .*exported already \(.*config\.json\)\n {2}hint: choose another folder/,
    );
    expect(await refused('export', '--run', run, '--out', run)).toMatch(/^export: --out: there is a run in/);
    mkdirSync(at('readme only'));
    writeFileSync(at('readme only', 'README.md'), '# A model\n');
    expect(await refused('export', '--run', run, '--out', at('readme only'))).toMatch(
      /readme only: expected a new or empty folder, or one with an export that was not finished, got one with README\.md\n/,
    );
  });

  test('no run, a run that is not trained, a damaged one', async () => {
    expect(await refused('export', '--run', data, '--out', out)).toMatch(/^export: no run in .*data \(looked for/);
    const half = at('half');
    cpSync(run, half, { recursive: true });
    for (const file of ['ema', 'best', 'model']) rmSync(join(half, `${file}.safetensors`), { force: true });
    expect(await refused('export', '--run', half, '--out', out)).toMatch(/^load: the transformer of .* is not trained/);
    const other = at('other captions');
    cpSync(run, other, { recursive: true });
    writeFileSync(join(other, 'tokenizer.json'), `${readFileSync(join(run, 'tokenizer.json'), 'utf8')}\n`);
    expect(await refused('export', '--run', other, '--out', out)).toContain(
      'was trained with another caption tokenizer',
    );
  });

  test('a type that is none, an attribution that cannot be read', async () => {
    expect(await refused('export', '--run', run, '--out', out, '--dtype', 'int4')).toContain(
      'export: --dtype: expected one of bf16 or f32, got "int4"',
    );
    expect(await refused('export', '--run', run, '--out', out, '--attribution', at('nowhere'))).toMatch(
      /^export: --attribution: .*nowhere: expected a file, got none/,
    );
    expect(existsSync(out)).toBe(false);
  });

  test('training that would go on without a state', async () => {
    expect(await refused('train', '--data', data, '--out', exported)).toMatch(
      /^train: the run in .*exported was exported, without what its training goes on from/m,
    );
  });
});
