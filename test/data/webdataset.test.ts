/** @file WebDataset shards: which picture comes with which captions, compressed and damaged shards, and hostile ones. */

import { appendFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { Random } from '../../src/core/random.ts';
import { folder, plain, seen, type TarEntry, tar } from './files.ts';

/** A folder with one shard. */
async function shard(entries: Parameters<typeof tar>[0], name = '0.tar'): Promise<string> {
  return await folder({ [name]: await tar(entries) });
}

const red = await plain('red');
const blue = await plain('blue');
const lime = await plain('lime');
const jpeg = await plain('red', 12, 10, 'jpeg');

describe('what belongs together', () => {
  test('a picture and the text of its stem, in whatever folder of the archive', async () => {
    const long = `${'deep/'.repeat(30)}0002`;
    const root = await folder({
      'train-0.tar': await tar({
        '0001.png': red,
        '0001.txt': 'red\nscarlet',
        [`${long}.json`]: '{"caption": "blue"}',
        [`${long}.jpg`]: jpeg,
        './C.PNG': lime,
        'C.TXT': 'green',
        '._C.png': 'x',
        'PaxHeaders.1/C.png': 'x',
        '0003.png': red,
      }),
      'train-1.tar': await tar({ '0001.txt': 'again', '0001.png': blue, '0004.txt': 'no image' }),
    });
    expect(await seen(root)).toEqual({
      format: 'webdataset',
      items: {
        'train-0.tar/0001.png': ['red', 'red', 'scarlet'],
        [`train-0.tar/${long}.jpg`]: ['red', 'blue'],
        'train-0.tar/C.PNG': ['lime', 'green'],
        'train-1.tar/0001.png': ['blue', 'again'],
      },
      problems: {
        'train-0.tar/0003.png': 'no caption (looked for 0003.txt and 0003.json)',
        'train-1.tar/0004.txt': 'a caption without its image',
      },
      unused: {},
      notices: [],
    });
    const one = await openDataset(join(root, 'train-0.tar'));
    expect(Buffer.from(await one.items[0].read())).toEqual(red);
  });

  test('a stem with dots is its own where picture and text have it both', async () => {
    const root = await shard({
      'photo 1.0.png': red,
      'photo 1.0.txt': 'red',
      'photo 1.5.png': blue,
      'photo 1.5.txt': 'blue',
      'photo 1.7.png': lime,
      'x.png': lime,
      'x.png.txt': 'green',
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      '0.tar/photo 1.0.png': ['red', 'red'],
      '0.tar/photo 1.5.png': ['blue', 'blue'],
      '0.tar/x.png': ['lime', 'green'],
    });
    expect(problems).toEqual({
      '0.tar/photo 1.7.png': 'no caption (looked for photo 1.7.txt and photo 1.7.json)',
    });
  });

  test('the picture of a sample is never a depth map, a mask or one of a pair', async () => {
    const root = await shard({
      'a.depth.png': blue,
      'a.jpg': jpeg,
      'a.seg.png': blue,
      'a.txt': 'red',
      'b.input.jpg': jpeg,
      'b.output.jpg': jpeg,
      'b.txt': 'make it red',
      'c.image.png': lime,
      'c.mask.png': blue,
      'c.caption.txt': 'green',
      'd.depth.png': blue,
      'd.txt': 'blue',
    });
    const { items, problems, unused } = await seen(root);
    expect(items).toEqual({ '0.tar/a.jpg': ['red', 'red'], '0.tar/c.image.png': ['lime', 'green'] });
    expect(problems).toEqual({
      '0.tar/b.txt':
        'a caption of which picture? The sample has input.jpg, output.jpg, and none without a word before the ending',
      '0.tar/d.txt': expect.stringContaining('The sample has depth.png'),
    });
    expect(Object.keys(unused)).toEqual(['*.depth.png', '*.mask.png', '*.seg.png']);
  });

  test('of several pictures of one sample JPEG counts before PNG, and the other is named', async () => {
    const root = await shard({ 'a.png': blue, 'a.jpg': jpeg, 'a.txt': 'red', 'b.bmp': 'BM', 'b.txt': 'blue' });
    expect(await seen(root)).toMatchObject({
      items: { '0.tar/a.jpg': ['red', 'red'] },
      problems: {
        '0.tar/a.png': 'another picture beside a.jpg, which is taken',
        '0.tar/b.bmp': '.bmp pictures are not read; make it a PNG or JPEG',
      },
    });
  });

  test('captions come from the first field that has some, in a fixed order, and are never merged', async () => {
    const root = await shard({
      'a.png': red,
      'a.json': '{"caption": "of json"}',
      'a.caption': 'of caption',
      'a.txt': 'of txt',
      'b.png': red,
      'b.txt': ' \n',
      'b.json': '{"prompt": "not this", "captions": ["one", "two"], "text": ""}',
      'c.png': red,
      'c.json': '["of a list"]',
      'd.png': red,
      'd.json': '"of a string"',
      'e.png': red,
      'e.json': '{"caption": 7}',
      'f.png': red,
      'f.txt': Buffer.from([0xe9, 0x74, 0xe9]),
      'g.png': red,
      'g.json': '{"url": "u"}',
      'h.png': red,
      'h.json': '['.repeat(100_000),
      'i.png': red,
      'i.txt': 'x'.repeat(2 * 2 ** 20),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      '0.tar/a.png': ['red', 'of txt'],
      '0.tar/b.png': ['red', 'one', 'two'],
      '0.tar/c.png': ['red', 'of a list'],
      '0.tar/d.png': ['red', 'of a string'],
    });
    expect(problems).toEqual({
      '0.tar/e.png': 'e.json has no caption: the field caption is no text: a number (7)',
      '0.tar/f.png': expect.stringMatching(/^f\.txt is not UTF-8 or UTF-16 text/),
      '0.tar/g.png': 'g.json has no caption: no text or caption field (fields: url)',
      '0.tar/h.png': expect.stringMatching(/^h\.json is not readable as JSON/),
      '0.tar/i.png': 'i.txt is longer than 1 MiB',
    });
  });

  test('names are matched in canonical Unicode and without regard to case where nothing else fits', async () => {
    const root = await shard({
      'cafe\u0301.png': red,
      'caf\u00e9.txt': 'red',
      'IMG_1.png': blue,
      'img_1.txt': 'blue',
      'A.png': lime,
      'a.png': lime,
      'a.txt': 'green',
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      '0.tar/cafe\u0301.png': ['red', 'red'],
      '0.tar/IMG_1.png': ['blue', 'blue'],
      '0.tar/a.png': ['lime', 'green'],
    });
    expect(problems).toEqual({ '0.tar/A.png': 'no caption (looked for A.txt and A.json)' });
  });

  test('a prompt that says the same of every image is no caption', async () => {
    const prompts = async (a: string, b: string) => {
      const [one, two] = [a, b].map(prompt => JSON.stringify({ prompt }));
      return await seen(
        await folder({
          '0.tar': await tar({ 'a.png': red, 'a.json': one, 'c.png': red, 'c.txt': 'red' }),
          '1.tar': await tar({ 'b.png': blue, 'b.json': two }),
        }),
      );
    };
    const same = await prompts('Describe it.', 'Describe it.');
    expect(same.items).toEqual({ '0.tar/c.png': ['red', 'red'] });
    expect(Object.keys(same.problems)).toEqual(['0.tar/a.png', '1.tar/b.png']);
    const { items } = await prompts('a red sea', 'a blue sea');
    expect([items['0.tar/a.png'], items['1.tar/b.png']]).toEqual([
      ['red', 'a red sea'],
      ['blue', 'a blue sea'],
    ]);
  });

  test('of members with one name the last counts, as in unpacking, and this is said', async () => {
    const root = await shard([
      { name: 'a.png', content: red },
      { name: 'a.txt', content: 'red' },
      { name: 'a.png', content: blue },
      { name: 'a.txt', content: 'blue' },
    ]);
    const { items, problems } = await seen(root);
    expect(items).toEqual({ '0.tar/a.png': ['blue', 'blue'] });
    expect(problems['0.tar']).toBe(
      'members whose name comes again, of which the last counts, as in unpacking (2, e.g. a.png)',
    );
  });

  test('links are read as what they lead to, or named', async () => {
    const link = (name: string, linkname: string, type: 'link' | 'symlink' = 'link'): TarEntry => ({
      ...{ name, linkname, type },
    });
    const root = await shard([
      { name: 'x/a.png', content: red },
      { name: 'x/a.txt', content: 'red' },
      link('b.png', 'x/a.png'),
      { name: 'b.txt', content: 'red again' },
      link('x/c.png', 'd.png', 'symlink'),
      link('x/c.txt', '../x/a.txt', 'symlink'),
      link('x/d.png', 'x/a.png'),
      link('e.png', 'e.png'),
      link('f.png', '../../etc/passwd', 'symlink'),
    ]);
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      '0.tar/x/a.png': ['red', 'red'],
      '0.tar/b.png': ['red', 'red again'],
      '0.tar/x/c.png': ['red', 'red'],
    });
    expect(problems).toEqual({
      '0.tar': 'links to no picture or caption of the shard (2, e.g. e.png)',
      '0.tar/x/d.png': 'no caption (looked for x/d.txt and x/d.json)',
    });
  });

  test('a picture and its text in different shards are named, members of other kinds counted', async () => {
    const root = await folder({
      '0.tar': await tar({ 'a.png': red, 'a.txt': 'red', 'a.cls': '1', 'a.emb.npy': 'x', 'b.png': blue }),
      '1.tar': await tar({ 'b.txt': 'blue', 'c.png': lime, 'c.txt': 'green', 'c.cls': '2' }),
    });
    const { items, problems, unused } = await seen(root);
    expect(items).toEqual({ '0.tar/a.png': ['red', 'red'], '1.tar/c.png': ['lime', 'green'] });
    expect(problems['0.tar/b.png']).toContain('another part of b is in 1.tar');
    expect(problems['1.tar/b.txt']).toContain('another part of b is in 0.tar');
    expect(Object.entries(unused).map(([id, what]) => [id, what.slice(0, 4)])).toEqual([
      ['*.cls', '2 in'],
      ['*.npy', '1 in'],
    ]);
  });

  test('numbers of classes are no captions, and that is said', async () => {
    const root = await folder({
      '0.tar': await tar({ 'a.png': red, 'a.cls': '0' }),
      '1.tar': await tar({ 'b.png': blue, 'b.txt': 'blue' }),
    });
    expect((await seen(root)).problems).toEqual({
      '0.tar/a.png': 'no caption (looked for a.txt and a.json); .cls members hold numbers of classes and no captions',
    });
  });

  test("img2dataset's own output is read as it stands", async () => {
    const report = 'PAR1'; // never opened: it tells nothing that the shard does not
    const root = await folder({
      '00000.tar': await tar({
        '000000001.jpg': jpeg,
        '000000001.txt': 'red',
        '000000001.json': JSON.stringify({ caption: 'red', url: 'u', status: 'success', error_message: null }),
      }),
      '00000.parquet': report,
      '00000_stats.json': '{"count": 2, "successes": 1}',
    });
    expect(await seen(root, { strict: true, format: 'webdataset' })).toMatchObject({
      items: { '00000.tar/000000001.jpg': ['red', 'red'] },
      problems: {},
      unused: {},
    });
  });
});

describe('compressed shards', () => {
  test('gzip is read, by content and not by name, beside plain shards, and said', async () => {
    const root = await folder({
      '0.tar': await tar({ 'a.png': red, 'a.txt': 'red' }),
      '1.tar.gz': gzipSync(await tar({ 'a.png': blue, 'a.txt': 'blue', 'b.jpg': jpeg, 'b.txt': 'red' })),
      '2.tgz': gzipSync(await tar({ 'a.png': lime, 'a.txt': 'green' })),
      '3.tar': gzipSync(await tar({ 'a.png': red, 'a.txt': 'zipped' })),
      '4.tar.gz': await tar({ 'a.png': lime, 'a.txt': 'plain' }),
    });
    const { items, problems, notices } = await seen(root, { strict: true });
    expect(items).toEqual({
      '0.tar/a.png': ['red', 'red'],
      '1.tar.gz/a.png': ['blue', 'blue'],
      '1.tar.gz/b.jpg': ['red', 'red'],
      '2.tgz/a.png': ['lime', 'green'],
      '3.tar/a.png': ['red', 'zipped'],
      '4.tar.gz/a.png': ['lime', 'plain'],
    });
    expect([problems, notices]).toEqual([{}, [expect.stringMatching(/^3 compressed shards are unpacked into /)]]);
    expect((await seen(join(root, '2.tgz'))).items).toEqual({ '2.tgz/a.png': ['lime', 'green'] });
  });

  test('other compressions are named with the command that undoes them', async () => {
    const root = await folder({
      '0.tar': await tar({ 'a.png': red, 'a.txt': 'red' }),
      '1.tar.bz2': 'BZh91AY',
      '2.tar.xz': Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]),
      '3.tar.zst': Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 4]),
    });
    expect((await seen(root)).problems).toEqual({
      '1.tar.bz2': 'compressed with bzip2, which is not read; unpack it (bunzip2)',
      '2.tar.xz': 'compressed with xz, which is not read; unpack it (unxz)',
      '3.tar.zst': 'compressed with zstd, which is not read; unpack it (unzstd)',
    });
  });

  test('a cut one gives what came before the break, one made to fill the disk is not read', async () => {
    const random = new Random(1);
    const noise = Uint8Array.from({ length: 20_000 }, () => random.integer(256));
    const whole = gzipSync(await tar({ 'a.png': red, 'a.txt': 'red', 'b.txt': 'noise', 'b.png': noise }));
    const header = (await tar([{ name: 'a.png', content: new Uint8Array(2 ** 26) }])).subarray(0, 512);
    const zeros = gzipSync(Buffer.alloc(2 ** 24));
    const bomb = Buffer.concat([gzipSync(header), ...Array.from({ length: 5 }, () => zeros)]);
    const root = await folder({ '0.tar.gz': whole.subarray(0, whole.length - 500), '1.tar.gz': bomb });
    const { items, problems } = await seen(root);
    expect(items).toEqual({ '0.tar.gz/a.png': ['red', 'red'] });
    expect(problems['0.tar.gz']).toMatch(/^the archive breaks off or is damaged \(unexpected end of file\)/);
    expect(problems['1.tar.gz']).toContain('unpacks to more than 200 times its size');
  });
});

describe('damaged and hostile shards', () => {
  test('a truncated shard gives what came before the break, one without an end is whole', async () => {
    const png = await plain('red', 64, 64);
    const whole = await tar({ 'a.png': png, 'a.txt': 'first', 'b.txt': 'second', 'b.png': png });
    // A header of 512 bytes comes before the body; cut inside the last body.
    const root = await folder({ 's.tar': whole.subarray(0, whole.indexOf('b.png') + 512 + 50) });
    const { items, problems } = await seen(root);
    expect(items).toEqual({ 's.tar/a.png': ['red', 'first'] });
    expect(problems['s.tar']).toMatch(/^the archive breaks off or is damaged/);
    await expect(openDataset(root, { strict: true })).rejects.toThrow('breaks off');
    await writeFile(join(root, 's.tar'), whole.subarray(0, whole.length - 1024));
    expect((await seen(root, { strict: true })).items).toMatchObject({ 's.tar/b.png': ['red', 'second'] });
  });

  test('names that climb, are endless or hostile cost their members alone', async () => {
    const root = await shard([
      { name: '../../x.png', content: red },
      { name: '/etc/y.png', content: red },
      { name: `${'n'.repeat(2 ** 20)}.png`, content: red },
      { name: 'p.png', type: 'fifo' },
      { name: 's.txt', content: '1\n0\n3\nred', pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' } },
      { name: '__proto__.png', content: blue },
      { name: '__proto__.json', content: '{"__proto__": {"caption": "not this"}, "text": "blue"}' },
      { name: 'constructor', content: 'x' },
      { name: 'a.png', content: red },
      { name: 'a.txt', content: 'red' },
    ]);
    const { problems, items } = await openDataset(root);
    expect(items.map(({ id, captions }) => [id, captions[0]])).toEqual([
      ['0.tar/__proto__.png', 'blue'],
      ['0.tar/a.png', 'red'],
    ]);
    expect(problems.map(({ what }) => what).sort()).toEqual([
      'members of a kind that is not read, as sparse files, devices and pipes (2, e.g. p.png)',
      'names of more than 4096 characters ('.concat('n'.repeat(100), ')'),
      'names that lead out of the archive (2, e.g. ../../x.png)',
    ]);
  });

  test('sizes that cannot be are the end of the archive, and no memory is taken for them', async () => {
    const good = await tar({ 'a.png': red, 'a.txt': 'red' });
    const start = good.subarray(0, good.length - 1024);
    const size = (octal: string | Buffer): Buffer => {
      const header = Buffer.from(Buffer.from(start.subarray(0, 512)));
      header.write('b.png\0', 0);
      header.set(typeof octal === 'string' ? Buffer.from(octal.padEnd(12, '\0')) : octal, 124);
      header.fill(' ', 148, 156);
      header.write(
        `${header
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148,
      );
      return Buffer.concat([start, header, Buffer.alloc(1024)]);
    };
    const huge = Buffer.concat([Buffer.from([0x80, 0, 0, 0]), Buffer.from([0x10, 0, 0, 0, 0, 0, 0, 0])]);
    const root = await folder({
      'huge.tar': size(huge),
      'negative.tar': size(Buffer.alloc(12, 0xff).fill(0x9c, 11)),
      'pax.tar': await tar([
        { name: 'a.png', content: red },
        { name: 'a.txt', content: 'red' },
        { name: 'c.png', content: red, pax: { size: '1152921504606846976' } },
      ]),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      'huge.tar/a.png': ['red', 'red'],
      'negative.tar/a.png': ['red', 'red'],
      'pax.tar/a.png': ['red', 'red'],
    });
    expect(problems).toEqual(
      Object.fromEntries(
        ['huge.tar', 'negative.tar', 'pax.tar'].map(name => [name, expect.stringMatching(/^the archive breaks/)]),
      ),
    );
  });

  test('a shard without files says so, and an endless extended header ends it', async () => {
    const pax = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`key${i}`, 'x']));
    const root = await folder({
      'empty.tar': '',
      'nothing.tar': await tar({}),
      'text.tar': 'this is no archive'.repeat(100),
      'x.tar': await tar([
        { name: 'a.png', content: red },
        { name: 'a.txt', content: 'red' },
        { name: 'b.png', content: red, pax },
      ]),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({ 'x.tar/a.png': ['red', 'red'] });
    expect(problems).toEqual({
      'empty.tar': 'holds no files',
      'nothing.tar': 'holds no files',
      'text.tar': 'the archive breaks off or is damaged (a header that is none); kept what came before',
      'x.tar': 'has an extended header of more than 1000 records; not read on',
    });
  });

  test('a shard that changes or vanishes after it was opened gives no bytes, rather than others', async () => {
    const root = await shard({ 'a.png': red, 'a.txt': 'red' });
    const path = join(root, '0.tar');
    const { items } = await openDataset(root);
    await utimes(path, 1, 1);
    await expect(items[0].read()).rejects.toThrow('0.tar has changed since it was opened');
    const again = await openDataset(root);
    await appendFile(path, Buffer.alloc(512));
    await utimes(path, 1, 1);
    await expect(again.items[0].read()).rejects.toThrow('0.tar has changed since it was opened');
    await rm(path);
    await expect(again.items[0].read()).rejects.toThrow('0.tar is not there any more');
  });
});

test('the caption of a picture that is not read is named as that', async () => {
  const root = await folder({
    '0.tar': await tar({ 'a.heic': 'x', 'a.txt': 'a', 'b.png': await plain('blue'), 'b.txt': 'blue' }),
  });
  const { items, problems, unused } = await seen(root);
  expect(items).toEqual({ '0.tar/b.png': ['blue', 'blue'] });
  expect(problems).toEqual({
    '0.tar/a.heic': '.heic pictures are not read; make it a PNG or JPEG',
    '0.tar/a.txt': 'the caption of a.heic, which is not read',
  });
  expect(unused).toEqual({});
});
