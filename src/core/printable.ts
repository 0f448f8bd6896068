/**
 * @file Text of strangers (names of files, captions, fields, tensors) as it may be shown: no character of it moves a cursor,
 * sets a title or a colour, turns the direction of writing or forges a line. Everything that the program prints, and the
 * text in its pictures, goes through here; JSON has its own escapes.
 */

/** Control characters, marks that override the direction of writing, separators of lines, broken halves of characters. */
const HARMFUL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\p{Cs}]/gu;

/** Longest line of an error or a message, in UTF-16 units. */
const MOST = 2000;

export interface PrintableOptions {
  /** Whether line feeds stay; by default the result is one line. */
  readonly lines?: boolean;
  /** Longest result, about; of a longer text the middle is left out. Default 2000. */
  readonly most?: number;
}

/** Text without harmful characters: they are shown as JavaScript writes them, e.g. `\n`, `\x1b`, `\u202e`. */
export function printable(text: string, { lines = false, most = MOST }: PrintableOptions = {}): string {
  return cutMiddle(text, most).replace(HARMFUL, sign => (lines && sign === '\n' ? sign : escaped(sign)));
}

/** JSON that is safe to print: what `JSON.stringify` leaves as it is of harmful characters, escaped. Any reader gets the same. */
export function printableJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, null, indent);
  return json.replace(HARMFUL, sign => (sign === '\n' ? sign : `\\u${hex(sign, 4)}`)); // a raw line feed is indentation
}

function escaped(sign: string): string {
  const known = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[sign];
  if (known !== undefined) return known;
  return sign <= '\xff' ? `\\x${hex(sign, 2)}` : `\\u${hex(sign, 4)}`;
}

function hex(sign: string, digits: number): string {
  return sign.charCodeAt(0).toString(16).padStart(digits, '0');
}

/** The start and the end of a long text, where a message has what it is about and what is wrong. */
function cutMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = text.slice(0, most - Math.floor(most / 3) - 1);
  const tail = text.slice(text.length - Math.floor(most / 3));
  // Not between the halves of a character.
  return `${head.replace(/[\ud800-\udbff]$/, '')}…${tail.replace(/^[\udc00-\udfff]/, '')}`;
}
