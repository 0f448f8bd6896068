/**
 * @file Tables: CSV with any of the usual separators and a header line. A row that cannot be read costs itself and no other,
 * also where a quote is opened and not closed.
 */

import { codeOf } from '../../src/io/at-path.ts';
import { captionFields, isKnown, pathFields, pathOf, plainName, rowOfEntries } from '../fields.ts';
import { isImageName } from '../files.ts';
import { type Line, linesOf } from '../lines.ts';
import { namesOf } from '../shown.ts';
import type { IndexBuilder } from './entries.ts';

/** The first line of a table that names its columns. */
export interface Header {
  readonly separator: string;
  /** As names are compared. */
  readonly columns: readonly string[];
}

const SEPARATORS = [',', ';', '\t', '|'];

/** Lines that are parsed at once, and about how many characters at most. */
const BLOCK = { lines: 512, characters: 2 ** 22 };

/** Most lines and characters of a row: line breaks may stand in quotes. */
const ROW = { lines: 1000, characters: 2 ** 20 };

type Parse = (text: string, options: object) => string[][];

/** Loaded for those who have tables only. */
async function parser(): Promise<Parse> {
  return (await import('csv-parse/sync')).parse;
}

/** The header in a line, with the separator for which it names a picture and a caption, or why it is none. */
export async function headerOf(line: string): Promise<Header | string> {
  const parse = await parser();
  let why: string | undefined;
  for (const separator of SEPARATORS) {
    const columns = fieldsOf(parse, line, separator);
    if (columns === undefined || typeof columns === 'string') continue;
    const names = columns.map(plainName);
    const twice = names.find((name, i) => isKnown(name) && names.indexOf(name) < i);
    const has = (known: readonly string[]) => names.some(name => known.includes(name));
    if (twice !== undefined) return `two columns are named ${twice}`;
    if (has(pathFields) && has(captionFields)) return { separator, columns: names };
    if (has(pathFields)) why ??= `no text or caption column (columns: ${namesOf(names)})`;
    else if (has(captionFields)) why ??= `no file_name column (columns: ${namesOf(names)})`;
  }
  return why ?? `needs a header line with file_name and text; its first line is ${JSON.stringify(line.slice(0, 60))}`;
}

/** Excel's line before the header that names the separator. */
const EXCEL = /^"?sep=.?"?$/i;

/** Whether a line is one that comes before the header. */
export function isBeforeHeader(text: string | undefined): boolean {
  return text === undefined || text.trim() === '' || EXCEL.test(text);
}

/**
 * Reads a table.
 * @param isPicture whether a path in a row names a picture that is there
 * @throws Error if it is no text
 */
export async function readTable(
  file: string,
  index: IndexBuilder,
  isPicture: (path: string) => boolean,
): Promise<void> {
  const parse = await parser();
  let table: Table | undefined;
  let block: Line[] = [];
  let [lines, characters] = [0, 0];
  for await (const line of linesOf(file)) {
    if (table === undefined) {
      if (isBeforeHeader(line.text)) continue;
      const header = await headerOf(line.text ?? '');
      if (typeof header === 'string') {
        index.addProblem(index.path, header);
        return;
      }
      table = new Table(parse, header, { index, isPicture });
    } else if (line.text === undefined) index.addProblem(`${index.path}:${line.number}`, 'a line of over 16 MB');
    else if (line.text.trim() !== '') {
      block.push(line);
      characters += line.text.length;
      if (++lines < BLOCK.lines && characters < BLOCK.characters) continue;
      block = table.take(block, false);
      [lines, characters] = [0, 0];
    }
  }
  if (table === undefined) index.addProblem(index.path, 'an empty table');
  else table.take(block, true);
}

class Table {
  private readonly parse: Parse;
  private readonly header: Header;
  private readonly index: IndexBuilder;
  private readonly isPicture: (path: string) => boolean;
  /** Lines that close a quote of an unreadable row before them. */
  private readonly closing = new Map<number, number>();

  constructor(
    parse: Parse,
    header: Header,
    { index, isPicture }: { readonly index: IndexBuilder; readonly isPicture: (path: string) => boolean },
  ) {
    this.parse = parse;
    this.header = header;
    this.index = index;
    this.isPicture = isPicture;
  }

  /** Reads the rows of some lines. @returns the lines of a row that goes on, none at the end of the table */
  take(lines: readonly Line[], isEnd: boolean): Line[] {
    const rows = this.allAt(lines);
    if (rows !== undefined) {
      for (const [i, fields] of rows.entries()) this.add(fields, lines[i]);
      return [];
    }
    for (let i = 0; i < lines.length; ) {
      const line = lines[i];
      const fields = fieldsOf(this.parse, line.text ?? '', this.header.separator);
      if (fields !== undefined) {
        this.addOrName(fields, line);
        i++;
        continue;
      }
      const end = this.endOf(lines, i);
      if (end === undefined && !isEnd) return lines.slice(i);
      i = this.takeLong(lines, i, end);
    }
    return [];
  }

  /** The rows of lines each of which is a whole row without any doubt. */
  private allAt(lines: readonly Line[]): string[][] | undefined {
    const rows = strictly(this.parse, lines.map(({ text }) => text).join('\n'), { delimiter: this.header.separator });
    const isPlain = typeof rows !== 'string' && rows.length === lines.length && this.closing.size === 0;
    return isPlain ? rows : undefined;
  }

  /** The line in which a quote is closed that another opens; -1 if none does, undefined if one behind these lines may. */
  private endOf(lines: readonly Line[], start: number): number | undefined {
    let text = lines[start].text ?? '';
    for (let i = start + 1; i < lines.length; i++) {
      text += `\n${lines[i].text}`;
      if (i - start >= ROW.lines || text.length > ROW.characters) return -1;
      if (!lines[i].text?.includes('"')) continue;
      const rows = strictly(this.parse, text, withSpaces(this.header));
      if (typeof rows !== 'string') return i;
      if (rows !== OPEN) return -1;
    }
    return undefined;
  }

  /** Reads a row of several lines, unless others were swallowed by it. @returns the index of the next line */
  private takeLong(lines: readonly Line[], start: number, end = -1): number {
    const at = `${this.index.path}:${lines[start].number}`;
    if (end < 0) {
      this.index.addProblem(at, 'a quote is opened and not closed');
      return start + 1;
    }
    const isRow = lines.slice(start + 1, end + 1).some(({ text = '' }) => this.namesPicture(text));
    if (isRow) {
      this.index.addProblem(at, `a quote is opened and closed in line ${lines[end].number}, over other rows`);
      this.closing.set(lines[end].number, lines[start].number);
      return start + 1;
    }
    const text = lines.slice(start, end + 1).map(line => line.text);
    const rows = strictly(this.parse, text.join('\n'), withSpaces(this.header));
    if (typeof rows === 'string') this.index.addProblem(at, rows);
    else this.add(rows[0], lines[start]);
    return end + 1;
  }

  private namesPicture(line: string): boolean {
    const fields = fieldsOf(this.parse, line.replaceAll('"', ''), this.header.separator);
    if (fields === undefined || typeof fields === 'string' || fields.length < 2) return false;
    const { path } = pathOf(rowOfEntries(this.header.columns.map((column, i) => [column, fields[i]] as const)));
    return path !== undefined && (isImageName(path) || this.isPicture(path));
  }

  private addOrName(fields: string[] | string, line: Line): void {
    const opened = this.closing.get(line.number);
    this.closing.delete(line.number);
    if (opened !== undefined) {
      this.index.addProblem(`${this.index.path}:${line.number}`, `a quote is closed that line ${opened} opens`);
    } else if (typeof fields === 'string') this.index.addProblem(`${this.index.path}:${line.number}`, fields);
    else this.add(fields, line);
  }

  /** A row, of which what comes after the last column belongs to it if that holds the captions. */
  private add(fields: readonly string[], line: Line): void {
    const { columns, separator } = this.header;
    const at = `${this.index.path}:${line.number}`;
    let cells = fields;
    while (cells.length > columns.length && cells.at(-1)?.trim() === '') cells = cells.slice(0, -1);
    const rest = cells.slice(columns.length - 1);
    if (rest.length > 1 && captionFields.some(field => field === columns.at(-1)) && !rest.some(isImageName)) {
      cells = [...cells.slice(0, columns.length - 1), rest.join(separator)];
    }
    if (cells.length !== columns.length) {
      const hint = cells.length > columns.length ? '; text with a separator in it needs quotes around it' : '';
      this.index.addProblem(at, `${cells.length} cells in a row of a table with ${columns.length} columns${hint}`);
      return;
    }
    this.index.addRow(rowOfEntries(columns.map((name, i) => [name, cells[i]] as const)), at);
  }
}

const OPEN = 'a quote that is not closed';

/** How cells are told apart; more of it in the documentation of csv-parse. */
interface Way {
  readonly delimiter: string;
  readonly trim?: boolean;
  readonly escape?: string;
  readonly relax_quotes?: boolean;
}

/** Spaces around separators are no part of the cells. A tab is a space too. */
function withSpaces({ separator }: Pick<Header, 'separator'>): Way {
  return { delimiter: separator, trim: separator !== '\t' };
}

/** Rows by the letter of CSV; `OPEN`, or another reason why not. */
function strictly(parse: Parse, text: string, way: Way): string[][] | string {
  try {
    return parse(text, {
      record_delimiter: '\n',
      relax_column_count: true,
      max_record_size: 0,
      ...way,
    });
  } catch (error) {
    return codeOf(error) === 'CSV_QUOTE_NOT_CLOSED' ? OPEN : 'quotes that are neither around a cell nor inside one';
  }
}

/**
 * The cells of one line: by the letter, else with spaces around quotes, else with a backslash before inner quotes, else with
 * quotes as characters inside of cells that do not begin with one.
 * @returns undefined if a quote is not closed in the line, or why it cannot be read
 */
function fieldsOf(parse: Parse, line: string, separator: string): string[] | string | undefined {
  const spaced = withSpaces({ separator });
  const ways: Way[] = [{ delimiter: separator }, spaced];
  if (line.includes('\\"')) ways.push({ ...spaced, escape: '\\' });
  let isOpen = false;
  for (const way of ways) {
    const rows = strictly(parse, line, way);
    if (typeof rows !== 'string') return rows[0] ?? [];
    isOpen ||= rows === OPEN;
  }
  if (isOpen) return undefined;
  const relaxed = strictly(parse, line, { delimiter: separator, relax_quotes: true });
  if (relaxed === OPEN) return undefined;
  const cells = typeof relaxed === 'string' ? undefined : relaxed[0];
  if (cells === undefined || cells.some(cell => /^\s*"/.test(cell))) {
    return 'quotes inside a cell with quotes around it have to be doubled ("")';
  }
  return cells;
}
