/** @file Indexes of captions that lie in a data set and are not read: somebody expects them to be, so they are named. */

import { join, posix } from 'node:path';
import type { Problem } from '../dataset.ts';
import { isImageName, withoutExtension } from '../files.ts';
import type { Source } from '../formats/format.ts';
import { References } from '../references.ts';
import { COCO, indexKind, isIndexOnPurpose, rankOf, whyNoIndex } from './recognise.ts';

/** Most files that are looked into. */
const MOST = 200;

/**
 * Names the indexes among files that nothing was read from.
 * @param format the name of the format that the data are read as
 */
export async function unreadIndexes(
  { root, files }: Source,
  format: string,
  unread: readonly string[],
): Promise<Problem[]> {
  const workbooks = unread.filter(path => WORKBOOK.test(path));
  const problems = workbooks.map((id): Problem => ({ id, what: 'a workbook, not read; save it as CSV' }));
  const named = unread.filter(mayBeIndex);
  if (named.length === 0) return problems;
  const stems = new Set(files.filter(isImageName).map(withoutExtension));
  const likely = named.filter(path => !stems.has(withoutExtension(path))).slice(0, MOST);
  const references = new References(root, files);
  for (const path of likely) {
    const what = await whyUnread(join(root, path), path, { references, format });
    if (what !== undefined) problems.push({ id: path, what });
  }
  return problems;
}

const WORKBOOK = /\.(xlsx?|ods|numbers)$/i;

function mayBeIndex(path: string): boolean {
  if (/\.txt$/i.test(path)) return rankOf(path) >= 0 || /caption/i.test(posix.basename(path));
  return indexKind(path) !== undefined;
}

async function whyUnread(
  file: string,
  path: string,
  { references, format }: { readonly references: References; readonly format: string },
): Promise<string | undefined> {
  const why = await whyNoIndex(file, references, path);
  if (why !== undefined) return why === COCO || isIndexOnPurpose(path) ? `not read: ${why}` : undefined;
  if (rankOf(path) >= 0) return `not read: the data are read as ${format} (--format metadata reads it)`;
  return 'looks like an index of captions, but is read only if it is named itself (--data FILE) or called metadata';
}
