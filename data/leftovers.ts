/**
 * @file What becomes of the files that no item came from: each is named, with the reason, as a problem where somebody would
 * expect it to be trained on (pictures, captions, archives), and as not used where not (a README).
 */
import type { Problem } from './dataset.ts';
import { isImageName, withoutExtension } from './files.ts';
import type { Format, Reading, Source } from './formats/format.ts';
import { downloadReports } from './formats/img2dataset.ts';

/** Pictures that nothing here can read. */
const UNREAD_PICTURE =
  /\.(heic|heif|hif|jxl|bmp|dib|jp2|j2k|jpx|tga|ppm|pgm|pbm|pnm|psd|psb|ico|icns|exr|hdr|dds|pcx|xcf|ai|eps|pdf|cr2|cr3|nef|arw|dng|orf|rw2|raf)$/i;
const CAPTION = /\.(txt|text|caption|captions)$/i;
const ARCHIVE =
  /\.(parquet|tar|tgz|tar\.\w+|zip|7z|rar|gz|bz2|xz|zst|arrow|feather|tfrecords?|npz|npy|h5|hdf5|lmdb|mdb|msgpack|pkl|pt)$/i;
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
export function leftovers(
  { root, files }: Source,
  format: Format,
  reading: Reading,
): { readonly problems: readonly Problem[]; readonly unused: readonly Problem[] } {
  const named = [...reading.problems, ...(reading.unused ?? [])];
  const known = new Set([...(reading.used ?? []), ...named.map(({ id }) => id)]);
  const own = new Set<string>();
  for (const { path, id } of reading.items) {
    const file = path === undefined ? id : path.slice(root.length + 1).replaceAll('\\', '/');
    known.add(file);
    own.add(withoutExtension(file));
  }
  const problems: Problem[] = [];
  const unused: Problem[] = [];
  const reports = new Set(downloadReports(files));
  for (const id of files) {
    if (known.has(id)) continue;
    if (reports.has(id)) {
      unused.push({ id, what: 'what img2dataset tells of its download' });
      continue;
    }
    const what =
      reading.whyUnused?.(id) ??
      (isUnreadPicture(id) ? whyUnread(id) : `not used: the data are read as ${format.name}`);
    const isExpected =
      isImageName(id) ||
      isUnreadPicture(id) ||
      (reading.used !== undefined && (ARCHIVE.test(id) || (CAPTION.test(id) && own.has(withoutExtension(id)))));
    (isExpected ? problems : unused).push({ id, what });
  }
  return { problems, unused };
}
