/**
 * @file JSON of strangers: refused where it is so deep that whoever walks through it would run out of stack, where an object
 * has a name twice (of which a reader would silently take one), and where it is none.
 */
import { UserError } from '../core/errors.ts';

/** Levels of lists and objects; a config has 2, the deepest tokenizer some 6. */
const DEEPEST = 64;

/**
 * Parses JSON.
 * @param where the file, for messages
 * @throws UserError if it is none, too deep, or has a name twice in an object
 */
export function parseJson(text: string, where: string): unknown {
  const { depth, names } = scan(text);
  if (depth > DEEPEST) {
    throw new UserError(where, `expected JSON of at most ${DEEPEST} levels, got ${depth}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : error;
    throw new UserError(where, `expected JSON, got something else (${reason})`);
  }
  if (countNames(value) !== names) {
    throw new UserError(where, 'expected every name of an object once, got one twice', 'leave one of the two out');
  }
  return value;
}

/** Whether JSON has more levels than anything here is made for. */
export function isTooDeep(text: string): boolean {
  return scan(text).depth > DEEPEST;
}

/** The levels of a JSON text, and the names in all its objects; of other text anything. */
function scan(text: string): { readonly depth: number; readonly names: number } {
  let [depth, level, names] = [0, 0, 0];
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // a quote: on to the end of the text in it
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth = Math.max(depth, ++level);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        level--;
        break;
      case 0x3a: // :
        names++;
        break;
    }
  }
  return { depth, names };
}

function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value); // of a list its elements
  return inner.reduce<number>((sum, each) => sum + countNames(each), Array.isArray(value) ? 0 : inner.length);
}
