/** @file The pictures in the values of a Parquet column: bytes, text that stands for bytes, or a path to a file. */

/** What a value is: a picture's bytes, the path of one, or why it is neither, in words that follow the row's name. */
export type Found =
  | { readonly bytes: Uint8Array; readonly path?: undefined; readonly why?: undefined }
  | { readonly path: string; readonly bytes?: undefined; readonly why?: undefined }
  | { readonly why: string; readonly bytes?: undefined; readonly path?: undefined };

/** @param value as `ParquetFile.read` gives it, of a column named `column` @param isText whether its bytes are text */
export function pictureIn(value: unknown, column: string, isText: boolean): Found {
  if (Array.isArray(value)) {
    if (value.length === 1) return pictureIn(value[0], column, isText);
    return { why: `${value.length} pictures in column ${column}, expected one` };
  }
  if (value instanceof Uint8Array)
    return isText || isWritten(value) ? written(textOf(value), column) : nonEmpty(value, column);
  if (typeof value !== 'object' || value === null) return { why: `no picture in column ${column}` };
  const { bytes, path } = value as { readonly bytes?: unknown; readonly path?: unknown };
  if (bytes instanceof Uint8Array && bytes.length > 0) return pictureIn(bytes, column, false);
  if (path instanceof Uint8Array && path.length > 0) return written(textOf(path), column);
  return { why: `no picture in column ${column}` };
}

function nonEmpty(bytes: Uint8Array, column: string): Found {
  return bytes.length > 0 ? { bytes } : { why: `no picture in column ${column}` };
}

/** Whether bytes are the beginning of a picture written as text. */
function isWritten(bytes: Uint8Array): boolean {
  return /^(data:image|iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/.test(Buffer.from(bytes.subarray(0, 16)).toString('latin1'));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').trim();
}

/** Base64 has no dot, and the name of a picture has one. */
function written(text: string, column: string): Found {
  if (text === '') return { why: `no picture in column ${column}` };
  const data = text.match(/^data:[^,]{0,200}?(;base64)?,/i);
  if (data !== null) {
    const body = text.slice(data[0].length);
    if (data[1] !== undefined) return decoded(body, column);
    try {
      return { bytes: Buffer.from(decodeURIComponent(body), 'latin1') };
    } catch {
      return { why: `a data address that cannot be read in column ${column}` };
    }
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { why: `an address and no picture (${text.slice(0, 80)})` };
  if (text.length > 40 && !text.includes('.')) return decoded(text, column);
  return { path: text };
}

function decoded(text: string, column: string): Found {
  const isBase64 = /^[A-Za-z0-9+/_=\s-]+$/.test(text);
  if (!isBase64) return { why: `text that is neither a path nor base64 in column ${column} (${text.slice(0, 40)})` };
  return { bytes: Buffer.from(text, 'base64') };
}
