/**
 * @file A run knows its data: the same pictures and captions elsewhere, under other names or in another format go on to the
 * same bits; whatever else has changed is named and refused, and taken only where that is asked for.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import type { StageName } from '../../src/families/family.ts';
import { type ExpectedCodes, readCodes, writeCodes } from '../../src/io/codes.ts';
import { readDataRecord } from '../../src/io/datarecord.ts';
import { fingerprint, runPaths } from '../../src/io/runfolder.ts';
import type { ProgressEvent } from '../../src/library/progress.ts';
import { train } from '../../src/library/train.ts';
import {
  captions,
  draw,
  fileOf,
  hardlyTrained,
  snapshot,
  startTessera,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
  writeItem,
} from './program.ts';

/** Crops are drawn by the name of an item, which must stay what it was. */
const config = {
  ...hardlyTrained,
  images: { ...hardlyTrained.images, validation: 0.3, crops: 2 },
  train: { ...hardlyTrained.train, steps: 1, batchSize: 4, logEvery: 1, saveEvery: 1 },
} satisfies RunConfigInput;
const CODEBOOK = 64;

const folder = temporaryFolder();
const file = join(folder, 'config.json');
const photos = join(folder, 'photos');
const half = join(folder, 'half');
const straight = join(folder, 'straight');

const trained = (data: string, out: string, ...flags: string[]) =>
  tessera('train', '--data', data, '--out', out, '--threads', '1', ...flags);
const goOn = (data: string, out: string, ...flags: string[]) => trained(data, out, '--steps', '2', ...flags);

/** A copy of something made before, to be changed. */
function copy(from: string, name: string): string {
  const to = join(folder, name);
  cpSync(from, to, { recursive: true, preserveTimestamps: true });
  return to;
}

const weights = (out: string) =>
  Object.fromEntries(
    Object.entries(snapshot(out)).filter(
      ([name]) => /\.safetensors$|tokenizer/.test(name) && !name.startsWith('state'),
    ),
  );

/** Codes of each image of a run, on both sides of its split. */
async function codesOf(out: string): Promise<Record<string, readonly number[]>> {
  const paths = runPaths(out);
  const expected = { tokenizer: await fingerprint(paths.patch), codebook: CODEBOOK, length: 16 };
  const sides: (readonly [string, ExpectedCodes])[] = [
    [paths.trainingCodes, { ...expected, crops: 2 }],
    [paths.heldOutCodes, { ...expected, crops: 1 }],
  ];
  const codes: Record<string, readonly number[]> = {};
  for (const [path, wanted] of sides) {
    const { set } = await readCodes(path, wanted);
    const each = set.crops * set.length;
    set.ids.forEach((id, i) => {
      codes[id] = [...set.codes.subarray(i * each, (i + 1) * each)];
    });
  }
  return codes;
}

async function tarOf(names: readonly string[]): Promise<Buffer> {
  const archive = pack();
  for (const name of names) archive.entry({ name }, readFileSync(join(photos, name)));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

beforeAll(async () => {
  writeConfig(file, config);
  await writeDrawings(photos);
  expect((await trained(photos, half, '--config', file)).code).toBe(0);
  const { code, stderr } = await goOn(photos, copy(half, 'straight'));
  expect(stderr).toContain('resumed at step 1');
  expect(code).toBe(0);
});

describe('the same data', () => {
  const pairs = captions.map(caption => [fileOf(caption), fileOf(caption).replace('.png', '.txt')] as const);
  const same: Record<string, () => Promise<string>> = {
    'in another folder': async () => copy(photos, 'moved'),
    'under other names': async () => {
      const root = copy(photos, 'renamed');
      for (const [i, names] of pairs.entries()) {
        // In another order, too.
        for (const name of names) renameSync(join(root, name), join(root, `${9 - i}${name.slice(name.indexOf('.'))}`));
      }
      return root;
    },
    'in an archive': async () => {
      const root = join(folder, 'archive.tar');
      writeFileSync(root, await tarOf(pairs.flat().reverse()));
      return root;
    },
    'in a table': async () => {
      const rows = captions.toReversed();
      const image = rows.map(caption => new Uint8Array(readFileSync(join(photos, fileOf(caption)))));
      const path = join(folder, 'table.parquet');
      const columnData = [
        { name: 'image', data: image, type: 'BYTE_ARRAY' as const },
        { name: 'text', data: rows, type: 'STRING' as const },
      ];
      writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData })));
      return path;
    },
  };
  for (const [where, make] of Object.entries(same)) {
    test(`${where} goes on to the same bits`, async () => {
      const out = copy(half, `same ${where}`);
      const { code, stderr } = await goOn(await make(), out);
      expect(stderr).not.toMatch(/changed|not the data/);
      expect(stderr).toContain('resumed at step 1');
      expect(code).toBe(0);
      expect(weights(out)).toEqual(weights(straight));
      const record = await readDataRecord(runPaths(out).dataRecord);
      const before = await readDataRecord(runPaths(half).dataRecord);
      const bare = (items: typeof record) => items.map(item => ({ ...item, stamp: '' }));
      expect(bare(record)).toEqual(bare(before));
    });
  }
});

describe('data that has changed', () => {
  const red = fileOf('red circle');
  const blue = fileOf('blue square');
  const changes: Record<string, { readonly change: (root: string) => Promise<void> | void; readonly says: string }> = {
    added: {
      change: async root => {
        for (const caption of ['pink circle', 'black square', 'brown circle'])
          await writeItem(root, fileOf(caption), await draw(caption), caption);
      },
      says: '3 added (black-square.png, brown-circle.png, pink-circle.png)',
    },
    removed: { change: root => rmSync(join(root, red)), says: `1 removed (${red})` },
    captions: {
      change: root => writeFileSync(join(root, 'red-circle.txt'), 'a red circle'),
      says: `1 with other captions (${red})`,
    },
    exchanged: {
      change: root => {
        renameSync(join(root, red), join(root, 'spare'));
        renameSync(join(root, blue), join(root, red));
        renameSync(join(root, 'spare'), join(root, blue));
      },
      says: `2 with other pictures (${blue}, ${red})`,
    },
    replaced: {
      change: async root => {
        const path = join(root, red);
        const before = statSync(path);
        const other = await draw('black circle');
        // A PNG may be longer than its picture: of the same size to the byte, and of the same time.
        const padded = Buffer.concat([other, Buffer.alloc(Math.max(0, before.size - other.length))]);
        writeFileSync(path, padded.subarray(0, before.size));
        utimesSync(path, before.atime, before.mtime);
        expect(statSync(path)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs });
      },
      says: `1 with other pictures (${red})`,
    },
    'all of it': {
      change: async root => {
        for (const caption of captions) {
          const other = caption.includes('circle') ? caption.replace('circle', 'square') : `dark${caption}`;
          await writeItem(root, fileOf(caption), await draw(other), `a ${other}`);
        }
      },
      says: '8 with other pictures (blue-circle.png, blue-square.png, green-circle.png, ...), 8 with other captions',
    },
  };

  for (const [name, { change, says }] of Object.entries(changes)) {
    test(`${name}: refused in one line that names it, and nothing is touched`, async () => {
      const root = copy(photos, `data ${name}`);
      await change(root);
      const out = copy(half, `refused ${name}`);
      const before = snapshot(out);
      const { code, stderr } = await goOn(root, out);
      expect(stderr).toContain(`train: ${root} is not the data that the run in ${out} was started with: ${says}`);
      // The hint can be pasted as it stands.
      expect(stderr).toContain(
        `tessera train --data '${root}' --out '${out}' --threads 1 --train.steps 2 --accept-changes`,
      );
      expect(code).toBe(2);
      expect(snapshot(out)).toEqual(before);
    });
  }

  test('is taken where that is asked for: codes of what changed are those of the new pictures, of the rest the same', async () => {
    const root = copy(photos, 'mixed');
    const out = copy(half, 'mixed run');
    for (const name of ['added', 'exchanged'] as const) await changes[name].change(root);
    rmSync(join(root, fileOf('green square')));
    const { code, stderr } = await goOn(root, out, '--accept-changes');
    expect(stderr).toMatch(
      /the data has changed: 3 added .*, 1 removed \(green-square.png\), 2 with other pictures .*/,
    );
    expect(code).toBe(0);
    // As if all of it were encoded anew with the same patch tokenizer.
    const fresh = copy(out, 'mixed again');
    rmSync(join(fresh, 'codes'), { recursive: true });
    expect((await trained(root, fresh)).code).toBe(0);
    const codes = await codesOf(out);
    expect(await codesOf(fresh)).toEqual(codes);
    const old = await codesOf(half);
    const names = [...captions, 'pink circle', 'black square', 'brown circle'].filter(each => each !== 'green square');
    expect(Object.keys(codes).sort()).toEqual(names.map(fileOf).sort());
    for (const caption of ['red square', 'blue circle', 'orange circle']) {
      expect(codes[fileOf(caption)]).toEqual(old[fileOf(caption)]);
    }
    // Neither the flag nor anything else is needed to go on.
    expect((await trained(root, out, '--steps', '3')).stderr).not.toContain('changed');
  });

  test('of a run that has nothing left to train is refused as well; without data it needs none', async () => {
    const root = copy(photos, 'finished data');
    changes.captions.change(root);
    const before = snapshot(half);
    expect(await trained(root, half)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('1 with other captions'),
    });
    const { code, stderr } = await trained(join(folder, 'nowhere'), half);
    expect(stderr).toContain('nothing is left to train, so that the data is not looked at');
    expect(code).toBe(0);
    expect(snapshot(half)).toEqual(before);
  });

  for (const until of ['captions', 'patch', 'codes'] satisfies StageName[]) {
    test(`is noticed after the stage ${until}`, async () => {
      const out = join(folder, `until ${until}`);
      expect(await train({ data: photos, out, config, until })).toEqual({ finished: true });
      const root = copy(photos, `exchanged ${until}`);
      changes.exchanged.change(root);
      const before = snapshot(out);
      await expect(train({ data: root, out })).rejects.toThrow(changes.exchanged.says);
      expect(snapshot(out)).toEqual(before);
    });
  }
});

test('changes that were accepted are settled, also where the run is stopped before the new pictures have codes', async () => {
  const root = copy(photos, 'stopped data');
  await writeItem(root, 'pink-circle.png', await draw('pink circle'), 'pink circle');
  const out = copy(half, 'stopped run');
  const stop = new AbortController();
  const onProgress = (event: ProgressEvent) => {
    if (event.type === 'stage' && event.stage === 'codes') stop.abort();
  };
  const first = await train({ data: root, out, acceptChanges: true, signal: stop.signal, onProgress });
  expect(first).toEqual({ finished: false });
  expect(Object.keys(await codesOf(out))).not.toContain('pink-circle.png');
  expect(await goOn(root, out)).toMatchObject({ code: 0, stderr: expect.not.stringContaining('changed') });
  expect(Object.keys(await codesOf(out)).sort()).toEqual([...captions, 'pink circle'].map(fileOf).sort());
});

test('a picture that cannot be decoded is no change, and has codes once it is mended', async () => {
  const root = copy(photos, 'cut data');
  const whole = await draw('pink circle');
  await writeItem(root, 'cut.png', whole.subarray(0, whole.length - 40), 'pink circle');
  const out = join(folder, 'cut run');
  const first = await trained(root, out, '--config', file);
  expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('cut.png: ') });
  expect(Object.keys(await codesOf(out))).not.toContain('cut.png');
  const second = await goOn(root, out);
  expect(second.stderr).toMatch(/\[3\/4\] codes: done before/);
  expect(second.code).toBe(0);
  writeFileSync(join(root, 'cut.png'), whole);
  const third = await trained(root, out, '--steps', '3');
  expect(third).toMatchObject({ code: 2, stderr: expect.stringContaining(': 1 with other pictures (cut.png)') });
  expect((await trained(root, out, '--steps', '3', '--accept-changes')).code).toBe(0);
  expect(Object.keys(await codesOf(out))).toContain('cut.png');
});

test('a picture that is replaced while the run trains is left out and named, and a change the next time', async () => {
  const root = copy(photos, 'replaced meanwhile');
  const out = join(folder, 'replaced run');
  const name = fileOf('red circle');
  const other = await draw('black circle');
  const said: string[] = [];
  const onProgress = (event: ProgressEvent) => {
    if (event.type === 'end' && event.stage === 'caption tokenizer') writeFileSync(join(root, name), other);
    if (event.type === 'message') said.push(event.text);
  };
  expect(await train({ data: root, out, config, until: 'codes', onProgress })).toEqual({ finished: true });
  expect(said.join('\n')).toContain(`${name}: another picture than when the training started`);
  const ids = Object.keys(await codesOf(out));
  expect(ids).toHaveLength(captions.length - 1);
  expect(ids).not.toContain(name);
  await expect(train({ data: root, out })).rejects.toThrow(`1 with other pictures (${name})`);
});

test('a GAN, which has no codes, knows its data as well', async () => {
  const out = join(folder, 'gan');
  const gan = {
    ...{ family: 'dcgan', images: { imageSize: 32, validation: 0.3 }, caption: config.caption },
    ...{ text: { width: 16, dim: 16, heads: 2, imageWidth: 4 }, textTrain: { steps: 1, batchSize: 4 } },
    ...{ gan: { width: 4, latent: 4 }, train: { steps: 1, batchSize: 4, checkSamples: 0 } },
  } satisfies RunConfigInput;
  expect(await train({ data: photos, out, config: gan })).toEqual({ finished: true });
  const root = copy(photos, 'gan data');
  changesOf(root);
  const before = snapshot(out);
  await expect(train({ data: root, out, config: { train: { steps: 2 } } })).rejects.toThrow(
    '1 removed (red-circle.png)',
  );
  expect(snapshot(out)).toEqual(before);
  expect(await train({ data: root, out, config: { train: { steps: 2 } }, acceptChanges: true })).toEqual({
    finished: true,
  });
  expect((await readDataRecord(runPaths(out).dataRecord)).map(({ id }) => id)).not.toContain('red-circle.png');
});

test('a run that was started before there was such a record says so, goes on, and has one from then on', async () => {
  const out = copy(half, 'old');
  const paths = runPaths(out);
  rmSync(paths.dataRecord);
  const tokenizer = await fingerprint(paths.patch);
  for (const [path, crops] of [
    [paths.trainingCodes, 2],
    [paths.heldOutCodes, 1],
  ] as const) {
    const { set } = await readCodes(path, { tokenizer, codebook: CODEBOOK, crops, length: 16 });
    await writeCodes(path, set, { tokenizer });
  }
  const { code, stderr } = await goOn(photos, out);
  expect(stderr).toContain('the data cannot be checked');
  expect(code).toBe(0);
  expect(weights(out)).toEqual(weights(straight));
  const root = copy(photos, 'old exchanged');
  changesOf(root);
  expect(await trained(root, out, '--steps', '3')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('1 removed'),
  });
});

function changesOf(root: string): void {
  rmSync(join(root, fileOf('red circle')));
}

test('features know their data too, and their refusals name them', async () => {
  const out = join(folder, 'features');
  const flags = ['--image-size', '16', '--validation', '0.3', '--text.width', '16', '--dim', '16', '--text.heads', '2'];
  const features = (data: string, ...more: string[]) => tessera('features', '--data', data, '--out', out, ...more);
  expect(
    (await features(photos, ...flags, '--text-train.batch-size', '4', '--steps', '1', '--threads', '1')).code,
  ).toBe(0);
  const root = copy(photos, 'features data');
  changesOf(root);
  const before = snapshot(out);
  expect(await features(root, '--steps', '2')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      `features: ${root} is not the data that the run in ${out} was started with: 1 removed`,
    ),
  });
  expect(await features(photos, '--seed', '5')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('features: expected seed 1, as the run in'),
  });
  expect(await features(join(folder, 'nowhere'), '--steps', '2')).toMatchObject({ code: 2 });
  expect(snapshot(out)).toEqual(before);
  expect(basename(out)).toBe('features');
});

describe('what is refused leaves the run as it was', () => {
  test('data that is not there, with other steps', async () => {
    const before = snapshot(half);
    const { code, stderr } = await trained(join(folder, 'nowhere'), half, '--steps', '50');
    expect(stderr).toContain('no such folder or file');
    expect(code).toBe(2);
    expect(snapshot(half)).toEqual(before);
  });

  test('another preset; the same one is said to change nothing', async () => {
    const before = snapshot(half);
    const { code, stderr } = await trained(photos, half, '--preset', 'base');
    expect(stderr).toMatch(/train: expected \S+ .*, as the run in .* has it, got .* of preset base/);
    expect(code).toBe(2);
    expect(snapshot(half)).toEqual(before);
    const out = join(folder, 'of a preset');
    const tiny = { patchTrain: { steps: 1 }, train: { steps: 1 } };
    await train({ data: photos, out, preset: 'tiny', config: tiny, until: 'captions' });
    const said: string[] = [];
    const onProgress = (event: { type: string; text?: string }) => said.push(event.text ?? '');
    await train({ data: photos, out, preset: 'tiny', until: 'captions', onProgress });
    expect(said).toContain('preset tiny is what a new run starts from; of one that is there it changes nothing');
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).train.steps).toBe(1);
  });

  test('a second process while the first one trains', async () => {
    const out = copy(half, 'held');
    let second: ReturnType<typeof tessera> | undefined;
    const argv = ['train', '--data', photos, '--out', out, '--threads', '1', '--steps', '1000000'];
    const first = await startTessera(argv, {
      onError: (soFar, child) => {
        if (second !== undefined || !soFar.includes('resumed at step 1')) return;
        second = trained(photos, out, '--steps', '900').finally(() => child.kill('SIGTERM'));
      },
    });
    expect(await second).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${out} is being trained by process`),
    });
    expect(first.code).toBe(143);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).train.steps).toBe(1000000);
  });
});

test('what says how to go on can be pasted as it stands', async () => {
  const data = copy(photos, "forty's photos");
  const out = join(folder, 'r s', 'p');
  const argv = ['--data', data, '--out', out, '--config', file, '--format', 'images', '--strict', '--threads', '1'];
  const stop = { signal: 'SIGINT', stage: 'patch tokenizer', step: 0 } as const;
  const { stderr } = await startTessera(['train', ...argv], { stop });
  const [, command] = stderr.match(/go on with: (tessera .*)/) as RegExpMatchArray;
  // Split as a shell does.
  const words = execFileSync('sh', ['-c', `set -- ${command}; printf '%s\\n' "$@"`], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(words).toEqual([
    ...['tessera', 'train', '--data', data, '--out', out],
    ...['--format', 'images', '--strict', '--threads', '1'],
  ]);
  expect(await tessera(...words.slice(1))).toMatchObject({ code: 0, stdout: expect.stringContaining('trained') });
  expect(weights(out)).toEqual(weights(half));
});

test('another engine than before is said; a file that does not tell which is refused before anything is written', async () => {
  const out = copy(half, 'other engine');
  const { engine } = runPaths(out);
  const here = JSON.parse(readFileSync(engine, 'utf8')) as { backend: string; precision: string };
  writeFileSync(engine, '{"backend": "abacus"}');
  const before = snapshot(out);
  expect(await goOn(photos, out)).toMatchObject({ code: 2, stderr: expect.stringContaining(`${engine}: precision`) });
  expect(snapshot(out)).toEqual(before);
  writeFileSync(engine, JSON.stringify({ backend: 'abacus', precision: 'wood' }));
  const { code, stderr } = await goOn(photos, out);
  expect(stderr).toContain(
    `${out} was trained on abacus (wood), and goes on on ${here.backend} (${here.precision}): it does not end with the bits of either alone`,
  );
  expect(code).toBe(0);
  expect(JSON.parse(readFileSync(engine, 'utf8'))).toEqual(here);
  expect((await trained(photos, out, '--steps', '3')).stderr).not.toContain('was trained on');
});
