import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CaptionFolders } from '../../src/runs/caption-folder.ts';
import { folderName, nameKey } from '../../src/runs/caption-name.ts';
import { splitCaptions } from '../../src/runs/captions.ts';
import { folder } from '../data/files.ts';

describe('the name of a caption', () => {
  test.each([
    ['red apple', 'red_apple'],
    ['  man cook, light skin tone! ', 'man_cook_light_skin_tone'],
    ['grid.png', 'grid_png'],
    ['', 'no_caption'],
    ['.', 'signs_2e'],
    ['..', 'signs_2e_2e'],
    ['?!', 'signs_3f_21'],
    ['../../etc/passwd', 'etc_passwd'],
    ['a<b>c:d"e/f\\g|h?i*j', 'a_b_c_d_e_f_g_h_i_j'],
    ['trailing dots and spaces ... ', 'trailing_dots_and_spaces'],
    ['CON', 'CON_'],
    ['nul', 'nul_'],
    ['com1', 'com1_'],
    ['COM¹', 'COM¹_'],
    ['lpt9.txt', 'lpt9_txt'],
    ['con man', 'con_man'],
    ['हिन्दी में लिखा', 'हिन्दी_में_लिखा'], // with its vowel signs
    ['กำลังใจ', 'กำลังใจ'],
    ['ไทย สวย', 'ไทย_สวย'],
    ['می‌خواهم', 'می‌خواهم'], // a joiner that Persian writes words with
    ['🇫🇷 flag', '🇫🇷_flag'],
    ['🇩🇪', '🇩🇪'],
    ['🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
    ['👩🏽‍🚀👨‍👩‍👧‍👦', '👩🏽‍🚀👨‍👩‍👧‍👦'],
    ['5️⃣ stars', '5️⃣_stars'],
    ['ab\u202ecd\x1b[31m\u2066e', 'ab_cd_31m_e'],
    ['cafe\u0301', 'caf\u00e9'],
  ])('of %j is %j', (caption, name) => expect(folderName(caption)).toBe(name));

  const signs = {
    letter: 'a',
    emoji: '🍎',
    family: '👨‍👩‍👧‍👦',
    flag: '🇫🇷',
    hindi: 'क्षि',
    chinese: '苹',
    zalgo: `a${'\u0315'.repeat(30)}`,
  };
  test.each(Object.entries(signs))('holds whole characters, at most 100 bytes: %s', (_, sign) => {
    for (let letters = 0; letters <= 100; letters++) {
      for (const number of [1, 2, 12345]) {
        const name = folderName('x'.repeat(letters) + sign.repeat(100), number);
        const suffix = number === 1 ? '' : `_${number}`;
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(100);
        expect(Buffer.byteLength(name)).toBeGreaterThan(100 - Buffer.byteLength(sign) - 2);
        const body = name.slice(0, name.length - suffix.length);
        const kept = body.replace(/^x+/, '');
        expect([name, kept]).toEqual([body + suffix, sign.repeat(kept.length / sign.length)]);
      }
    }
  });

  test('is never longer, whatever one character takes', () => {
    const name = folderName(`${'a'.repeat(3)}${`e${'\u0301'.repeat(500)}`}`);
    expect(name).toBe('aaa');
    expect(folderName(`e${'\u0302\u0315'.repeat(500)}`)).toMatch(/^signs_65_/);
    expect(Buffer.byteLength(folderName('.'.repeat(1000), 7))).toBeLessThanOrEqual(100);
  });

  test.each([
    ['Red Apple', 'red apple'],
    ['caf\u00e9', 'cafe\u0301'],
    ['STRASSE', 'straße'],
    ['ΣΟΦΌΣ', 'σοφός'],
  ])('%j and %j are one on some file system', (a, b) => expect(nameKey(a)).toBe(nameKey(b)));
});

describe('the folder of a caption', () => {
  const about = (caption: string, ...images: number[]) => JSON.stringify({ caption, images });
  const chosen = async (root: string, caption: string, { most = 2, inputs = [] as string[] } = {}) => {
    const images = Array.from({ length: most }, (_, index) => ({ index }));
    const { path, own } = await new CaptionFolders(root, inputs).choose(caption, images);
    return [basename(path), ...own];
  };

  test('is its own again, decided by what is on the disk', async () => {
    const root = await folder({ 'red_apple/caption.json': about('red apple', 0, 3), 'red_apple/0.png': '' });
    expect(await chosen(root, 'red apple')).toEqual(['red_apple', 'caption.json', 'grid.png', '0.png', '3.png']);
    expect(await chosen(root, 'red, apple!')).toEqual(['red_apple_2']);
    expect(await chosen(root, 'Red Apple')).toEqual(['Red_Apple_2']);
  });

  test.each([
    ['holds files of the user', { 'red_apple/mine.txt': '' }],
    ['has a caption.json of somebody else', { 'red_apple/caption.json': '{"text": "red apple"}' }],
    ['has a broken one', { 'red_apple/caption.json': '{"caption": "red ap' }],
    ['is a file', { red_apple: 'mine' }],
    ['has another spelling on the disk', { 'RED_apple/caption.json': about('RED apple', 0) }],
    [
      'has a picture of the user where one is to go',
      { 'red_apple/caption.json': about('red apple', 0), 'red_apple/1.png': 'mine' },
    ],
  ])('is another one where a folder of that name %s', async (_, files) => {
    expect(await chosen(await folder(files), 'red apple')).toEqual(['red_apple_2']);
  });

  test('is the one there if that is empty, or holds what is not in the way', async () => {
    const root = await folder({ 'empty/.hidden': '', 'own/caption.json': about('own', 0), 'own/notes.md': 'mine' });
    expect(await chosen(root, 'empty')).toEqual(['empty']);
    expect(await chosen(root, 'own')).toEqual(['own', 'caption.json', 'grid.png', '0.png']);
    expect(await chosen(join(root, 'new'), 'own')).toEqual(['own']);
  });

  test('is another one where it holds an image that is read', async () => {
    const files = { 'red_apple/caption.json': about('red apple', 0), 'red_apple/0.png': '' };
    const root = await folder(files);
    const inputs = [join(root, 'red_apple', '0.png')];
    expect(await chosen(root, 'red apple', { inputs })).toEqual(['red_apple_2']);
    mkdirSync(join(root, 'red_apple_2'));
    writeFileSync(join(root, 'red_apple_2/caption.json'), about('red apple', 0));
    expect((await chosen(root, 'red apple', { inputs }))[0]).toBe('red_apple_2');
    expect((await chosen(root, 'red apple'))[0]).toBe('red_apple');
  });

  test('is never that of another caption of the same call', async () => {
    const folders = new CaptionFolders(await folder(), []);
    const names: string[] = [];
    for (const caption of [
      'red apple',
      'red, apple',
      'Red apple',
      'red apple',
      '..',
      '.',
      '',
      '!',
      'no caption',
      '🇫🇷',
      '🇩🇪',
    ]) {
      names.push(basename((await folders.choose(caption, [{ index: 0 }])).path));
    }
    expect(new Set(names.map(nameKey)).size).toBe(names.length);
    expect(names.slice(0, 4)).toEqual(['red_apple', 'red_apple_2', 'Red_apple_3', 'red_apple_4']);
  });
});

describe('captions of a text', () => {
  test.each([
    ['red apple', ['red apple']],
    ['a | b |', ['a', 'b']],
    ['||a||', ['a']],
    ['', ['']],
    ['  ', ['']],
    ['a\x1b[31mb\u202ec|d\ne', ['abc', 'd e']],
  ])('%j are %j', (text, captions) => expect(splitCaptions('sample: --text', text)).toEqual(captions));

  test.each(['|', ' | ', '|||', '\x07', '|\u202e|'])('%j has none', text =>
    expect(() => splitCaptions('sample: --text', text)).toThrow(
      /^sample: --text: expected captions separated by \|, got /,
    ),
  );
});
