/**
 * @file Parquet files with the images inside, as Hugging Face stores image datasets: a column with `{bytes, path}` or plain
 * bytes, and a text column. Opening reads the captions and where the row groups lie; images are read by row group, few at a
 * time, the last few of which are kept, so memory stays bounded however large the files are and whatever the order.
 */

import { join } from 'node:path';
import type { FileMetaData } from 'hyparquet';
import { firstLine, UserError } from '../../src/core/errors.ts';
import type { Problem } from '../dataset.ts';
import { captionsFrom, decodeText } from '../text.ts';
import type { Candidate, Format } from './format.ts';

const IMAGE_COLUMNS = ['image', 'img', 'images', 'picture', 'jpg', 'jpeg', 'png', 'webp', 'image_bytes', 'bytes'];
const CAPTION_COLUMNS = [
  'text',
  'caption',
  'captions',
  'texts',
  'prompt',
  'sentences',
  'sentence',
  'description',
  'txt',
  'alt_text',
];

/** Most bytes of decoded row groups kept for the next reads. */
const KEEP_BYTES = 512 * 2 ** 20;

/** Row groups read at once. */
const MOST_READS = 2;

export const parquet: Format = {
  name: 'parquet',
  layout: 'Parquet files with an image column ({bytes, path} or bytes) and a text or caption column',

  fileKind: name => (isParquet(name) ? 'archive' : undefined),

  recognise: ({ files }) => files.some(isParquet),

  async read({ root, file, files }) {
    const items: Candidate[] = [];
    const problems: Problem[] = [];
    const kept = new RowGroups();
    const used = file === undefined ? files.filter(isParquet) : [file];
    for (const name of used) {
      try {
        items.push(...(await itemsOf(root, name, kept, problems)));
      } catch (error) {
        if (error instanceof UserError) throw error;
        problems.push({ id: name, what: `not readable as Parquet (${firstLine(error)})` });
      }
    }
    return { items, problems, used };
  },
};

function isParquet(path: string): boolean {
  return /\.parquet$/i.test(path);
}

async function itemsOf(root: string, name: string, kept: RowGroups, problems: Problem[]): Promise<Candidate[]> {
  // Loaded for those who have such files only.
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const file = await asyncBufferFromFile(join(root, name));
  const metadata = await parquetMetadataAsync(file);
  const columns = topColumns(metadata);
  const image = pick(name, 'image', columns, IMAGE_COLUMNS);
  const caption = pick(name, 'caption', columns, CAPTION_COLUMNS);
  const items: Candidate[] = [];
  let start = 0;
  for (const [g, group] of metadata.row_groups.entries()) {
    const end = start + Number(group.num_rows);
    const rows = { file, metadata, compressors, utf8: false, rowStart: start, rowEnd: end };
    const texts = await parquetReadObjects({ ...rows, columns: [caption] });
    for (const [i, row] of texts.entries()) {
      const id = `${name}/${start + i}`;
      const captions = captionsFrom(textOf(row[caption]));
      if (captions.length === 0) {
        problems.push({ id, what: `empty caption (column ${caption})` });
        continue;
      }
      const load = (): Promise<(Uint8Array | undefined)[]> =>
        parquetReadObjects({ ...rows, columns: [image] }).then(found => found.map(each => bytesOf(each[image])));
      const read = async (): Promise<Uint8Array> => {
        const bytes = (await kept.get(`${name}/${g}`, load))[i];
        if (bytes === undefined) throw new Error(`no image bytes in column ${image}`);
        return bytes.slice(); // a view would keep all of the row group for as long as this image waits
      };
      const place = { file: join(root, name), part: `${image}/${start + i}` };
      items.push({ id, captions, read, place, heavy: items.length > 0 });
    }
    start = end;
  }
  return items;
}

function topColumns(metadata: FileMetaData): string[] {
  // The schema is a flattened tree: the root says how many children it has, each child how many to skip.
  const names: string[] = [];
  let i = 1;
  const skip = (): void => {
    const children = metadata.schema[i++].num_children ?? 0;
    for (let c = 0; c < children; c++) skip();
  };
  while (i < metadata.schema.length) {
    names.push(metadata.schema[i].name);
    skip();
  }
  return names;
}

function pick(file: string, what: string, columns: readonly string[], wanted: readonly string[]): string {
  for (const name of wanted) {
    const found = columns.find(column => column.toLowerCase() === name);
    if (found !== undefined) return found;
  }
  throw new UserError(
    file,
    `expected a column with the ${what} (${wanted.slice(0, 4).join(', ')}), got ${columns.join(', ')}`,
  );
}

/** Strings, also where the file does not mark its bytes as text. */
function textOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return decodeText(value).text;
  return Array.isArray(value) ? value.map(textOf) : value;
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return bytesOf(value[0]);
  return typeof value === 'object' && value !== null && 'bytes' in value ? bytesOf(value.bytes) : undefined;
}

type Rows = readonly (Uint8Array | undefined)[];

/**
 * The most recently used row groups. Readers that ask for one that is being read share the reading; those that ask for
 * others wait for their turn.
 */
export class RowGroups {
  private readonly groups = new Map<string, { readonly rows: Promise<Rows>; bytes: number }>();
  private readonly waiting: (() => void)[] = [];
  private reading = 0;

  async get(key: string, load: () => Promise<Rows>): Promise<Rows> {
    let entry = this.groups.get(key);
    if (entry === undefined) {
      entry = { rows: this.inTurn(load), bytes: 0 };
      const read = entry;
      read.rows.then(
        rows => {
          read.bytes = rows.reduce((sum, row) => sum + (row?.length ?? 0), 0);
          this.shrink(key);
        },
        () => this.groups.delete(key),
      );
    }
    this.groups.delete(key);
    this.groups.set(key, entry); // last: most recently used
    return await entry.rows;
  }

  private async inTurn(load: () => Promise<Rows>): Promise<Rows> {
    if (this.reading === MOST_READS) await new Promise<void>(resolve => this.waiting.push(resolve));
    else this.reading++;
    try {
      return await load();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.reading--;
      else next(); // takes this one's place
    }
  }

  /** Lets go of the groups used longest ago; never of the one that was just read, nor of those still to be read. */
  private shrink(latest: string): void {
    let total = 0;
    for (const { bytes } of this.groups.values()) total += bytes;
    for (const [key, { bytes }] of this.groups) {
      if (total <= KEEP_BYTES) return;
      if (key === latest || bytes === 0) continue;
      this.groups.delete(key);
      total -= bytes;
    }
  }
}
