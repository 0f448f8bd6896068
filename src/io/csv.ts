/**
 * @file Records as a table of comma-separated values (RFC 4180), one row a record: what spreadsheets open. A cell that a spreadsheet
 * would take for a formula is led by an apostrophe, since a log may be a stranger's.
 */

/** The columns of some records: those that are wanted first, then the others as they come. */
export function columnsOf(records: readonly object[], first: readonly string[] = []): string[] {
  return [...new Set([...first, ...records.flatMap(Object.keys)])];
}

/** A record as a row, with the end of its line. A value that is missing, null or not finite is an empty cell. */
export function csvRow(record: Readonly<Record<string, unknown>>, columns: readonly string[]): string {
  return csvLine(columns.map(name => record[name]));
}

/** Values as a row, with the end of its line. */
export function csvLine(values: readonly unknown[]): string {
  return `${values.map(cell).join(',')}\n`;
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
