/** @file Fields with instructions for a model, which are no captions, in every format that has fields. */

import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { failure, folder, plain, seen, tar } from './files.ts';

const colours = ['red', 'lime', 'blue'] as const;
type Fields = (colour: string) => Readonly<Record<string, string>>;
type Files = Record<string, string | Uint8Array>;

/** One data set in each layout: pictures of colours, and the fields of each. */
const layouts: Record<string, (fields: Fields) => Promise<Files>> = {
  'JSON beside images': async fields => {
    const files: Files = {};
    for (const colour of colours) {
      files[`${colour}.png`] = await plain(colour);
      files[`${colour}.json`] = JSON.stringify(fields(colour));
    }
    return files;
  },
  'JSON lines': async fields => {
    const files: Files = {};
    for (const colour of colours) files[`${colour}.png`] = await plain(colour);
    const rows = colours.map(colour => JSON.stringify({ file_name: `${colour}.png`, ...fields(colour) }));
    return { ...files, 'metadata.jsonl': rows.join('\n') };
  },
  'JSON in a shard': async fields => {
    const files: Files = {};
    for (const colour of colours) {
      files[`${colour}.png`] = await plain(colour);
      files[`${colour}.json`] = JSON.stringify(fields(colour));
    }
    return { '0.tar': await tar(files) };
  },
  Parquet: async fields => {
    const pictures: Uint8Array[] = [];
    for (const colour of colours) pictures.push(new Uint8Array(await plain(colour)));
    const names = [...new Set(colours.flatMap(colour => Object.keys(fields(colour))))];
    const texts = names.map(name => ({
      name,
      data: colours.map(colour => fields(colour)[name] ?? null),
      type: 'STRING' as const,
    }));
    const columnData = [{ name: 'image', data: pictures, type: 'BYTE_ARRAY' as const }, ...texts];
    return { 'a.parquet': new Uint8Array(parquetWriteBuffer({ columnData })) };
  },
};

/** Captions by the colour of the picture. */
async function captions(files: Files): Promise<{ captions: unknown; notices: readonly string[] }> {
  const { items, notices } = await seen(await folder(files));
  return { captions: Object.fromEntries(Object.values(items).map(([colour, ...said]) => [colour, said])), notices };
}

test.each(Object.entries(layouts))(
  '%s: a constant field gives way to one that describes the pictures',
  async (_, make) => {
    const files = await make(colour => ({
      text: 'Describe this image.',
      caption: `a ${colour} one`,
      prompt: 'Say it.',
    }));
    const said = await captions(files);
    expect(said.captions).toEqual({ red: ['a red one'], lime: ['a lime one'], blue: ['a blue one'] });
    expect(said.notices).toEqual([
      expect.stringContaining('the field text says the same of every image and is taken for an instruction'),
    ]);
  },
);

test.each(Object.entries(layouts))('%s: a picture that has the instruction alone has no caption', async (_, make) => {
  const files = await make(colour => ({
    text: 'Describe this image.',
    ...(colour === 'blue' ? {} : { caption: `a ${colour} one` }),
  }));
  expect((await captions(files)).captions).toEqual({ red: ['a red one'], lime: ['a lime one'] });
});

test.each(Object.entries(layouts))(
  '%s: one caption for all pictures is a caption where nothing else is',
  async (_, make) => {
    const said = await captions(await make(() => ({ text: 'a plain square', title: 'square' })));
    const square = ['a plain square'];
    expect(said).toEqual({ captions: { red: square, lime: square, blue: square }, notices: [] });
  },
);

test.each(Object.entries(layouts))('%s: a prompt that says the same of all is none', async (_, make) => {
  const root = await folder(await make(() => ({ prompt: 'Describe this image.' })));
  expect((await failure(openDataset(root))).message).toContain('the field prompt says the same of every image');
});
