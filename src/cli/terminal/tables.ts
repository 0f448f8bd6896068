/** @file Tables as text: columns side by side for a terminal, and Markdown. */
import { displayWidth } from './text.ts';

export interface TextTableOptions {
  /** Where the cells after the first of a row stand in their columns. */
  readonly align?: 'left' | 'right';
  /** Spaces between columns. */
  readonly gap?: number;
}

/**
 * Lines of a table whose columns stand side by side.
 * @param rows of cells; a row of one cell is a heading, which may be wider than the column below it
 */
export function textTable(
  rows: readonly (readonly string[])[],
  { align = 'left', gap = 2 }: TextTableOptions = {},
): string[] {
  const count = Math.max(...rows.map(row => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(0, ...rows.filter(row => row.length > 1).map(row => displayWidth(row[column] ?? ''))),
  );
  const padded = (cell: string, column: number) => {
    const space = ' '.repeat(Math.max(0, widths[column] - displayWidth(cell)));
    return align === 'right' && column > 0 ? space + cell : cell + space;
  };
  return rows.map(row => (row.length === 1 ? row[0] : row.map(padded).join(' '.repeat(gap))).trimEnd());
}

/**
 * Lines of a table in Markdown.
 * @param titles of the columns; @param rows as many cells as there are titles
 * @param options.align where the cells after the first of a row stand in their columns
 */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  { align = 'left' }: Pick<TextTableOptions, 'align'> = {},
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`.replaceAll(/\| {2}(?=\|)/g, '| ');
  const rule = titles.map((_, column) => (align === 'right' && column > 0 ? '---:' : '---'));
  return [line(titles), line(rule), ...rows.map(line)];
}
