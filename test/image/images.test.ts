import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodePicture } from '../../src/image/decode.ts';
import { blank, fill, Images, type Picture, paste, type Rgb, spreadPlaces } from '../../src/image/images.ts';
import { Lettering } from '../../src/image/lettering.ts';
import { encodePng, readPngText } from '../../src/image/png.ts';
import { resizeArea, resizeNearest } from '../../src/image/resize.ts';
import { drawSheet, stackRows } from '../../src/image/sheet.ts';

const RED: Rgb = [255, 0, 0];
const BLUE: Rgb = [0, 0, 255];

/** A picture whose every byte differs from its neighbours. */
function noise(width: number, height: number): Picture {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + (i >> 3)) % 256) };
}

function pixel({ width, data }: Picture, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
}

/** The smallest box around everything that is not white. */
function inkBox(picture: Picture): { left: number; top: number; right: number; bottom: number } {
  const box = { left: picture.width, top: picture.height, right: -1, bottom: -1 };
  for (let y = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++) {
      if (pixel(picture, x, y).every(byte => byte === 255)) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y);
    }
  }
  return box;
}

describe('images', () => {
  const pictures = [noise(2, 3), blank(2, 3, RED), blank(2, 3, BLUE)];

  it('hold pictures one after another, and give them back as views', () => {
    const images = Images.of(pictures);
    expect(images).toMatchObject({ count: 3, width: 2, height: 3 });
    expect([...images.bytes]).toEqual(pictures.flatMap(({ data }) => [...data]));
    expect(images.pictures()).toEqual(pictures);
    expect(images.slice(1)).toEqual(Images.of(pictures.slice(1)));
    expect(images.slice(1, 2).at(0)).toEqual(pictures[1]);
    expect([images.slice(2, 9).count, images.slice(3).count, images.slice(2, 1).count]).toEqual([1, 0, 0]);
    images.slice(1).set(1, pictures[0]);
    expect(images.at(2)).toEqual(pictures[0]);
    images.at(2).data.fill(7);
    expect([...images.bytes.subarray(2 * 18)]).toEqual(new Array(18).fill(7));
  });

  it('refuse bytes that are no whole images, other sizes, and places that are not there', () => {
    expect(() => new Images(new Uint8Array(7), { width: 2, height: 1 })).toThrow('expected [n, 1, 2, 3] bytes, got 7');
    expect(() => new Images(new Uint8Array(0), { width: 0, height: 1 })).toThrow(RangeError);
    expect(() => Images.of([])).toThrow('expected at least one picture, got none');
    expect(() => Images.of([blank(2, 3), blank(3, 2)])).toThrow('expected 2 x 3 pixels, got 3 x 2');
    const images = Images.of(pictures);
    for (const i of [-1, 3, 0.5]) expect(() => images.at(i)).toThrow('expected a place from 0 to 2');
    expect(() => images.set(3, pictures[0])).toThrow(RangeError);
  });

  it('are picked evenly', () => {
    expect(spreadPlaces(10, 4)).toEqual([0, 2, 5, 7]);
    expect(spreadPlaces(2, 4)).toEqual([0, 1]);
    expect(spreadPlaces(0, 4)).toEqual([]);
  });
});

describe('scaling and pasting', () => {
  it('nearest repeats pixels exactly as sharp does', async () => {
    const picture = noise(5, 3);
    const raw = { width: 5, height: 3, channels: 3 } as const;
    const expected = await sharp(picture.data, { raw }).resize(20, 12, { kernel: 'nearest' }).raw().toBuffer();
    expect(resizeNearest(picture, 4)).toEqual({ width: 20, height: 12, data: new Uint8Array(expected) });
  });

  it('area averages what each pixel covers, also at odd ratios', () => {
    const picture: Picture = { width: 3, height: 1, data: Uint8Array.from([0, 0, 0, 90, 90, 90, 240, 240, 240]) };
    // Two pixels of 1.5: (0 + 90 / 2) / 1.5 and (90 / 2 + 240) / 1.5.
    expect([...resizeArea(picture, 2, 1).data]).toEqual([30, 30, 30, 190, 190, 190]);
    expect([...resizeArea(picture, 1, 1).data]).toEqual([110, 110, 110]);
    expect(resizeArea(picture, 6, 2)).toEqual(resizeNearest(picture, 2));
  });

  it('area averages whole pixels alike', () => {
    const picture = noise(12, 6);
    const small = resizeArea(picture, 4, 2);
    for (let i = 0; i < small.data.length; i++) {
      const [x, y, c] = [Math.floor(i / 3) % 4, Math.floor(i / 12), i % 3];
      let sum = 0;
      for (let k = 0; k < 9; k++) sum += picture.data[((3 * y + Math.floor(k / 3)) * 12 + 3 * x + (k % 3)) * 3 + c];
      expect(small.data[i]).toBe(Math.round(sum / 9));
    }
    expect(resizeArea(picture, 12, 6)).toEqual(picture);
  });

  it('fill and paste stay inside the picture', () => {
    const picture = blank(3, 2);
    paste(picture, blank(2, 2, RED), -1, 1);
    paste(picture, blank(9, 9, BLUE), 2, -8);
    fill(picture, { left: 1, top: 1, width: 1, height: 5 }, [1, 2, 3]);
    expect([...picture.data]).toEqual([255, 255, 255, 255, 255, 255, ...BLUE, ...RED, 1, 2, 3, 255, 255, 255]);
  });
});

describe('PNG', () => {
  const text = {
    caption: 'crème brûlée, 红苹果 and 😀',
    seed: '1',
    settings: '{"temperature": 0.7}\nsecond line',
    Author: '',
    latin: 'café', // could be tEXt, but tools disagree on its encoding
  };

  it('keeps pixels and text, which sharp and the CRCs confirm', async () => {
    const picture = noise(33, 17);
    const png = await encodePng(picture, { text });
    expect(readPngText(png)).toEqual(text);
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 33, height: 17, channels: 3 });
    expect(new Uint8Array(data)).toEqual(picture.data);

    const bytes = Buffer.from(png);
    const types: string[] = [];
    for (let at = 8; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      const body = bytes.subarray(at + 4, at + 8 + length);
      types.push(body.toString('latin1', 0, 4));
      expect(bytes.readUInt32BE(at + 8 + length)).toBe(crc32(body));
      at += 12 + length;
    }
    expect(types[0]).toBe('IHDR');
    expect(types.filter(type => type === 'tEXt')).toHaveLength(3);
    expect(types.filter(type => type === 'iTXt')).toHaveLength(2);
    expect(types[types.length - 1]).toBe('IEND');
  });

  it('stores no control character but line feeds, and nothing that turns the direction of writing', async () => {
    const harmful = 'a\x1b[31m\0b\r\nsecond\u202eline\ud83c';
    const png = await encodePng(blank(1, 1), { text: { caption: harmful } });
    expect(readPngText(png)).toEqual({ caption: `a\\x1b[31m\\x00b\nsecond\\u202eline\\ud83c` });
  });

  it('sharp finds the same comments', async () => {
    const { comments } = await sharp(await encodePng(blank(1, 1), { text: { caption: 'red apple' } })).metadata();
    expect(comments).toEqual([{ keyword: 'caption', text: 'red apple' }]);
  });

  it('reads compressed text of other writers', async () => {
    const png = Buffer.from(await encodePng(blank(1, 1)));
    const chunk = (type: string, body: Buffer): Buffer => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length);
      return Buffer.concat([head, Buffer.from(type, 'latin1'), body, Buffer.alloc(4)]);
    };
    const zipped = chunk(
      'zTXt',
      Buffer.concat([Buffer.from('a\0\0', 'latin1'), deflateSync(Buffer.from('caf\xe9', 'latin1'))]),
    );
    const international = Buffer.concat([
      Buffer.from('b\0\x01\0de\0Titel\0', 'latin1'),
      deflateSync(Buffer.from('红')),
    ]);
    const whole = Buffer.concat([png.subarray(0, 33), zipped, chunk('iTXt', international), png.subarray(33)]);
    expect(readPngText(whole)).toEqual({ a: 'café', b: '红' });
  });

  it('refuses what is no PNG and keywords the format forbids', async () => {
    expect(() => readPngText(Buffer.from('GIF89a.....'), 'x.png')).toThrow('x.png: expected a PNG file');
    await expect(encodePng(blank(1, 1), { text: { '': 'x' } })).rejects.toThrow('keyword');
    await expect(encodePng(blank(1, 1), { text: { ['k'.repeat(80)]: 'x' } })).rejects.toThrow('keyword');
  });
});

describe('decodePicture', () => {
  it.each<[string, () => Sharp, Rgb]>([
    [
      'transparent',
      () => sharp({ create: { width: 2, height: 1, channels: 4, background: '#ff000000' } }).png(),
      [255, 255, 255],
    ],
    [
      'grey',
      () =>
        sharp({ create: { width: 2, height: 1, channels: 3, background: '#777' } })
          .toColourspace('b-w')
          .png(),
      [119, 119, 119],
    ],
    [
      '16 bit',
      () =>
        sharp({ create: { width: 2, height: 1, channels: 3, background: '#ff0000' } })
          .toColourspace('rgb16')
          .png(),
      RED,
    ],
    [
      'CMYK',
      () =>
        sharp({ create: { width: 2, height: 1, channels: 3, background: '#ffffff' } })
          .toColourspace('cmyk')
          .jpeg(),
      [255, 255, 255],
    ],
  ])('%s becomes RGB on white', async (_, image, colour) => {
    const picture = await decodePicture(await image().toBuffer(), 'x');
    expect([picture.width, picture.height, picture.data.length]).toEqual([2, 1, 6]);
    for (let c = 0; c < 3; c++) expect(Math.abs(picture.data[c] - colour[c])).toBeLessThanOrEqual(2);
  });

  it.each([[''], ['not an image'], ['\x89PNG\r\n\x1a\n']])('%j is refused in one line', async bytes => {
    await expect(decodePicture(Buffer.from(bytes, 'latin1'), 'x.png')).rejects.toThrow(
      /^x\.png: expected an image, got \d+ bytes[^\n]*$/,
    );
  });
});

describe('lettering', () => {
  const face = { size: 13 };

  it('wraps every line to the width, keeps every word, and marks a cut', async () => {
    const letters = new Lettering();
    const caption = 'a couple with light skin tone and dark hair holding hands beside a house with garden';
    const whole = await letters.wrap(caption, face, 150, 20);
    expect(whole.lines.length).toBeGreaterThan(3);
    expect(whole.lines.join(' ')).toBe(caption);
    for (const line of whole.lines) expect(await letters.measure(line, face)).toBeLessThanOrEqual(150);
    const cut = await letters.wrap(caption, face, 150, 3);
    expect(cut.lines.slice(0, 2)).toEqual(whole.lines.slice(0, 2));
    expect(cut.lines).toHaveLength(3);
    expect(cut.lines[2]).toMatch(/…$/);
    expect(await letters.measure(cut.lines[2], face)).toBeLessThanOrEqual(150);
  });

  it('breaks a word longer than the width, never inside a character', async () => {
    const { lines } = await new Lettering().wrap('😀'.repeat(30), face, 80, 50);
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.join('')).toBe('😀'.repeat(30));
  });

  it('sets lines on one baseline, whatever letters they have', async () => {
    const letters = new Lettering();
    const bottom = async (text: string): Promise<number> => {
      const canvas = blank(60, 20);
      await letters.draw(canvas, await letters.wrap(text, face, 60, 1), { left: 0, top: 0, width: 60 });
      return inkBox(canvas).bottom;
    };
    expect(await bottom('red')).toBe(await bottom('xxx'));
    expect(await bottom('pony')).toBeGreaterThan(await bottom('xxx'));
  });

  it('aligns to the right and to the middle of its box', async () => {
    const letters = new Lettering();
    const text = await letters.wrap('red', face, 60, 1);
    const canvas = blank(100, 40);
    await letters.draw(canvas, text, { left: 10, top: 0, width: 60, align: 'right' });
    expect(Math.abs(inkBox(canvas).right - 69)).toBeLessThanOrEqual(1);
  });

  it('takes markup for letters', async () => {
    expect(await new Lettering().measure('<b>&amp;</b>', face)).toBeGreaterThan(
      await new Lettering().measure('b&b', face),
    );
  });

  it('draws the same letters on a machine without fonts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tessera-fonts-'));
    try {
      const config = join(folder, 'fonts.conf');
      writeFileSync(config, '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>');
      const module = pathToFileURL(join(import.meta.dirname, '../../src/image/lettering.ts')).href;
      const program = `import { Lettering } from '${module}';
        const letters = new Lettering();
        console.log(await letters.measure('a quick brown fox', { size: 13 }), await letters.measure('fox', { size: 22, bold: true }));`;
      const run = (env: Record<string, string>): string =>
        execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
          env: { ...process.env, ...env },
          encoding: 'utf8',
        });
      const [regular, bold] = run({ FONTCONFIG_FILE: config }).split(' ').map(Number);
      expect(regular).toBe(await new Lettering().measure('a quick brown fox', face));
      expect(bold).toBe(await new Lettering().measure('fox', { size: 22, bold: true }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('grid', () => {
  /** Where pictures of one colour lie: the left top corner of each connected run of rows. */
  function corners(picture: Picture, colour: Rgb): string[] {
    const is = (x: number, y: number): boolean =>
      x >= 0 && y >= 0 && pixel(picture, x, y).every((byte, c) => byte === colour[c]);
    const found: string[] = [];
    for (let y = 0; y < picture.height; y++) {
      for (let x = 0; x < picture.width; x++) if (is(x, y) && !is(x - 1, y) && !is(x, y - 1)) found.push(`${x},${y}`);
    }
    return found;
  }

  it('places pictures in reading order, enlarged, at equal distances', async () => {
    const colours: Rgb[] = [RED, BLUE, [0, 255, 0], [255, 0, 255]];
    const page = await drawSheet(
      colours.map(colour => ({ picture: blank(8, 8, colour) })),
      { columns: 3, gap: 10, cellScale: 3 },
    );
    expect(colours.flatMap(colour => corners(page, colour))).toEqual(['28,28', '62,28', '96,28', '28,62']);
    expect([page.width, page.height]).toEqual([28 + 24 * 3 + 20 + 28, 28 + 24 * 2 + 10 + 28]);
  });

  it('starts a section on a new row under a band over the full width', async () => {
    const cells = Array.from({ length: 3 }, (_, i) => ({ picture: blank(20, 20, i < 2 ? RED : BLUE) }));
    const page = await drawSheet(cells, {
      columns: 2,
      gap: 10,
      headings: [
        { before: 0, text: 'trained on' },
        { before: 1, text: 'never seen' },
      ],
    });
    const [first, second] = corners(page, RED).map(corner => corner.split(',').map(Number));
    expect(second[0]).toBe(first[0]);
    expect(second[1]).toBeGreaterThan(first[1] + 20 + 30);
    expect(corners(page, BLUE)).toEqual([`${second[0] + 30},${second[1]}`]);
    expect(pixel(page, page.width - 29, first[1] - 20)).toEqual([242, 243, 245]);
  });

  it('writes labels below their cells and never outside them', async () => {
    const label = 'a very long caption that does not end before the cell does, nor soon after';
    const bare = await drawSheet([{ picture: blank(64, 64) }], { columns: 1 });
    const page = await drawSheet([{ picture: blank(64, 64), label }], { columns: 1 });
    expect(page.width).toBe(bare.width);
    const extra = page.height - bare.height;
    expect(extra).toBeGreaterThan(3 * 12);
    expect(extra).toBeLessThan(3 * 20);
    const under = {
      ...page,
      height: extra,
      data: page.data.slice((28 + 65) * page.width * 3, (28 + 65 + extra) * page.width * 3),
    };
    const { left, right } = inkBox(under);
    expect(left).toBeGreaterThanOrEqual(28);
    expect(right).toBeLessThan(28 + 64);
  });

  it('makes room for the title, row labels and column labels', async () => {
    const cells = [{ picture: blank(16, 16, RED) }, { picture: blank(16, 16, RED) }];
    const plain = await drawSheet(cells, { columns: 2 });
    const page = await drawSheet(cells, {
      columns: 2,
      title: 'Samples of the demo',
      rowLabels: ['apple'],
      columnLabels: ['1', '2'],
    });
    const [x, y] = corners(page, RED)[0].split(',').map(Number);
    expect(x).toBeGreaterThan(28 + 30);
    expect(y).toBeGreaterThan(28 + 22 + 12);
    expect(page.width).toBeGreaterThan(plain.width);
    expect(inkBox(page).right).toBeLessThan(page.width - 27);
  });

  it('stacks originals above their reconstructions, pairs apart', async () => {
    const page = await stackRows(Array(3).fill(blank(10, 10, RED)), Array(3).fill(blank(10, 10, BLUE)), { columns: 2 });
    const originals = corners(page, RED).map(corner => corner.split(',').map(Number));
    const copies = corners(page, BLUE).map(corner => corner.split(',').map(Number));
    expect(originals.map(([x]) => x)).toEqual(copies.map(([x]) => x));
    expect(copies.map(([, y], i) => y - originals[i][1])).toEqual([14, 14, 14]);
    expect(originals[2][1] - copies[0][1]).toBe(34);
    await expect(stackRows([], [blank(1, 1)], { columns: 1 })).rejects.toThrow('as many reconstructions');
  });
});
