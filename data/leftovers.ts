/**
 * @file What becomes of the files that no item came from: each is named, with the reason, as a problem where somebody would
 * expect it to be trained on (pictures, captions, archives), and as not used where not (a README).
 */
import { join } from 'node:path';
import { nameWithArticle, pictureKind } from '../src/image/kind.ts';
import type { Problem } from './dataset.ts';
import { isImageName, mapBounded, readPiece } from './files.ts';
import type { Format, Reading, Source } from './formats/format.ts';
import { downloadReports } from './formats/img2dataset.ts';
import { pair } from './formats/pairing.ts';

/** Pictures that nothing here can read. */
const UNREAD_PICTURE =
  /\.(heic|heif|hif|jxl|bmp|dib|jp2|j2k|jpx|tga|ppm|pgm|pbm|pnm|psd|psb|ico|icns|exr|hdr|dds|pcx|xcf|ai|eps|pdf|cr2|cr3|nef|arw|dng|orf|rw2|raf)$/i;
const CAPTION = /\.(txt|text|caption|captions)$/i;
/** Archives that some format reads. */
const ARCHIVE = /\.(parquet|pq|tar(\.(gz|bz2|xz|zst|lz4))?|tgz|tbz2?|txz|tzst)$/i;
/** Archives that none reads, though the data may lie in them. */
const PACKED_TAR = /\.(tar\.(bz2|xz|zst|lz4)|tbz2?|txz|tzst)$/i;
/** Archives and compressed files that none reads. */
const UNREAD_ARCHIVE =
  /\.(zip|7z|rar|gz|bz2|xz|zst|lz4|arrow|feather|orc|avro|tfrecords?|h5|hdf5|lmdb|mdb|msgpack|mds|beton)$/i;
/** Names in which an ending of pictures is not the last, as browsers and editors leave them, and names without an ending. */
const ODD_NAME = /(^|\/)[^./]+$|\.(jpe?g|png|webp|gif|tiff?|avif)[^/]/i;
const NOT_CAPTIONS =
  /^(readme|licen[cs]e|copying|attribution|notice|requirements|classes|labels|authors|changelog|citation)\b/i;

/** Whether a file is a picture of a format that cannot be read. */
export function isUnreadPicture(path: string): boolean {
  return UNREAD_PICTURE.test(path);
}

/** Why a picture of a format that cannot be read is not used. */
export function whyUnread(path: string): string {
  return `.${extensionOf(path)} pictures are not read; make it a PNG or JPEG`;
}

/** Whether a text file is one of those that come with data sets and are nobody's caption. */
export function isAboutData(path: string): boolean {
  return NOT_CAPTIONS.test(path.slice(path.lastIndexOf('/') + 1));
}

function extensionOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1).toLowerCase();
}

/**
 * Names the files of a source that were neither read nor named by its format.
 * @returns problems, which `strict` refuses, and files that nobody would expect to be used
 */
export async function leftovers(
  source: Source,
  format: Pick<Format, 'name'>,
  reading: Reading,
): Promise<{ readonly problems: readonly Problem[]; readonly unused: readonly Problem[] }> {
  const { root, files } = source;
  const known = new Set([
    ...(reading.used ?? []),
    ...[...reading.problems, ...(reading.unused ?? [])].map(({ id }) => id),
  ]);
  for (const { path, id } of reading.items) {
    known.add(path === undefined ? id : path.slice(root.length + 1).replaceAll('\\', '/'));
  }
  const left = files.filter(id => !known.has(id));
  const reports = new Set(downloadReports(files));
  const texts = left.filter(id => CAPTION.test(id));
  const owners = reading.used === undefined ? new Map<string, string>() : ownersOf(texts, files);
  const problems: Problem[] = [];
  const unused: Problem[] = [];
  const other = `not used: the data are read as ${format.name}`;
  await mapBounded(left, 16, async id => {
    if (reports.has(id)) {
      unused.push({ id, what: 'what img2dataset tells of its download' });
      return;
    }
    const unread = await whyNotRead(root, id, reading.used !== undefined);
    const owner = owners.get(id);
    const isExpected =
      unread !== undefined ||
      owner !== undefined ||
      isImageName(id) ||
      (reading.used !== undefined && ARCHIVE.test(id));
    const what = owner === undefined ? other : `a text of ${owner}, ${other}`;
    (isExpected ? problems : unused).push({ id, what: reading.whyUnused?.(id) ?? unread ?? what });
  });
  return { problems, unused };
}

/** Why no format would read a file in which pictures might be. @param all whether archives are looked for, too */
async function whyNotRead(root: string, id: string, all: boolean): Promise<string | undefined> {
  if (isImageName(id)) return undefined;
  if (isUnreadPicture(id) || (ODD_NAME.test(id) && !ARCHIVE.test(id))) {
    return (await whyMisnamed(root, id)) ?? (isUnreadPicture(id) ? whyUnread(id) : undefined);
  }
  return all ? whyUnreadArchive(id) : undefined;
}

/** Why an archive is not used that no format reads; undefined for all else. */
export function whyUnreadArchive(id: string): string | undefined {
  if (PACKED_TAR.test(id)) return 'an archive in a compression that is not read; unpack it to .tar';
  if (ARCHIVE.test(id) || !UNREAD_ARCHIVE.test(id)) return undefined;
  return `.${extensionOf(id)} files are not read; unpack it`;
}

/** What is wrong with a file that is a picture which could be read, as its bytes tell, and is not called one. */
export async function whyMisnamed(root: string, id: string): Promise<string | undefined> {
  const head = await readPiece(join(root, id), 0, 512).catch(() => undefined);
  const kind = head === undefined ? undefined : pictureKind(head);
  if (kind === undefined || !kind.isRead) return undefined;
  return `${nameWithArticle(kind)} whose name does not end like one; rename it`;
}

/** The picture that each of some texts belongs to, where they are read as images with texts. */
function ownersOf(texts: readonly string[], files: readonly string[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  if (texts.length === 0) return owners;
  const { claims } = pair(
    files.filter(path => isImageName(path) || isUnreadPicture(path)),
    texts,
  );
  for (const [picture, own] of claims) for (const { text } of own) owners.set(text, owners.get(text) ?? picture);
  return owners;
}
