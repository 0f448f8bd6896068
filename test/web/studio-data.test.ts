/** @file Data sets as the page shows them: pages, searches, pictures, what a run reads, and pictures that look alike. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { findTwins, looksOf } from '../../data/twins.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { writeDataRecord } from '../../src/io/datarecord.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import type { DataDetail, DataFacts, DataPage, InspectionAnswer } from '../../src/web/studio/data/messages.ts';
import { idOf } from '../../src/web/studio/library.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { captions, draw, fileOf, temporaryFolder } from '../cli/program.ts';
import { openTestStudio, until } from './open-studio.ts';

const root = await realpath(temporaryFolder());
const [folder, data, run] = [join(root, 'runs'), join(root, 'shapes'), join(root, 'runs', 'one')];
mkdirSync(run, { recursive: true });
mkdirSync(data);

/** Drawings, one of them once more as a larger JPEG, a picture that is none, and enough others for a second page. */
const lines = await Promise.all(
  captions.map(async caption => {
    writeFileSync(join(data, fileOf(caption)), await draw(caption));
    return { file_name: fileOf(caption), text: caption };
  }),
);
writeFileSync(
  join(data, 'z-copy.jpg'),
  await sharp(await draw('red circle'))
    .resize(48)
    .jpeg()
    .toBuffer(),
);
writeFileSync(join(data, 'z-broken.png'), (await draw('red square')).subarray(0, 60));
const more = Array.from({ length: 200 }, (_, i) => `y-${String(i).padStart(3, '0')}.png`);
const grey = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#777' } })
  .png()
  .toBuffer();
for (const name of more) writeFileSync(join(data, name), grey);
const all = [
  ...lines,
  ...more.map(name => ({ file_name: name, text: `grey ${name}` })),
  { file_name: 'z-copy.jpg', text: 'a copy of a CIRCLE, in red' },
  { file_name: 'z-broken.png', text: 'what is broken' },
];
writeFileSync(join(data, 'metadata.jsonl'), all.map(line => `${JSON.stringify(line)}\n`).join(''));

const config = resolveConfig({ preset: 'tiny', fields: { model: { captionLength: 4 }, images: { imageSize: 32 } } });
const paths = runPaths(run);
writeFileSync(paths.config, JSON.stringify(config));
const tokenizer = BpeTokenizer.train(captions, { vocabSize: 300 });
writeFileSync(paths.captions, JSON.stringify(tokenizer.toJSON()));
mkdirSync(join(run, 'state'));
const record = captions.map((caption, i) => ({
  id: fileOf(caption),
  heldOut: i === 2,
  image: '',
  captions: '',
  stamp: '',
}));
await writeDataRecord(paths.dataRecord, record, 'shapes');

const studio = await openTestStudio({ folder, data: [data] });
const [at, runId] = [`/api/data/${idOf(data)}`, idOf(run)];
const page = (query: string) => studio.json<DataPage>(`${at}/items?${query}`);
const indexOf = async (name: string) => (await page(`search=${name}`)).items[0].index;

test('a data set says what it is, and which runs were trained on it', async () => {
  const facts = await studio.json<DataFacts>(at);
  expect(facts).toMatchObject({ name: data, format: 'metadata', images: all.length });
  expect(facts.sides.train + facts.sides.validation).toBe(all.length);
  expect(facts.runs).toEqual([{ id: runId, name: 'one', knows: true, copies: false }]);
});

test('items come by pages, by words of their captions in any order, and by sides', async () => {
  const first = await page('');
  expect(first).toMatchObject({ total: all.length, page: 1, pages: 2 });
  expect(first.items).toHaveLength(200);
  const second = await page('page=2');
  expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(all.map(line => line.file_name));
  expect((await page('page=99')).page).toBe(2);
  expect((await page('search=circle+red')).items.map(({ id }) => id)).toEqual(['red-circle.png', 'z-copy.jpg']);
  expect((await page('search=red+square+nothing')).total).toBe(0);
  const held = await page('side=validation');
  expect(held.items.every(({ side }) => side === 'validation')).toBe(true);
  expect(held.total).toBe((await studio.json<DataFacts>(at)).sides.validation);
});

test('a run has its own sides, and says of what it does not know', async () => {
  const found = await page(`run=${runId}&side=validation`);
  expect(found.items.map(({ id }) => id)).toEqual([fileOf(captions[2])]);
  expect((await page(`run=${runId}&side=none`)).total).toBe(all.length - captions.length);
});

test('pictures are decoded and sent as pictures of our own; one that is broken is said', async () => {
  const index = await indexOf('z-copy.jpg');
  const response = await studio.get(`${at}/pictures/${index}?size=192`);
  expect(response.headers.get('content-type')).toBe('image/webp');
  const { format, width } = await sharp(Buffer.from(await response.arrayBuffer())).metadata();
  expect({ format, width }).toEqual({ format: 'webp', width: 48 });
  const square = await studio.get(`${at}/squares/${index}?run=${runId}`);
  expect(await sharp(Buffer.from(await square.arrayBuffer())).metadata()).toMatchObject({
    format: 'png',
    width: 32,
    height: 32,
  });
  const broken = await studio.get(`${at}/pictures/${await indexOf('z-broken')}`);
  expect({ status: broken.status, ...((await broken.json()) as object) }).toMatchObject({
    status: 422,
    error: expect.stringContaining('z-broken.png: '),
  });
  for (const wrong of ['9999', '-1', '1.5', 'metadata', '..%2f..%2fetc%2fpasswd']) {
    expect((await studio.get(`${at}/pictures/${wrong}`)).status).toBe(404);
  }
  expect((await studio.get(`${at}/pictures/${index}?size=9000`)).status).toBe(400);
});

test('a caption is shown in the pieces that a run reads, with what is cut', async () => {
  const caption = 'a copy of a CIRCLE, in red';
  const detail = await studio.json<DataDetail>(`${at}/items/${await indexOf('z-copy')}?run=${runId}`);
  const [{ pieces, read }] = detail.pieces ?? [];
  expect(pieces.map(({ id }) => id)).toEqual([...tokenizer.encode(caption)]);
  expect(pieces.map(({ text }) => text).join('')).toBe(caption.toLowerCase());
  expect(read).toBe(4);
  expect(detail).toMatchObject({ imageSize: 32, grid: config.patch.grid, side: null, width: 48, encoding: 'jpeg' });
});

test('an inspection finds what is broken, and copies of another size and encoding', async () => {
  expect(await studio.json(`${at}/inspection`)).toEqual({ state: 'none' });
  await studio.post(`${at}/inspection`, {});
  const answer = await until(
    () => studio.json<InspectionAnswer>(`${at}/inspection`),
    ({ state }) => state !== 'under way',
  );
  if (answer.state !== 'done') throw new Error(`expected an inspection, got ${JSON.stringify(answer)}`);
  expect(answer.problems.map(({ id }) => id)).toEqual(['z-broken.png']);
  expect(answer.twins.map(group => group.map(({ id }) => id))).toEqual([
    more.slice(0, 24),
    ['red-circle.png', 'z-copy.jpg'],
  ]);
  expect(answer.lines.join('\n')).toContain(`images        ${all.length - 1} `);
});

test('other shapes and colours at the same place are no copies', async () => {
  const looks = await Promise.all(
    ['red circle', 'blue circle', 'red square', 'red circle'].map(async each => looksOf(await draw(each))),
  );
  expect(findTwins([...looks.slice(0, 3), undefined, looks[3]])).toEqual([[0, 4]]);
  expect(looks[0].hash).toBe(looks[1].hash); // of which the colours tell them apart
});
