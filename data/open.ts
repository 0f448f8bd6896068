/** @file Opening a dataset: recognises the format, reads captions, checks every image's header, and lists what it skipped. */

import { stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import { booleanCheck, checkOptions, checkValue, pathCheck, signalCheck, textCheck } from '../src/core/checks.ts';
import { UserError } from '../src/core/errors.ts';
import { untilAborted } from '../src/core/stopping.ts';
import { readHeader } from '../src/image/decode.ts';
import { mayBeRead, nameWithArticle, pictureKind } from '../src/image/kind.ts';
import { atPath, codeOf } from '../src/io/at-path.ts';
import { irregularKind } from '../src/io/bytes.ts';
import { byId, type Dataset, type Item, type Problem } from './dataset.ts';
import { type Listing, listFiles, mapBounded, readPiece, whyFailed } from './files.ts';
import type { Candidate, Format, Reading, Source } from './formats/format.ts';
import { allFormats } from './formats/formats.ts';
import { unreadIndexes } from './indexes/unread.ts';
import { leftovers, whyUnreadArchive } from './leftovers.ts';
import { expectNoProblem, problemLines } from './reasons.ts';
import { type Published, publishedSplits } from './splits.ts';
import { LIMIT_CAPTION } from './text.ts';

/** Enough of a file for any image header that comes with a sensible amount of metadata. */
const HEAD = 65536;

/** What is wrong with an index says more than what became of each of its pictures. */
const INDEX = /\.(csv|tsv|jsonl|ndjson|json|token)(:|$)|(^|\/)captions\.txt(:|$)/i;

export interface OpenOptions {
  /** Stop at the first problem instead of listing it. */
  readonly strict?: boolean;
  /** The name of a format, or by default `auto`: the first one that recognises the path. */
  readonly format?: string;
  /**
   * Read every image's header now (0.1 ms an image). Without it corrupt images show up when they are decoded, as they do
   * in Parquet files, where one image of each file is read now, and all of them only with `strict`.
   */
  readonly check?: boolean;
  /** Stops it: it rejects with the signal's reason then. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a folder or file of captioned images. What cannot be used (corrupt or missing image, empty or missing caption,
 * an id that another item has, truncated archive) is left out and listed in `problems`.
 * @throws UserError if the path does not exist, no format fits, no captioned image is left, or, with `strict`, at a problem
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  checkValue('openDataset: path', path, pathCheck);
  const checks = { strict: booleanCheck, format: textCheck, check: booleanCheck, signal: signalCheck };
  checkOptions('openDataset', options, checks);
  return untilAborted(options.signal, () => open(path, options));
}

async function open(path: string, options: OpenOptions): Promise<Dataset> {
  const { strict = false, format: wanted = 'auto', check = true, signal } = options;
  const { format, source, strays, passed } = await recognise(path, wanted);
  const reading = await format.read(source);
  const { items: candidates } = reading;
  // Who names an index or an archive says what the data are; what lies around it does not belong to them.
  const left = source.file === undefined ? await leftBehind(source, format, reading) : { problems: [], unused: [] };
  const published = publishedSplits(candidates);
  const unusable = new Map([...published.problems, ...againstContract(candidates)]);
  if (check) {
    const checked = candidates.filter(item => !unusable.has(item) && (strict || item.heavy !== true));
    await mapBounded(checked, 16, async item => {
      signal?.throwIfAborted();
      const what = await whatIsWrong(item);
      if (what !== undefined) unusable.set(item, what);
    });
  }
  const items = candidates.filter(item => !unusable.has(item)).map(item => itemOf(item, published));
  const bad = Array.from(unusable, ([{ id }, what]) => ({ id, what }));
  // What an index does not name is left over because of what is wrong with it.
  const effects = new Set(reading.whyUnused === undefined ? [] : left.problems);
  const rank = (problem: Problem) => (INDEX.test(problem.id) ? 0 : effects.has(problem) ? 2 : 1);
  const all = [...reading.problems, ...strays, ...left.problems, ...bad].sort(byId);
  const problems = all.sort((a, b) => rank(a) - rank(b));
  const unused = [...(reading.unused ?? []), ...left.unused, ...passed].sort(byId);
  const notices = [...(reading.notices ?? []), ...published.notices];
  refuse(path, { problems, items, strict, format: isEmpty(reading) ? format.name : undefined });
  return { root: source.root, format: format.name, items, problems, unused, notices };
}

/** Whether a format found nothing of its own. */
function isEmpty({ items, problems, used = [] }: Reading): boolean {
  return items.length === 0 && problems.length === 0 && used.length === 0;
}

/** @throws UserError with `strict` if there is a problem, and if no item is left; @param found.format that of which nothing is there */
function refuse(
  path: string,
  found: {
    readonly problems: readonly Problem[];
    readonly items: readonly Item[];
    readonly strict: boolean;
    readonly format: string | undefined;
  },
): void {
  const { problems, items, strict, format } = found;
  if (format !== undefined) throw new UserError(path, `no captioned image (read as ${format})`, layouts());
  if (strict) expectNoProblem(path, problems);
  if (items.length > 0) return;
  const telling = problems.at(0);
  const why =
    telling === undefined ? 'nothing in it' : `${problems.length} skipped, the first: ${telling.id}: ${telling.what}`;
  const all = problems.length > 1 ? ['skipped:', ...problemLines(problems, 10), `  ${layouts()}`] : [layouts()];
  throw new UserError(path, `no captioned image (${why})`, all.join('\n'));
}

/** The files that nothing came from; indexes of captions among them are expected to be used. */
async function leftBehind(source: Source, format: Format, reading: Reading): ReturnType<typeof leftovers> {
  const { problems, unused } = await leftovers(source, format, reading);
  if (reading.used === undefined) return { problems, unused };
  const unread = await unreadIndexes(
    source,
    format.name,
    unused.map(({ id }) => id),
  );
  const named = new Set(unread.map(({ id }) => id));
  return { problems: [...problems, ...unread], unused: unused.filter(({ id }) => !named.has(id)) };
}

/** What a path is. */
interface Recognised extends Omit<Listing, 'files'> {
  readonly format: Format;
  readonly source: Source;
}

/** The format of a path, and its files. */
async function recognise(path: string, wanted: string): Promise<Recognised> {
  const absolute = resolve(path);
  const found = await stat(absolute).catch(error => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw atPath(path, error); // not to be seen is not to be missing
  });
  if (found === undefined)
    throw new UserError(path, 'no such folder or file', 'make one with `tessera data emoji --out datasets/emoji`');
  const isFolder = found.isDirectory();
  if (!isFolder && !found.isFile()) {
    throw new UserError(path, `expected a folder or a regular file, got ${irregularKind(found)}`);
  }
  const [folder, name] = [dirname(absolute), basename(absolute)];
  const lists = new Map<string, Promise<Listing>>();
  const list = (root: string) => {
    const files = lists.get(root) ?? listFiles(root);
    lists.set(root, files);
    return files;
  };
  const sourceFor = async (format: Format, kind: 'archive' | 'index' | undefined): Promise<Source> => {
    if (isFolder) return { root: absolute, files: (await list(absolute)).files };
    if (kind === 'archive') return { root: folder, file: name, files: [name] };
    const root = format.rootOf?.(folder) ?? folder;
    return { root, file: relative(root, absolute).replaceAll('\\', '/'), files: (await list(root)).files };
  };
  const { strays, passed } = isFolder ? await list(absolute) : { strays: [], passed: [] };
  if (wanted !== 'auto') {
    const format = formatOf(wanted);
    return { format, source: await sourceFor(format, format.fileKind?.(name) ?? 'index'), strays, passed };
  }
  for (const format of allFormats()) {
    const kind = format.fileKind?.(name);
    const source = isFolder || kind !== undefined ? await sourceFor(format, kind) : undefined;
    if (source !== undefined && (await format.recognise(source))) return { format, source, strays, passed };
  }
  if (!isFolder) throw new UserError(path, await whyNoData(absolute), layouts());
  const { files } = await list(absolute);
  throw new UserError(path, `no captioned image in ${files.length} files`, await hintOf({ root: absolute, files }));
}

/** What a file is that no format knows. */
async function whyNoData(path: string): Promise<string> {
  const kind = pictureKind(await readPiece(path, 0, 512));
  if (kind !== undefined) return `${nameWithArticle(kind)}; name the folder in which it lies with its text`;
  const why = whyUnreadArchive(path);
  return why === undefined ? 'a file of no known format' : `${why} and name the folder`;
}

/** What there is instead of data, and what data look like. */
async function hintOf(source: Source): Promise<string> {
  const nothing = { items: [], problems: [], used: [] };
  const { problems } = await leftovers(source, { name: 'images' }, nothing);
  return [...(problems.length === 0 ? [] : ['found:', ...problemLines(problems, 10)]), layouts()].join('\n');
}

function formatOf(wanted: string): Format {
  const format = allFormats().find(({ name }) => name === wanted);
  if (format !== undefined) return format;
  const names = allFormats().map(({ name }) => name);
  throw new UserError('format', `expected auto, ${names.join(', ')}, got ${wanted}`);
}

function layouts(): string {
  return ['a dataset is one of', ...allFormats().map(({ name, layout }) => `  ${name}: ${layout}`)].join('\n');
}

/** Items that are not as `Item` says, and why: formats come from outside too. Of equal ids the first is taken. */
function againstContract(candidates: readonly Candidate[]): Map<Candidate, string> {
  const wrong = new Map<Candidate, string>();
  const ids = new Set<string>();
  for (const item of candidates) {
    const what = whyNoCaptions(item.captions) ?? (ids.has(item.id) ? 'another item has this id' : undefined);
    if (what === undefined) ids.add(item.id);
    else wrong.set(item, what);
  }
  return wrong;
}

function whyNoCaptions(captions: readonly string[]): string | undefined {
  if (captions.length === 0) return 'no caption';
  for (const [i, caption] of captions.entries()) {
    const which = captions.length === 1 ? 'the caption' : `caption ${i + 1} of ${captions.length}`;
    if (typeof caption !== 'string' || caption.trim() === '') return `${which} is empty`;
    if (caption.length > LIMIT_CAPTION) return `${which} has more than ${LIMIT_CAPTION} characters`;
  }
  return undefined;
}

/** What is wrong with an item's image as far as its header tells, in one line. */
async function whatIsWrong(item: Candidate): Promise<string | undefined> {
  try {
    const head = await (item.head ?? item.read)(HEAD);
    const isAll = item.head === undefined || head.length < HEAD;
    // A header may be longer than the head, and some formats keep theirs at the end; what begins like none is not read on.
    if (isAll || !mayBeRead(head)) await readHeader(head);
    else await readHeader(head).catch(async () => readHeader(await item.read()));
    return undefined;
  } catch (error) {
    return whyFailed(error);
  }
}

/** The item alone, without what only the check needed. */
function itemOf(candidate: Candidate, { splits }: Published): Item {
  const { id, captions, read, place, group } = candidate;
  const split = splits.get(candidate);
  return {
    id,
    captions,
    read,
    ...(place === undefined ? {} : { place }),
    ...(group === undefined ? {} : { group }),
    ...(split === undefined ? {} : { split }),
  };
}
