/** @file Tables of captions: CSV and TSV as people and programs write them, and the lists of Flickr. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { failure, folder, plain, said } from './files.ts';

const COLOURS = ['red', 'green', 'blue', 'yellow', 'purple'];

/** Pictures of colours, `red.png` and so on, and a table of them. */
async function table(content: string | Uint8Array, name = 'metadata.csv', colours = COLOURS.slice(0, 3)) {
  const files: Record<string, string | Uint8Array> = { [name]: content };
  for (const colour of colours) files[`${colour}.png`] = await plain(colour);
  return await folder(files);
}

const rows = (separator: string, caption = (colour: string) => colour) =>
  COLOURS.slice(0, 3).map(colour => `${colour}.png${separator}${caption(colour)}`);

const colours = { 'red.png': ['red'], 'green.png': ['green'], 'blue.png': ['blue'] };

describe('the same table in other clothes', () => {
  const layouts: Record<string, readonly [name: string, content: string | Uint8Array]> = {
    commas: ['metadata.csv', ['file_name,text', ...rows(',')].join('\n')],
    'a mark and CRLF': ['metadata.csv', `\ufefffile_name,text\r\n${rows(',').join('\r\n')}\r\n`],
    'lone CR': ['metadata.csv', ['file_name,text', ...rows(',')].join('\r')],
    semicolons: ['metadata.csv', ['file_name;text', ...rows(';')].join('\n')],
    'the line of Excel': ['metadata.csv', ['sep=;', 'file_name;text', ...rows(';')].join('\r\n')],
    tabs: ['metadata.csv', ['file_name\ttext', ...rows('\t')].join('\n')],
    bars: ['captions.csv', ['image_name| comment_number| comment', ...rows('| 0| ')].join('\n')],
    tsv: ['metadata.tsv', ['file_name\ttext', ...rows('\t')].join('\n')],
    'UTF-16': ['metadata.csv', Buffer.from(`\ufefffile_name,text\r\n${rows(',').join('\r\n')}`, 'utf16le')],
    'names of any case, with spaces': ['metadata.csv', ['File_Name, Text', ...rows(', ')].join('\n')],
    'names of two words': ['metadata.csv', ['File Name,Alt-Text', ...rows(',')].join('\n')],
    'other names': ['captions.csv', ['image,caption', ...rows(',')].join('\n')],
    'quotes after spaces': ['metadata.csv', ['file_name, text', ...rows(', ', c => `"${c}"`)].join('\n')],
    'a column of numbers': [
      'metadata.csv',
      [',file_name,text', ...rows(',').map((row, i) => `${i},${row}`)].join('\n'),
    ],
    'blank lines': ['metadata.csv', ['', 'file_name,text', ...rows(',').map(row => `${row}\n`), ''].join('\n')],
    'empty cells at the end': ['metadata.csv', ['file_name,text', ...rows(',').map(row => `${row},,`)].join('\n')],
    'a list in a cell': ['metadata.csv', ['file_name,raw', ...rows(',', c => `"[""${c}""]"`)].join('\n')],
  };
  test.each(Object.entries(layouts))('%s', async (_, [name, content]) => {
    const root = await table(content, name);
    expect(await said(root)).toEqual({ format: 'metadata', captions: colours, problems: {} });
    expect(await said(join(root, name))).toEqual({ format: 'metadata', captions: colours, problems: {} });
  });
});

test('a table of any name is read if it is named itself; in a folder it is named with what to do', async () => {
  const root = await table(['image,caption', ...rows(',')].join('\n'), 'my list.csv');
  expect((await said(join(root, 'my list.csv'))).captions).toEqual(colours);
  const none = await failure(openDataset(root));
  expect(none.message).toContain(
    'my list.csv: looks like an index of captions, but is read only if it is named itself',
  );
});

test('the rest of a line belongs to a caption in the last column', async () => {
  const root = await table(
    [
      'file_name,text',
      'red.png,a red square, bright and plain, on nothing',
      'green.png,a green square',
      'blue.png,"a blue square, quoted", and more',
    ].join('\n'),
  );
  expect(await said(root)).toEqual({
    format: 'metadata',
    captions: {
      'red.png': ['a red square, bright and plain, on nothing'],
      'green.png': ['a green square'],
      'blue.png': ['a blue square, quoted, and more'],
    },
    problems: {},
  });
});

test('but not the next row, where the end of a line is missing', async () => {
  const root = await table('file_name,text\nred.png,"a red one"green.png,a green one\nblue.png,blue,green.png,green\n');
  const { message } = await failure(openDataset(root));
  expect(message).toContain('metadata.csv:2: quotes inside a cell with quotes around it have to be doubled');
  const { problems } = await said(await table('file_name,text\nblue.png,blue,green.png,green\nred.png,red\n'));
  expect(problems['metadata.csv:2']).toContain('4 cells in a row of a table with 2 columns');
});

test('a row with more or fewer cells than columns is named, and costs no other', async () => {
  const root = await table(
    ['id,text,file_name', '1,a square, red.png,blue.png', '2,a green square,green.png', '3,blue.png'].join('\n'),
  );
  expect(await said(root)).toEqual({
    format: 'metadata',
    captions: { 'green.png': ['a green square'] },
    problems: {
      'metadata.csv:2':
        '4 cells in a row of a table with 3 columns; text with a separator in it needs quotes around it',
      'metadata.csv:4': '2 cells in a row of a table with 3 columns',
      'red.png': 'no readable row of metadata.csv is about it',
      'blue.png': 'no readable row of metadata.csv is about it',
    },
  });
  await expect(openDataset(root, { strict: true })).rejects.toThrow('needs quotes around it');
});

describe('quotes', () => {
  test('inside of a cell they are characters; around one they are doubled or have a backslash before them', async () => {
    const root = await table(
      [
        'file_name,text',
        'red.png,a 5" red screen',
        'green.png,"a \\"green\\", wide screen"',
        'blue.png,"a ""blue"" screen"',
        'yellow.png,"a yellow" screen',
        'purple.png,"a \tpurple\n\nscreen, on two lines"',
      ].join('\n'),
      'metadata.csv',
      COLOURS,
    );
    expect(await said(root)).toEqual({
      format: 'metadata',
      captions: {
        'red.png': ['a 5" red screen'],
        'green.png': ['a "green", wide screen'],
        'blue.png': ['a "blue" screen'],
        'purple.png': ['a purple screen, on two lines'],
      },
      problems: {
        'metadata.csv:5': 'quotes inside a cell with quotes around it have to be doubled ("")',
        'yellow.png': 'no readable row of metadata.csv is about it',
      },
    });
  });

  test('one that is opened and closed over other rows costs the rows at its ends', async () => {
    const root = await table(
      'file_name,text\nred.png,red\ngreen.png,"green without end\nblue.png,blue\nyellow.png,yellow"\npurple.png,purple\n',
      'metadata.csv',
      COLOURS,
    );
    expect(await said(root)).toEqual({
      format: 'metadata',
      captions: { 'red.png': ['red'], 'blue.png': ['blue'], 'purple.png': ['purple'] },
      problems: {
        'metadata.csv:3': 'a quote is opened and closed in line 5, over other rows',
        'metadata.csv:5': 'a quote is closed that line 3 opens',
        'green.png': 'no readable row of metadata.csv is about it',
        'yellow.png': 'no readable row of metadata.csv is about it',
      },
    });
  });

  test('also where the pictures of those rows are missing', async () => {
    const root = await table('file_name,text\nred.png,"red\ngone.png,gone\nlost.png,lost"\ngreen.png,green\n');
    expect(await said(root)).toMatchObject({
      captions: { 'green.png': ['green'] },
      problems: {
        'metadata.csv:2': 'a quote is opened and closed in line 4, over other rows',
        'gone.png': 'missing file (named in metadata.csv:3)',
        'metadata.csv:4': 'a quote is closed that line 2 opens',
      },
    });
  });

  test('one that is never closed costs its row, also where a table is read in pieces', async () => {
    const many = Array.from({ length: 2000 }, (_, i) => `gone${i}.png,gone`);
    for (const before of [0, 510, 1500]) {
      const lines = [
        'file_name,text',
        ...many.slice(0, before),
        'red.png,"red',
        ...many.slice(before),
        ...rows(',').slice(1),
      ];
      const { captions, problems } = await said(await table(lines.join('\n')));
      expect(captions).toEqual({ 'green.png': ['green'], 'blue.png': ['blue'] });
      expect(problems[`metadata.csv:${before + 2}`]).toBe('a quote is opened and not closed');
      expect(problems['gone1999.png']).toBe('missing file (named in metadata.csv:2002)');
      expect(Object.keys(problems)).toHaveLength(2002);
    }
  });

  test('a caption of several lines may lie across the pieces', async () => {
    const many = Array.from({ length: 509 }, (_, i) => `gone${i}.png,gone`);
    const lines = ['file_name,text', ...many, 'red.png,"red', 'and', 'dark"', ...rows(',').slice(1)];
    const { captions } = await said(await table(lines.join('\n')));
    expect(captions).toEqual({ ...colours, 'red.png': ['red and dark'] });
  });
});

test('a table without a header, or without a column that it needs, says so and is not read', async () => {
  const without = await failure(openDataset(await table(rows(',').join('\n'))));
  expect(without.message).toContain(
    'metadata.csv: not read: needs a header line with file_name and text; its first line is "red.png,red"',
  );
  const mute = await failure(openDataset(await table('file_name,width\nred.png,12')));
  expect(mute.message).toContain('metadata.csv: not read: no text or caption column (columns: file_name, width)');
  const nameless = await failure(openDataset(await table('id,text\n1,red')));
  expect(nameless.message).toContain('metadata.csv: not read: no file_name column (columns: id, text)');
  const twice = await failure(openDataset(await table('file_name,text,Text\nred.png,red,rot')));
  expect(twice.message).toContain('metadata.csv: not read: two columns are named text');
  const empty = await failure(openDataset(join(await table(''), 'metadata.csv')));
  expect(empty.message).toContain('metadata.csv: an empty table');
});

test('a table beside pictures with text files that is no index leaves them to be read', async () => {
  const root = await folder({
    'red.png': await plain('red'),
    'red.txt': 'a red one',
    'metadata.csv': 'file_name,width\nred.png,12\n',
    'scores.csv': 'file_name,score\nred.png,0.5\n',
    'blip.csv': 'file_name,caption\nred.png,something\n',
    'captions.png': await plain('blue'),
    'captions.txt': 'a picture of captions',
  });
  const { format, captions, problems } = await said(root);
  expect(format).toBe('images');
  expect(captions).toEqual({ 'red.png': ['a red one'], 'captions.png': ['a picture of captions'] });
  expect(problems).toEqual({
    'blip.csv': expect.stringContaining('looks like an index of captions'),
    'metadata.csv': 'not read: no text or caption column (columns: file_name, width)',
  });
  expect((await openDataset(root)).unused).toEqual([
    { id: 'scores.csv', what: 'not used: the data are read as images' },
  ]);
});

test('another encoding is refused with the line and the command that converts it', async () => {
  const root = await table(Buffer.from('file_name,text\nred.png,red\ngreen.png,caf\u00e9\n', 'latin1'));
  const { message } = await failure(openDataset(root));
  expect(message).toContain('metadata.csv: is not UTF-8 or UTF-16 text (another encoding? iconv');
  expect(message).toContain('; line 3');
});

test('words of programs for no text are no captions', async () => {
  const { problems } = await said(await table('file_name,text\nred.png,nan\ngreen.png,\nblue.png,none of it\n'));
  expect(problems).toEqual({
    'red.png': 'metadata.csv:2: the field text says nan, which programs write where there is no text',
    'green.png': 'metadata.csv:3: empty caption (field text)',
  });
});

describe('one index of a folder is read', () => {
  test('the first of the documented order, never two together', async () => {
    const root = await folder({
      'red.png': await plain('red'),
      'metadata.csv': 'file_name,text\nred.png,old red\n',
      'metadata.jsonl': '{"file_name":"red.png","text":"new red"}\n',
      'captions.txt': 'image,caption\nred.png,other red\n',
    });
    expect(await said(root)).toEqual({
      format: 'metadata',
      captions: { 'red.png': ['new red'] },
      problems: {
        'metadata.csv': 'not read: of the indexes in one folder metadata.jsonl comes first',
        'captions.txt': 'not read: of the indexes in one folder metadata.jsonl comes first',
      },
    });
    expect((await said(join(root, 'metadata.csv'))).captions).toEqual({ 'red.png': ['old red'] });
  });

  test('of two folders the inner one counts, and what it takes from the outer is named', async () => {
    const root = await folder({
      'red.png': await plain('red'),
      'sub/blue.png': await plain('blue'),
      'metadata.csv': 'file_name,text\nred.png,outer red\nsub/blue.png,outer blue\n',
      'sub/metadata.csv': 'file_name,text\nblue.png,inner blue\n',
    });
    expect(await said(root)).toEqual({
      format: 'metadata',
      captions: { 'red.png': ['outer red'], 'sub/blue.png': ['inner blue'] },
      problems: { 'metadata.csv': 'a picture not taken from it: sub/metadata.csv names it too and comes first' },
    });
  });
});

describe('Flickr', () => {
  test('captions.txt beside a folder of images, several rows a picture', async () => {
    const root = await folder({
      'Images/1.jpg': await plain('red'),
      'Images/2.jpg': await plain('blue'),
      'captions.txt': 'image,caption\n1.jpg,a dog , running\n1.jpg,"a ""brown"" dog"\n2.jpg,a cat\n',
    });
    const right = { 'Images/1.jpg': ['a dog , running', 'a "brown" dog'], 'Images/2.jpg': ['a cat'] };
    expect(await said(root)).toEqual({ format: 'metadata', captions: right, problems: {} });
    expect((await said(join(root, 'captions.txt'))).captions).toEqual(right);
  });

  test('lists of tokens with the splits that lie beside them', async () => {
    const root = await folder({
      'Flicker8k_Dataset/1.jpg': await plain('red'),
      'Flicker8k_Dataset/2.jpg': await plain('green'),
      'Flicker8k_Dataset/3.jpg': await plain('blue'),
      'Flickr8k_text/Flickr8k.token.txt':
        '1.jpg#0\tA "dog" runs .\n1.jpg#1\tThe dog .\n2.jpg#0\tA cat .\n3.jpg#0\tA cow .\n4.jpg.1#0\tGone .\nno list\n1.jpg#2\tOne .2.jpg#1\tTwo .\n',
      'Flickr8k_text/Flickr8k.lemma.token.txt': '1.jpg#0\tdog run .\n',
      'Flickr8k_text/Flickr_8k.trainImages.txt': '1.jpg\n',
      'Flickr8k_text/Flickr_8k.devImages.txt': '2.jpg\n',
      'Flickr8k_text/Flickr_8k.testImages.txt': '3.jpg\n',
    });
    const { items, problems } = await openDataset(root);
    expect(items.map(({ id, captions, split }) => [id, captions, split])).toEqual([
      ['Flicker8k_Dataset/1.jpg', ['A "dog" runs .', 'The dog .'], 'train'],
      ['Flicker8k_Dataset/2.jpg', ['A cat .'], 'validation'],
      ['Flicker8k_Dataset/3.jpg', ['A cow .'], 'test'],
    ]);
    expect(problems).toEqual([
      { id: '4.jpg.1', what: 'missing file (named in Flickr8k_text/Flickr8k.token.txt:5)' },
      {
        id: 'Flickr8k_text/Flickr8k.token.txt:6',
        what: 'expected a picture, #, a number, a tab and a caption',
      },
      {
        id: 'Flickr8k_text/Flickr8k.token.txt:7',
        what: 'expected a picture, #, a number, a tab and a caption',
      },
    ]);
  });
});
