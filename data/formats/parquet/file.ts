/**
 * @file A Parquet file: what it says of itself, and reading columns of a row group. hyparquet decodes; what it is given is
 * bounded and checked before, and the file has to stay as it was when it was opened.
 */

import type { AsyncBuffer, ColumnMetaData, CompressionCodec, FileMetaData, RowGroup, SchemaTree } from 'hyparquet';
import { StillFile } from '../still-file.ts';
import { type ChunkShape, type Pages, unpackPages } from './pages.ts';
import { readThrift } from './thrift.ts';
import { unpacker } from './unpack.ts';

/** Most bytes of a file's metadata, in which each column chunk of a row group takes about a hundred. */
const MOST_METADATA = 2 ** 24;
/** Most elements of a schema. */
const MOST_ELEMENTS = 10_000;
/** Deepest nesting of columns. */
const MOST_DEPTH = 32;
/** Most rows of a row group. */
const MOST_ROWS = 2 ** 23;
/** Least bytes of a file for each of its rows; a picture or its path takes more. */
const LEAST_ROW = 8;

/** Rows of a file that are stored together. */
export interface Group {
  /** From 0 in the file. */
  readonly index: number;
  /** Number of its first row in the file. */
  readonly start: number;
  readonly rows: number;
}

export class ParquetFile {
  /** Top columns. */
  readonly columns: readonly SchemaTree[];
  readonly groups: readonly Group[];
  private readonly file: StillFile;
  private readonly metadata: FileMetaData;

  private constructor(file: StillFile, metadata: FileMetaData, columns: readonly SchemaTree[]) {
    this.file = file;
    this.metadata = metadata;
    this.columns = columns;
    let start = 0;
    this.groups = metadata.row_groups.map(({ num_rows }, index) => {
      const rows = Number(num_rows);
      start += rows;
      return { index, start: start - rows, rows };
    });
  }

  /** Checks that it may have as many rows with pictures as it says. @throws Error in one line if not */
  checkRows(): void {
    const most = Math.floor(this.file.size / LEAST_ROW);
    const total = this.groups.reduce((sum, { rows }) => sum + rows, 0);
    if (!(total <= most)) throw new Error(`it claims ${total} rows of pictures in ${this.file.size} bytes`);
    const odd = this.groups.find(({ rows }) => !(rows >= 0 && rows <= MOST_ROWS));
    if (odd !== undefined) throw new Error(`its row group ${odd.index} claims ${odd.rows} rows`);
  }

  get path(): string {
    return this.file.path;
  }

  /** Opens a file. @throws Error in one line if it is no Parquet */
  static async open(path: string): Promise<ParquetFile> {
    const { parquetMetadata, parquetSchema } = await import('hyparquet'); // loaded for those who have such files only
    const file = await StillFile.of(path);
    const footer = await readFooter(file);
    readThrift(footer, 0);
    const { metadata, columns } = await decoding('its metadata is', () => {
      const read = parquetMetadata(footer, { geoparquet: false });
      checkSchema(read);
      return { metadata: read, columns: parquetSchema(read).children };
    });
    return new ParquetFile(file, metadata, columns);
  }

  /** A text that the writer has put beside the data, e.g. under `huggingface`. */
  note(key: string): string | undefined {
    return this.metadata.key_value_metadata?.find(pair => pair.key === key)?.value;
  }

  /** Unpacked bytes of a top column in a group, as its metadata says. */
  bytesOf({ index }: Group, column: string): number {
    return this.chunks(index, column).reduce((sum, meta) => sum + Number(meta.total_uncompressed_size), 0);
  }

  /** Whether a value of a group may be null, as far as the metadata says. @param leaf path to the column */
  hasNulls({ index }: Group, leaf: readonly string[]): boolean {
    const meta = this.chunks(index, leaf[0]).find(({ path_in_schema: path }) => path.join('\n') === leaf.join('\n'));
    const nulls = meta?.statistics?.null_count;
    return nulls !== undefined && nulls > 0;
  }

  /**
   * Columns of a group: the value of each row, text as bytes.
   * @throws Error in one line if they cannot be decoded
   */
  async read(group: Group, columns: readonly string[]): Promise<Readonly<Record<string, readonly unknown[]>>> {
    const read: Record<string, readonly unknown[]> = Object.create(null);
    for (const column of columns) {
      read[column] = await decoding(`its column ${column} is`, () => this.readColumn(group, column));
    }
    return read;
  }

  private async readColumn({ index, rows }: Group, column: string): Promise<unknown[]> {
    if (rows === 0) return [];
    const { parquetReadObjects } = await import('hyparquet');
    const chunks: Chunk[] = [];
    for (const [i, meta] of this.chunks(index, column).entries()) chunks.push(await this.chunk(meta, rows, i));
    const group: RowGroup = {
      ...this.metadata.row_groups[index],
      columns: chunks.map(({ meta }) => ({ file_offset: 0n, meta_data: meta })),
    };
    const found = await parquetReadObjects({
      file: bufferOf(this.file, chunks),
      metadata: { ...this.metadata, row_groups: [group] },
      columns: [column],
      compressors: Object.fromEntries(chunks.map(({ meta, pages }) => [meta.codec, pageOf(pages)])),
      parsers: { stringFromBytes: asTheyAre, jsonFromBytes: asTheyAre },
      utf8: false,
    });
    if (found.length !== rows) throw new Error(`${found.length} rows instead of ${rows}`);
    return found.map(row => row[column]);
  }

  private chunks(group: number, column: string): ColumnMetaData[] {
    return this.metadata.row_groups[group].columns
      .map(({ meta_data: meta, file_path: path }) => {
        if (path !== undefined && path !== '') throw new Error('its columns lie in another file');
        if (meta === undefined) throw new Error('it is encrypted');
        return meta;
      })
      .filter(({ path_in_schema: path }) => path[0] === column);
  }

  /** Reads, unpacks and checks a chunk. Its codec becomes a name of its own, under which its pages are given. */
  private async chunk(meta: ColumnMetaData, rows: number, number: number): Promise<Chunk> {
    const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
    const bytes = await this.file.piece(start, Number(meta.total_compressed_size));
    const pages = unpackPages(bytes, this.shapeOf(meta, rows), await unpacker(meta.codec));
    const codec = `chunk ${number}` as CompressionCodec; // the name of its decoder, which may be any
    return { meta: { ...meta, codec }, start, bytes, pages };
  }

  private shapeOf({ path_in_schema: path }: ColumnMetaData, rows: number): ChunkShape {
    let [repetition, definition, places] = [0, 0, this.columns];
    for (const name of path) {
      const found = places.find(({ element }) => element.name === name);
      if (found === undefined) throw new Error(`no column ${path.join('.')} in its schema`);
      if (found.element.repetition_type === 'REPEATED') repetition++;
      if (found.element.repetition_type !== 'REQUIRED') definition++;
      places = found.children;
    }
    return { rows, repetition, definition };
  }
}

/** A column chunk in memory. */
interface Chunk {
  readonly meta: ColumnMetaData;
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly pages: Pages;
}

/** Gives the pages that were unpacked already. */
function pageOf(pages: Pages): (packed: Uint8Array) => Uint8Array {
  return packed => {
    const page = pages.get(packed.byteOffset);
    if (page === undefined) throw new Error('a page at an odd place');
    return page;
  };
}

/** The file, of which only the chunks that were read are asked for. */
function bufferOf(file: StillFile, chunks: readonly Chunk[]): AsyncBuffer {
  return {
    byteLength: file.size,
    slice: async (from, to = file.size) => {
      const whole = chunks.find(({ start, bytes }) => start === from && start + bytes.length === to);
      if (whole !== undefined) return whole.bytes.buffer as ArrayBuffer; // made for it alone
      const joined = new Uint8Array(to - from); // small neighbours are asked for together
      for (const { start, bytes } of chunks)
        if (start >= from && start + bytes.length <= to) joined.set(bytes, start - from);
      return joined.buffer;
    },
  };
}

/** Says of damage what it is; the decoder tells of its own variables, or of places outside its buffers. */
async function decoding<T>(what: string, decode: () => T | Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new Error(`${what} damaged`);
    throw error;
  }
}

function asTheyAre(bytes: Uint8Array): Uint8Array {
  return bytes;
}

/** The metadata with its length and mark, which end the file. */
async function readFooter(file: StillFile): Promise<Uint8Array> {
  if (file.size < 12) throw new Error(`a file of ${file.size} bytes`);
  const end = await file.piece(file.size - 8, 8);
  const mark = Buffer.from(end.subarray(4)).toString('latin1');
  if (mark === 'PARE') throw new Error('it is encrypted');
  if (mark !== 'PAR1') throw new Error('it does not end as Parquet does: cut off, or another format');
  const length = new DataView(end.buffer).getUint32(0, true);
  if (length > file.size - 8) throw new Error('it is cut off');
  if (length > MOST_METADATA) throw new Error(`it has ${length} bytes of metadata, more than ${MOST_METADATA}`);
  return await file.piece(file.size - 8 - length, length + 8);
}

/** Checks that the schema is a tree of sensible size. */
function checkSchema({ schema }: FileMetaData): void {
  if (schema.length > MOST_ELEMENTS) throw new Error(`it has ${schema.length} columns, more than ${MOST_ELEMENTS}`);
  let next = 0;
  const walk = (depth: number): void => {
    if (depth > MOST_DEPTH) throw new Error(`its columns are nested deeper than ${MOST_DEPTH}`);
    if (next >= schema.length) throw new Error('its schema breaks off');
    const { num_children: children = 0 } = schema[next++];
    for (let i = 0; i < children; i++) walk(depth + 1);
  };
  walk(0);
}
