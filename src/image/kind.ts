/**
 * @file What bytes are that should be a picture and give none, told from the bytes alone: libvips keeps one list of errors for
 * all of its threads, so its reason may be that of another picture.
 */

/** Largest picture taken, in pixels: a bomb of a few bytes should not take the machine down. */
export const LIMIT_PIXELS = 2 ** 28;

/** How files of a kind begin: words at places, all of them there, or a pattern of the first `HEAD` bytes as Latin-1. */
type Start = readonly (readonly [at: number, word: string])[] | RegExp;
type Kind = readonly [name: string, start: Start];

const HEAD = 512;

/** Pictures that are read; they are looked for here when they are damaged. */
const readable: readonly Kind[] = [
  ['PNG', [[0, '\x89PNG']]],
  ['JPEG', [[0, '\xff\xd8\xff']]],
  ['GIF', [[0, 'GIF8']]],
  [
    'WebP',
    [
      [0, 'RIFF'],
      [8, 'WEBP'],
    ],
  ],
  ['TIFF', [[0, 'II*\0']]],
  ['TIFF', [[0, 'MM\0*']]],
  ['TIFF', [[0, 'II+\0']]],
  ['TIFF', [[0, 'MM\0+']]],
  ['AVIF', /^.{4}ftyp.{0,60}avi[fs]/s],
  ['SVG', /^(\xef\xbb\xbf)?\s*(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)*<(!DOCTYPE svg|svg[\s>])/is],
];

/** Pictures that this build of sharp does not read, or it would not have failed. */
const unread: readonly Kind[] = [
  [
    'BMP',
    [
      [0, 'BM'],
      [6, '\0\0\0\0'],
      [15, '\0\0\0'],
    ],
  ],
  ['HEIC', /^.{4}ftyp(hei|hev|mif1|msf1)/s],
  ['JPEG XL', [[0, '\xff\x0a']]],
  ['JPEG XL', [[4, 'JXL ']]],
  ['JPEG 2000', [[4, 'jP  ']]],
  ['JPEG 2000', [[0, '\xff\x4f\xff\x51']]],
  ['Photoshop', [[0, '8BPS']]],
  [
    'ICO',
    [
      [0, '\0\0\x01\0'],
      [5, '\0'],
    ],
  ],
  ['OpenEXR', [[0, 'v/1\x01']]],
  ['Radiance HDR', [[0, '#?R']]],
  ['PNM', /^P[1-7]\s(#|\d|WIDTH)/],
  ['DDS', [[0, 'DDS ']]],
  ['QOI', [[0, 'qoif']]],
];

/** What else is found under names of pictures, with its article. */
const others: readonly Kind[] = [
  ['a pointer of Git LFS; `git lfs pull` fetches the picture', /^version https:\/\/git-lfs\.github\.com\/spec\//],
  ['an HTML page', /^(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body)\b/is],
  ['an XML document', /^(\xef\xbb\xbf)?\s*<(\?xml|[a-z])/i],
  ['JSON', /^(\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*[[{"\d\]])/],
  ['a PDF document', [[0, '%PDF']]],
  ['a ZIP archive', [[0, 'PK\x03\x04']]],
  ['a gzip archive', [[0, '\x1f\x8b']]],
  ['a 7z archive', [[0, '7z\xbc\xaf']]],
  ['a RAR archive', [[0, 'Rar!']]],
  ['a tar archive', [[257, 'ustar']]],
  ['a Parquet file', [[0, 'PAR1']]],
  ['a video', [[4, 'ftyp']]],
  ['a video', [[0, '\x1a\x45\xdf\xa3']]],
  [
    'a video',
    [
      [0, 'RIFF'],
      [8, 'AVI '],
    ],
  ],
  ['zeros only', /^\0+$/],
];

/** A kind of picture, and whether it is one that is read. */
export interface PictureKind {
  readonly name: string;
  readonly isRead: boolean;
}

/** The kind of picture that bytes begin like; undefined if like none. @param head the first bytes of a file, up to 512 count */
export function pictureKind(head: Uint8Array): PictureKind | undefined {
  const read = firstOf(readable, head);
  if (read !== undefined) return { name: read, isRead: true };
  const name = firstOf(unread, head);
  return name === undefined ? undefined : { name, isRead: false };
}

/** Whether a file may be a picture that is read, although its first bytes alone are none: also SVG that is compressed or begins late. */
export function mayBeRead(head: Uint8Array): boolean {
  return (
    pictureKind(head)?.isRead ??
    firstOf(
      [
        ['SVG', [[0, '\x1f\x8b']]],
        ['SVG', /^(\xef\xbb\xbf)?\s*</],
      ],
      head,
    ) !== undefined
  );
}

/**
 * Why bytes that could not be decoded give no picture, in words that follow a file's name.
 * @param encoded all of the file
 */
export function whyNoPicture(encoded: Uint8Array): string {
  if (encoded.length === 0) return 'empty file (0 bytes)';
  const kind = pictureKind(encoded);
  if (kind === undefined) return `not a picture (${found(encoded)})`;
  if (!kind.isRead) return `${nameWithArticle(kind)}, which is not read; make it a PNG or JPEG`;
  return `corrupt image (its ${kind.name} data ${breaksOff(encoded) ? 'breaks off' : 'cannot be decoded'})`;
}

/** Whether a picture of a kind that marks its end, or says its length, ends before: some decoders give what there is of it. */
export function breaksOff(encoded: Uint8Array): boolean {
  const kind = pictureKind(encoded);
  return kind !== undefined && wholes[kind.name]?.(encoded) === false;
}

/** E.g. `a PNG picture`. */
export function nameWithArticle({ name }: PictureKind): string {
  return `${/^[AIOS]/.test(name) ? 'an' : 'a'} ${name} picture`;
}

/** Why a picture of that size is not read; undefined if it is. */
export function whyTooLarge({
  width,
  height,
}: {
  readonly width: number;
  readonly height: number;
}): string | undefined {
  if (width * height <= LIMIT_PIXELS) return undefined;
  return `a picture of ${width} x ${height} pixels, more than the ${Math.floor(LIMIT_PIXELS / 1e6)} million that are read; make it smaller`;
}

function found(encoded: Uint8Array): string {
  const name = firstOf(others, encoded);
  if (name !== undefined) return name;
  const isText = encoded.subarray(0, HEAD).every(byte => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
  return isText ? 'text' : 'bytes of no known kind';
}

function firstOf(kinds: readonly Kind[], bytes: Uint8Array): string | undefined {
  const head = latin1(bytes.subarray(0, HEAD));
  const fits = (start: Start): boolean =>
    start instanceof RegExp ? start.test(head) : start.every(([at, word]) => head.startsWith(word, at));
  return kinds.find(([, start]) => fits(start))?.[0];
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** For kinds that mark their end or say their length: whether a file goes on to its end. */
const wholes: Readonly<Record<string, (encoded: Uint8Array) => boolean>> = {
  PNG: encoded => tail(encoded).includes('IEND'),
  JPEG: encoded => tail(encoded).includes('\xff\xd9'),
  GIF: encoded => /;\0*$/.test(tail(encoded)),
  WebP: encoded => encoded.length >= 12 && encoded.length >= viewOf(encoded).getUint32(4, true) + 8,
  AVIF: encoded => boxesEnd(viewOf(encoded)),
  SVG: encoded => /<\/svg\s*>|<svg[^<]*\/>/.test(tail(encoded)),
};

/** The last bytes, among which an end mark stands even where something was added after it. */
function tail(encoded: Uint8Array): string {
  return latin1(encoded.subarray(-HEAD));
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Whether the boxes of an ISO media file, each of which says its length, end within it. */
function boxesEnd(view: DataView): boolean {
  let at = 0;
  while (at + 8 <= view.byteLength) {
    const length = view.getUint32(at);
    if (length < 8) return true; // to the end of the file, or a length of 64 bits
    at += length;
  }
  return at === view.byteLength;
}
