/**
 * @file Text to words to bytes, as GPT-2 does it: a regular expression cuts text into words that merges never cross, and
 * each byte of a word's UTF-8 has a printable character, so that a vocabulary of bytes can be stored as JSON text.
 * @see Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2
 */

/** GPT-2's words: contractions, then runs of letters, of digits and of the rest, each with the space before it. */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The printable character of each byte: itself where it prints, else the next of U+0100, U+0101, ... */
export const BYTE_CHARS: readonly string[] = byteChars();

/** The byte of each such character. */
export const CHAR_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

/** Cuts text into words; joined again they are the text. */
export function splitWords(text: string): readonly string[] {
  return text.match(WORD) ?? [];
}

/** Writes a word as one printable character a byte. */
export function toByteChars(word: string): string {
  let chars = '';
  for (const byte of encoder.encode(word)) chars += BYTE_CHARS[byte];
  return chars;
}

/** The bytes behind printable characters; undefined where one is not such a character. */
export function fromByteChars(chars: string): Uint8Array | undefined {
  const bytes = Array.from(chars, char => CHAR_BYTES.get(char));
  return bytes.every(byte => byte !== undefined) ? Uint8Array.from(bytes) : undefined;
}

const encoder = new TextEncoder();

function byteChars(): string[] {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(prints ? byte : 256 + unprintable++);
  });
}
