/**
 * @file Parquet files with the images inside, as Hugging Face stores image datasets: a column with `{bytes, path}` or plain
 * bytes, and a text column; or with paths of images that lie beside them. Opening reads the captions and where the row groups
 * lie; images inside are read by row group.
 */

import { join, posix, relative } from 'node:path';
import type { Problem } from '../dataset.ts';
import { allCaptionsOf, captionsOf, rowOfEntries, type Said } from '../fields.ts';
import { isImageName, listFiles, whyFailed } from '../files.ts';
import { Choices } from '../instructions.ts';
import { PathIndex } from '../paths.ts';
import { decodeText } from '../text.ts';
import { type Candidate, type Format, imageFile, type Reading, type Source, splitField } from './format.ts';
import { type Columns, columnsOf, markedColumns, type NoColumns } from './parquet/columns.ts';
import { type Group, ParquetFile } from './parquet/file.ts';
import { RowGroups, type Rows } from './parquet/groups.ts';
import { type Found, pictureIn } from './parquet/pictures.ts';

/** A column of pictures that takes less than this a row, and less than this in all, is looked at when it is opened. */
const [SMALL_ROW, SMALL_GROUP] = [4096, 2 ** 26];

export const parquet: Format = {
  name: 'parquet',
  layout:
    'Parquet files with an image column ({bytes, path}, bytes, or paths of images beside) and a text or caption column',

  fileKind: name => (isParquet(name) ? 'archive' : undefined),

  async recognise(source) {
    const { root, file, files } = source;
    if (file !== undefined) return true;
    const names = files.filter(isParquet);
    for (const name of names) if (await makesItems(join(root, name), source)) return true;
    // With nothing else to read, the reasons why they cannot be read are what one wants to know.
    return names.length > 0 && !files.some(path => isImageName(path) || /\.(tar|tgz|tar\.\w+)$/i.test(path));
  },

  async read(source) {
    const reading = new ParquetReading(source);
    const names = source.file === undefined ? source.files.filter(isParquet) : [source.file];
    for (const name of names) await reading.add(name);
    return reading.finish();
  },
};

function isParquet(path: string): boolean {
  return /\.(parquet|pq)$/i.test(path);
}

function isUsable(columns: Columns | NoColumns): columns is Columns {
  return 'image' in columns;
}

function columnsIn(file: ParquetFile): Columns | NoColumns {
  return columnsOf(file.columns, markedColumns(file.note('huggingface')));
}

/** Whether a file has pictures, or names at least one that is there, with captions. */
async function makesItems(path: string, source: Source): Promise<boolean> {
  try {
    const file = await ParquetFile.open(path);
    const columns = columnsIn(file);
    if (!isUsable(columns)) return false;
    if (columns.image.kind !== 'text') return true;
    file.checkRows();
    const { name } = columns.image;
    const group = file.groups.find(({ rows }) => rows > 0);
    if (group === undefined) return false;
    const found = (await file.read(group, [name]))[name].map(value => pictureIn(value, name, true));
    const places = new Places(source);
    const folder = folderOf(source.root, path);
    for (const { bytes, path: place } of found) {
      if (bytes !== undefined) return true;
      if (place !== undefined && (await places.find(place, folder)).length > 0) return true;
    }
    return false;
  } catch {
    return false; // said when it is read
  }
}

function folderOf(root: string, path: string): string {
  return posix.dirname(relative(root, path).replaceAll('\\', '/'));
}

/** The files that paths in a table may mean. */
class Places {
  private readonly source: Source;
  private index: PathIndex | undefined;

  constructor(source: Source) {
    this.source = source;
  }

  /** Files that a path means, from the table's folder or from that of the data. */
  async find(path: string, folder: string): Promise<readonly string[]> {
    const { root, file, files } = this.source;
    this.index ??= new PathIndex(file === undefined ? files : (await listFiles(root)).files);
    const plain = path.replaceAll('\\', '/');
    const local = posix.isAbsolute(plain) ? relative(root, plain).replaceAll('\\', '/') : plain;
    const beside = this.index.find(posix.normalize(posix.join(folder, local)));
    return beside.length > 0 ? beside : this.index.find(posix.normalize(local));
  }
}

/** A file that is read. */
interface Table {
  /** Its path below the root. */
  readonly name: string;
  readonly file: ParquetFile;
  readonly columns: Columns;
  /** Items of all files before it. */
  readonly before: number;
}

/** What a row says of its picture's caption and split. */
interface Saying {
  readonly id: string;
  /** What all columns of captions say, that which counts first. */
  readonly said: readonly [Said, ...Said[]];
  readonly more: Pick<Candidate, 'split'>;
}

/** The reading of several files. */
class ParquetReading {
  private readonly source: Source;
  private readonly places: Places;
  private readonly kept = new RowGroups();
  private readonly items = new Map<string, Candidate>();
  private readonly problems: Problem[] = [];
  private readonly strays: Problem[] = [];
  private readonly choices = new Choices<string>();
  private readonly used: string[] = [];
  private readonly otherImages = new Map<string, number>();
  /** Rows of each file that were never downloaded. */
  private readonly failed = new Map<string, number>();

  constructor(source: Source) {
    this.source = source;
    this.places = new Places(source);
  }

  async add(name: string): Promise<void> {
    try {
      const file = await ParquetFile.open(join(this.source.root, name));
      const columns = columnsIn(file);
      if (!isUsable(columns)) {
        (columns.hasPictures ? this.problems : this.strays).push({ id: name, what: columns.why });
        return;
      }
      file.checkRows();
      this.used.push(name);
      if (file.groups.every(({ rows }) => rows === 0)) this.problems.push({ id: name, what: 'has no rows' });
      for (const column of columns.otherImages) this.otherImages.set(column, (this.otherImages.get(column) ?? 0) + 1);
      const before = this.items.size;
      for (const group of file.groups) await this.addGroup({ name, file, columns, before }, group);
    } catch (error) {
      this.problems.push({ id: name, what: `not readable as Parquet (${whyFailed(error)})` });
    }
  }

  private async addGroup({ name, file, columns, before }: Table, group: Group): Promise<void> {
    const { image, captions, split, status } = columns;
    const isLooked = isLookedAt(file, columns, group);
    const texts = [...captions, split, status, isLooked ? image.name : undefined].filter(each => each !== undefined);
    let read: Readonly<Record<string, readonly unknown[]>>;
    try {
      read = await file.read(group, texts);
    } catch (error) {
      const rows = `${group.start} to ${group.start + group.rows - 1}`;
      this.problems.push({ id: `${name}: rows ${rows}`, what: `cannot be decoded (${whyFailed(error)})` });
      return;
    }
    for (let i = 0; i < group.rows; i++) {
      const id = `${name}/${group.start + i}`;
      if (status !== undefined && textIn(read[status][i]) !== 'success') {
        this.failed.set(name, (this.failed.get(name) ?? 0) + 1);
        continue;
      }
      const saying = this.saidBy(id, columns, column => read[column][i]);
      if (saying === undefined) continue;
      const value = read[image.name]?.[i];
      const found: Found | undefined = isLooked ? pictureIn(value, image.name, image.kind === 'text') : undefined;
      if (found?.why !== undefined) this.problems.push({ id, what: found.why });
      else if (found?.path !== undefined) await this.addFile(name, saying, found.path);
      else this.addInside({ file, group, place: i, image, isFirst: this.items.size === before }, saying);
    }
  }

  /** What a row says beside its picture; undefined if it has no caption, which is named. */
  private saidBy(id: string, { captions, split }: Columns, value: (column: string) => unknown): Saying | undefined {
    const row = rowOfEntries(captions.map(column => [column, textIn(value(column))]));
    const [first, ...others] = allCaptionsOf(row);
    if (first === undefined) {
      const column = captions.find(each => whyNoText(value(each)) !== undefined);
      const what =
        column === undefined ? (captionsOf(row).why ?? '') : `its column ${column} ${whyNoText(value(column))}`;
      this.problems.push({ id, what });
      return undefined;
    }
    const more = split === undefined ? {} : splitField(textIn(value(split)));
    return { id, said: [first, ...others], more };
  }

  /** A picture that lies beside the table, which several rows may caption. */
  private async addFile(name: string, { id: row, said, more }: Saying, path: string): Promise<void> {
    const found = await this.places.find(path, posix.dirname(name));
    const shown = path.slice(0, 200);
    if (found.length === 0) {
      this.problems.push({ id: row, what: `holds only a path, ${shown}, and no such file is there` });
    } else if (found.length > 1) {
      this.problems.push({
        id: row,
        what: `holds only a path, ${shown}, which several files fit: ${found.join(', ')}`,
      });
    } else {
      const [id] = found;
      const all = [...new Set([...(this.items.get(id)?.captions ?? []), ...said[0].captions])];
      this.items.set(id, imageFile(this.source.root, id, all, { ...more, index: name }));
      this.choices.see(id, said);
    }
  }

  /** A picture inside the file. */
  private addInside(
    at: { file: ParquetFile; group: Group; place: number; image: Columns['image']; isFirst: boolean },
    { id, said, more }: Saying,
  ): void {
    const { file, group, place, image, isFirst } = at;
    const load = async (): Promise<Rows> => {
      const values = (await file.read(group, [image.name]))[image.name];
      return values.map(value => {
        const { bytes, path, why } = pictureIn(value, image.name, image.kind === 'text');
        return bytes ?? why ?? `holds only a path, ${path}`;
      });
    };
    const read = async (): Promise<Uint8Array> => {
      const picture = (await this.kept.get(`${file.path}/${group.index}`, load))[place];
      if (typeof picture === 'string') throw new Error(picture);
      return picture.slice(); // a view would keep all of the row group for as long as this image waits
    };
    const where = { file: file.path, part: `${image.name}/${group.start + place}` };
    this.items.set(id, { id, captions: said[0].captions, ...more, read, place: where, heavy: !isFirst });
    this.choices.see(id, said);
  }

  finish(): Reading {
    for (const [id, item] of this.items) {
      const { captions, why } = this.choices.captionsOf(id, item.captions);
      if (captions === item.captions) continue;
      if (why === undefined) this.items.set(id, { ...item, captions });
      else {
        this.items.delete(id);
        this.problems.push({ id, what: `no caption: ${why}` });
      }
    }
    const others = Array.from(this.otherImages, ([column, count]) => ({
      id: `column ${column}`,
      what: `pictures in ${count} ${count === 1 ? 'file' : 'files'} beside those that are used`,
    }));
    for (const [id, count] of this.failed)
      others.push({
        id,
        what: count === 1 ? 'a row that was not downloaded' : `${count} rows that were not downloaded`,
      });
    // A table without pictures is nobody's loss beside one that has some.
    const isAlone = this.used.length === 0;
    return {
      items: [...this.items.values()],
      problems: isAlone ? [...this.problems, ...this.strays] : this.problems,
      used: this.used,
      unused: isAlone ? others : [...others, ...this.strays],
      notices: this.choices.notices(),
    };
  }
}

/** Whether the pictures of a group are looked at when it is opened: they may be paths, or are few bytes. */
function isLookedAt(file: ParquetFile, { image }: Columns, group: Group): boolean {
  const bytes = file.bytesOf(group, image.name);
  if (bytes < Math.min(SMALL_GROUP, SMALL_ROW * group.rows)) return true;
  return image.kind === 'picture' && file.hasNulls(group, [image.name, 'bytes']);
}

/** Why a value that should be text is none, in words that follow its column's name. */
function whyNoText(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(whyNoText).find(why => why !== undefined);
  return value instanceof Uint8Array ? decodeText(value).why : undefined;
}

/** Text of a value, which comes as bytes. */
function textIn(value: unknown): unknown {
  if (value instanceof Uint8Array) return decodeText(value).text;
  return Array.isArray(value) ? value.map(textIn) : value;
}
