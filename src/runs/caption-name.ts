/**
 * @file A caption as the name of a folder: readable, of whole characters, at most 100 bytes, and allowed on Linux, macOS and
 * Windows. Also when two such names are one, on a file system that takes capital for small letters.
 */

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Longest name in bytes of UTF-8; file systems allow 255, encrypted ones 143. */
const MOST_BYTES = 100;

/** What makes a character worth a place in a name: a letter, a digit, or a picture, a flag among them. */
const SPEAKS = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;

/** Code points that belong to such characters: marks, joiners, skin tones, and the letters of flags of regions. */
const PARTS =
  /[^\p{L}\p{N}\p{M}\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\p{Join_Control}\u{e0020}-\u{e007f}]/gu;

/** Names of devices on Windows, whatever follows a dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/**
 * @param number from 2 on, for another folder beside those whose captions have the same name
 */
export function folderName(caption: string, number = 1): string {
  const suffix = number === 1 ? '' : `_${number}`;
  const name = caption === '' ? 'no_caption' : readable(caption, MOST_BYTES - suffix.length) || coded(caption);
  // `COM¹` is a device as `COM1` is.
  return `${DEVICE.test(name.normalize('NFKC')) ? `${name}_` : name}${suffix}`;
}

/** The characters that speak, all else between them as `_`; '' if there are none. */
function readable(caption: string, most: number): string {
  let name = '';
  let bytes = 0;
  let gap = false;
  for (const { segment } of graphemes.segment(caption.normalize('NFC'))) {
    const sign = SPEAKS.test(segment) ? segment.replace(PARTS, '') : '';
    if (sign === '') {
      gap = name !== '';
      continue;
    }
    const more = gap ? `_${sign}` : sign;
    bytes += Buffer.byteLength(more);
    if (bytes > most - 1) break; // a byte is kept for the `_` after the name of a device
    name += more;
    gap = false;
  }
  return name;
}

/** The code points of a caption without a letter, such as `..`. */
function coded(caption: string): string {
  const points = Array.from(caption, sign => sign.codePointAt(0)?.toString(16));
  return `signs_${points.join('_')}`.slice(0, 60).replace(/_$/, '');
}

/** Equal of two names that are one on some file system: in capitals or small letters, composed or not. */
export function nameKey(name: string): string {
  const plain = name.normalize('NFD').replace(/\p{Default_Ignorable_Code_Point}/gu, '');
  return plain.toUpperCase().toLowerCase().normalize('NFC');
}
