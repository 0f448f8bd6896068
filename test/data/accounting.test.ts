/** @file Every file of a folder is used, or named with the reason that is true of it. */

import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { isImageName } from '../../data/files.ts';
import { formatInspection, inspectDataset } from '../../data/inspect.ts';
import { openDataset } from '../../data/open.ts';
import { problemLines } from '../../data/reasons.ts';
import { UserError } from '../../src/core/errors.ts';
import { folder, plain, seen, tar } from './files.ts';

const [red, blue] = [await plain('red'), await plain('blue')];
const pair = { 'red.png': red, 'red.txt': 'red' };

async function refusal(path: string, options = {}): Promise<UserError> {
  const error = await openDataset(path, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof UserError)) throw new Error(`expected a UserError, got ${error}`);
  return error;
}

/** The smallest bitmap: one red pixel. */
function bitmap(): Buffer {
  const bytes = Buffer.alloc(58);
  bytes.write('BM');
  bytes.writeUInt32LE(58, 2);
  for (const [at, value] of [[10, 54], [14, 40], [18, 1], [22, 1]] as const) bytes.writeUInt32LE(value, at); // biome-ignore format: a table
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  bytes[56] = 255;
  return bytes;
}

describe('what lies beside the data', () => {
  test('layouts that lost against another, kinds that are not read, and the rest', async () => {
    const found = await seen(
      await folder({
        'a.tar': await tar({ 'x.png': red, 'x.txt': 'red' }),
        'blue.png': blue,
        'blue.txt': 'blue',
        'b.heic': 'heic',
        'b.txt': 'of b.heic',
        'old.zip': 'PK',
        'more.tar.zst': 'zst',
        'x.tfrecord': 'x',
        'README.md': 'about',
        LICENSE: 'mine',
        'notes.txt': 'of no picture',
        'read.py': 'print()',
        'x.npz': 'latents',
      }),
    );
    expect(found.items).toEqual({ 'a.tar/x.png': ['red', 'red'] });
    const other = 'not used: the data are read as webdataset';
    expect(found.problems).toMatchObject({
      'blue.png': other,
      'blue.txt': `a text of blue.png, ${other}`,
      'b.heic': '.heic pictures are not read; make it a PNG or JPEG',
      'b.txt': `a text of b.heic, ${other}`,
      'old.zip': '.zip files are not read; unpack it',
      'x.tfrecord': '.tfrecord files are not read; unpack it',
    });
    expect(Object.keys(found.problems)).toContain('more.tar.zst');
    expect(Object.keys(found.unused)).toEqual(['LICENSE', 'README.md', 'notes.txt', 'read.py', 'x.npz']);
  });

  test('names that lie: what is a picture is read by its bytes, or said to be one', async () => {
    const jpeg = await plain('blue', 12, 10, 'jpeg');
    const { items, problems } = await seen(
      await folder({
        ...pair,
        ...{ 'webp.jpg': await plain('blue', 12, 10, 'webp'), 'webp.txt': 'blue' },
        ...{
          'svg.jpg':
            '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="#00f"/></svg>',
        },
        ...{ 'svg.txt': 'blue', 'a.bmp': jpeg, 'b.jpg_large': jpeg, 'c.jpeg.1': jpeg, d: jpeg },
      }),
    );
    expect(items).toEqual({
      'red.png': ['red', 'red'],
      'webp.jpg': ['blue', 'blue'],
      'svg.jpg': ['blue', 'blue'],
    });
    const what = 'a JPEG picture whose name does not end like one; rename it';
    expect(problems).toEqual({ 'a.bmp': what, 'b.jpg_large': what, 'c.jpeg.1': what, d: what });
  });

  test('what systems leave is passed by; what is hidden is counted', async () => {
    const { items, problems, unused } = await seen(
      await folder({
        ...pair,
        ...{ '.DS_Store': 'x', 'Thumbs.db': 'x', '._red.png': 'x', '__MACOSX/._red.png': 'x', 'desktop.ini': 'x' },
        ...{ '@eaDir/red.png/SYNOPHOTO_THUMB_M.jpg': red, 'sub/@eaDir/x.png': red },
        ...{ '.hidden.png': red, '.git/HEAD': 'x', '.git/config': 'x' },
      }),
    );
    expect(items).toEqual({ 'red.png': ['red', 'red'] });
    expect(problems).toEqual({});
    const what = 'hidden (its name begins with a dot)';
    expect(unused).toEqual({ '.git': what, '.hidden.png': what });
  });

  test('a folder called like a picture is a folder', async () => {
    const { items, problems } = await seen(
      await folder({ 'a.jpg/red.png': red, 'a.jpg/red.txt': 'red', 'a.txt': 'lost' }),
    );
    expect(items).toEqual({ 'a.jpg/red.png': ['red', 'red'] });
    expect(problems).toEqual({ 'a.txt': 'a caption without its image' });
  });

  test('links are followed once, and what is no file is named', async () => {
    const elsewhere = await folder({ 'blue.png': blue, 'blue.txt': 'blue' });
    const root = await folder({ 'real/red.png': red, 'real/red.txt': 'red' });
    await symlink('nowhere', join(root, 'broken.png'));
    await symlink('real', join(root, 'a-link'));
    await symlink('.', join(root, 'loop'));
    await symlink(elsewhere, join(root, 'other'));
    await mkdir(join(root, 'pipes'));
    execFileSync('mkfifo', [join(root, 'pipes/pipe.png')]);
    const { items, problems, unused } = await seen(root);
    expect(items).toEqual({ 'other/blue.png': ['blue', 'blue'], 'real/red.png': ['red', 'red'] });
    expect(problems).toEqual({
      'broken.png': 'a link that leads nowhere',
      'pipes/pipe.png': 'a named pipe, not a file',
    });
    expect(unused).toEqual({
      'a-link': 'a link to real, which is read already',
      loop: 'a link to the folder itself, which is read already',
    });
    await expect(openDataset(root, { strict: true })).rejects.toThrow(
      'broken.png: a link that leads nowhere (and 1 more)',
    );
    expect((await refusal(join(root, 'pipes/pipe.png'))).message).toContain(
      'expected a folder or a regular file, got a named pipe',
    );
  });

  test('files that nobody expects to be used do not stop the strict', async () => {
    const root = await folder({ ...pair, 'README.md': 'x', 'classes.txt': 'cat', '.hidden': 'x', 'stats.json': '{}' });
    const { items, unused } = await openDataset(root, { strict: true });
    expect(items.map(({ id }) => id)).toEqual(['red.png']);
    expect(unused.map(({ id }) => id)).toEqual(['.hidden', 'README.md', 'classes.txt', 'stats.json']);
  });
});

describe('why a picture is not read', () => {
  const parts: Readonly<Record<string, readonly [string | Uint8Array, string]>> = {
    'page.jpg': ['<!DOCTYPE html><html><body>404</body></html>', 'not a picture (an HTML page)'],
    'error.jpg': ['<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'not a picture (an XML document)'],
    'lfs.png': [
      'version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n',
      'not a picture (a pointer of Git LFS; `git lfs pull` fetches the picture)',
    ],
    'json.png': ['{"error": "not found"}', 'not a picture (JSON)'],
    'text.gif': ['not found', 'not a picture (text)'],
    'zeros.png': [Buffer.alloc(5000), 'not a picture (zeros only)'],
    'zip.webp': [Buffer.from('PK\x03\x04rest'), 'not a picture (a ZIP archive)'],
    'noise.png': [Buffer.from([0x80, 0xf3, 2, 0, 9]), 'not a picture (bytes of no known kind)'],
    'empty.png': ['', 'empty file (0 bytes)'],
    'bitmap.jpg': [bitmap(), 'a BMP picture, which is not read; make it a PNG or JPEG'],
    'photo.avif': [
      Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'),
      'a HEIC picture, which is not read; make it a PNG or JPEG',
    ],
  };

  test('is told from its bytes', async () => {
    const files = Object.fromEntries(Object.entries(parts).map(([name, [bytes]]) => [name, bytes]));
    const texts = Object.fromEntries(Object.keys(parts).map(name => [`${name}.txt`, 'a caption']));
    const { items, problems } = await seen(await folder({ ...pair, ...files, ...texts }));
    expect(items).toEqual({ 'red.png': ['red', 'red'] });
    expect(problems).toEqual(Object.fromEntries(Object.entries(parts).map(([name, [, what]]) => [name, what])));
  });

  test('is its own, of many that are decoded at the same time', async () => {
    const files: Record<string, string | Uint8Array> = {};
    const expected: Record<string, string> = {};
    const formats = ['png', 'jpeg', 'webp', 'gif', 'avif', 'tiff'] as const;
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    for (const format of formats) {
      const whole = await sharp({ create: { width: 90, height: 90, channels: 3, background: 'red', noise } })
        .toFormat(format)
        .toBuffer();
      for (let i = 0; i < 4; i++) {
        const name = `${format}${i}.${format}`;
        Object.assign(files, {
          [name]: whole.subarray(0, Math.floor(whole.length * 0.7)),
          [`${format}${i}.txt`]: 'cut',
        });
        const kind = { webp: 'WebP' }[format as string] ?? format.toUpperCase();
        expected[name] = `corrupt image (its ${kind} data ${format === 'tiff' ? 'cannot be decoded' : 'breaks off'})`;
      }
    }
    const { problems } = await inspectDataset(await openDataset(await folder({ ...pair, ...files }), { check: false }));
    expect(Object.fromEntries(problems.map(({ id, what }) => [id, what]))).toEqual(expected);
  });

  test('is that it is gone', async () => {
    const root = await folder({ ...pair, 'blue.png': blue, 'blue.txt': 'blue' });
    const dataset = await openDataset(root);
    await rm(join(root, 'blue.png'));
    const { problems } = await inspectDataset(dataset);
    expect(problems).toEqual([{ id: 'blue.png', what: 'cannot be read (no such file or directory)' }]);
  });

  test('names of pictures are those that this sharp reads', () => {
    for (const name of ['a.JPG', 'a.jpe', 'a.jfif', 'a.b.webp', 'a.tif', 'a.svgz', 'a.avif', 'a.gif']) {
      expect([name, isImageName(name)]).toEqual([name, true]);
    }
    for (const name of ['a.bmp', 'a.txt', 'png', 'a', 'a.png/b'])
      expect([name, isImageName(name)]).toEqual([name, false]);
    for (const name of ['a.heic', 'a.jxl']) {
      const { input } = sharp.format[name.endsWith('heic') ? 'heif' : 'jxl'];
      expect(isImageName(name)).toBe(input.buffer && (input.fileSuffix?.includes(name.slice(1)) ?? false));
    }
  });
});

/** A square black PNG of a few kilobytes, however large it is. */
function wall(side: number): Buffer {
  const chunk = (name: string, content: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(name), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1; // one bit a pixel
  const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('bombs', () => {
  const svg = (content: string, size = 'width="9" height="9"') =>
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${content}</svg>`;
  const nested = Array.from({ length: 9 }, (_, i) => `<!ENTITY a${i + 1} "${`&a${i};`.repeat(10)}">`).join('');

  test('of pixels, entities, depth and frames are named, or read in part', async () => {
    const frames = sharp(Buffer.alloc(12 * 12 * 3 * 40, 'f00'), {
      raw: { width: 12, height: 12 * 40, channels: 3, pageHeight: 12 },
    });
    const files = {
      'wall.png': wall(24000),
      'wide.svg': svg('<rect width="9" height="9"/>', 'width="1000000" height="1000000"'),
      'laughs.svg': `<!DOCTYPE svg [<!ENTITY a0 "ha">${nested}]>${svg('<text>&a9;</text>')}`,
      'deep.svg': svg('<g>'.repeat(50_000) + '</g>'.repeat(50_000)),
      'outside.svg': svg('<rect width="9" height="9" fill="#00f"/><image href="red.png" width="9" height="9"/>'),
      'film.gif': await frames.gif().toBuffer(),
    };
    const texts = Object.fromEntries(Object.keys(files).map(name => [`${name}.txt`, 'a caption']));
    const { items, problems } = await seen(await folder({ ...pair, ...files, ...texts }));
    expect(Object.keys(items)).toEqual(['film.gif', 'outside.svg', 'red.png']);
    // The picture outside is not fetched, or it would cover the blue.
    expect(items['outside.svg']).toEqual(['blue', 'a caption']);
    const limit = 'more than the 268 million that are read; make it smaller';
    expect(problems).toEqual({
      'wall.png': `a picture of 24000 x 24000 pixels, ${limit}`,
      'wide.svg': `a picture of 1000000 x 1000000 pixels, ${limit}`,
      'laughs.svg': 'corrupt image (its SVG data cannot be decoded)',
      'deep.svg': 'corrupt image (its SVG data cannot be decoded)',
    });
  });
});

describe('many problems', () => {
  test('are grouped by reason, each with a few names and the full words of the first', () => {
    const problems = Array.from({ length: 1000 }, (_, i) => [
      { id: `cats/my cat ${i}.heic`, what: '.heic pictures are not read; make it a PNG or JPEG' },
      { id: `cats/my cat ${i}.txt`, what: `the caption of cats/my cat ${i}.heic, which is not read` },
      { id: `dog${i}.png`, what: `no caption (looked for dog${i}.txt)` },
    ]).flat();
    expect(problemLines([...problems, { id: 'x.zip', what: '.zip files are not read; unpack it' }], 5)).toEqual([
      '  cats/my cat 0.heic, cats/my cat 1.heic, cats/my cat 2.heic and 997 more: .heic pictures are not read; make it a PNG or JPEG',
      '  cats/my cat 0.txt, cats/my cat 1.txt, cats/my cat 2.txt and 997 more: the caption of cats/my cat 0.heic, which is not read',
      '  dog0.png, dog1.png, dog2.png and 997 more: no caption (looked for dog0.txt)',
      '  x.zip: .zip files are not read; unpack it',
    ]);
    expect(problemLines(problems, 2).at(-1)).toBe('  ... and 1000 for other reasons');
  });

  test('a few are told one by one', async () => {
    const dataset = await openDataset(await folder({ ...pair, 'a.png': blue, 'b.png': blue, 'x.md': 'x' }));
    const text = formatInspection(await inspectDataset(dataset)).join('\n');
    expect(text).toContain(
      'skipped       2\n  a.png: no caption (looked for a.txt)\n  b.png: no caption (looked for b.txt)\n',
    );
    expect(text).toContain('not used      1 other files\n  x.md: not used: the data are read as images');
  });
});

describe('where nothing can be used', () => {
  test('pictures that are not read are named', async () => {
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}.heic`, 'x']));
    const error = await refusal(await folder({ ...files, 'x.txt': 'lost' }));
    expect(error.message).toContain(
      'no captioned image (31 skipped, the first: 0.heic: .heic pictures are not read; make it a PNG or JPEG)',
    );
    expect(error.hint).toContain('0.heic, 1.heic, 10.heic and 27 more: .heic pictures are not read');
    expect(error.hint).toContain('a dataset is one of');
  });

  test('archives that are not read are named, in a folder and alone', async () => {
    const root = await folder({ 'data.zip': 'PK', 'a.png': red });
    const inside = await folder({ 'data.zip': 'PK', 'notes.md': 'x' });
    expect((await refusal(inside)).message).toContain('no captioned image in 2 files');
    expect((await refusal(inside)).hint).toContain('data.zip: .zip files are not read; unpack it');
    expect((await refusal(join(root, 'data.zip'))).message).toContain(
      '.zip files are not read; unpack it and name the folder',
    );
    expect((await refusal(join(root, 'a.png'))).message).toContain('a PNG picture; name the folder in which it lies');
  });
});

test('texts of pictures are problems alike where an index is read, and say whose they are', async () => {
  const root = await folder({
    'images/red.png': await plain('red'),
    'images/red.txt': 'red',
    'images/blue.png': await plain('blue'),
    'captions/blue.txt': 'blue',
    'notes.txt': 'nothing',
    'metadata.jsonl': '{"file_name": "images/red.png", "text": "a red one"}',
  });
  const { items, problems, unused } = await seen(root);
  expect(items).toEqual({ 'images/red.png': ['red', 'a red one'] });
  expect(problems).toEqual({
    'images/red.txt': 'a text of images/red.png, not used: the data are read as metadata',
    'images/blue.png': 'no readable row of metadata.jsonl is about it',
    'captions/blue.txt': 'a text of images/blue.png, not used: the data are read as metadata',
  });
  expect(Object.keys(unused)).toEqual(['notes.txt']);
});

test('an archive among images with texts is taken for shards only if it holds pictures', async () => {
  const files = {
    'red.png': await plain('red'),
    'red.txt': 'red',
    'code.tar.gz': gzipSync(await tar({ 'src/a.js': 'x', 'README.txt': 'hello' })),
    'broken.tar': 'no archive',
    'old.tar.xz': 'no archive',
  };
  const without = await seen(await folder(files));
  expect([without.format, without.items]).toEqual(['images', { 'red.png': ['red', 'red'] }]);
  expect(without.problems).toEqual({
    'code.tar.gz': 'not used: the data are read as images',
    'broken.tar': 'not used: the data are read as images',
    'old.tar.xz': 'an archive in a compression that is not read; unpack it to .tar',
  });
  const shard = await tar({ 'x.json': '{"caption": "blue"}', 'x.png': await plain('blue') });
  const withShard = await seen(await folder({ ...files, '0.tar': shard }));
  expect([withShard.format, withShard.items]).toEqual(['webdataset', { '0.tar/x.png': ['blue', 'blue'] }]);
  expect(withShard.problems).toMatchObject({
    'red.txt': 'a text of red.png, not used: the data are read as webdataset',
  });
});
