/**
 * @file Why a text has no picture and a picture no text, where a look around tells: the picture is of a kind that is not read,
 * its name has no ending of a picture, or the other one lies in a place where nobody looks for it.
 */

import type { Problem } from '../dataset.ts';
import { isImageName, mapBounded, withoutExtension } from '../files.ts';
import { isIndexOnPurpose } from '../indexes/recognise.ts';
import { isAboutData, isUnreadPicture, whyMisnamed } from '../leftovers.ts';
import { fold } from '../paths.ts';
import type { Source } from './format.ts';
import { isTextName } from './pairing.ts';

/**
 * Names the texts without pictures, and what may be their pictures.
 * @param texts that belong to no picture
 * @param lacking pictures for which no text was found
 */
export async function nameOrphans(
  { root, files }: Source,
  texts: readonly string[],
  lacking: readonly string[],
): Promise<readonly Problem[]> {
  const captions = texts.filter(text => !/\.json$/i.test(text) && !isAboutData(text) && !isIndexOnPurpose(text));
  if (captions.length === 0) return [];
  const problems: Problem[] = [];
  const unread = await unreadPictures(root, files, captions);
  const byName = new Map(lacking.map(picture => [nameOf(picture), picture]));
  const textsByName = new Map<string, string>();
  for (const id of captions) {
    const picture = unread.get(fold(withoutExtension(id)));
    const distant = byName.get(nameOf(id));
    if (distant !== undefined) textsByName.set(nameOf(id), id);
    if (picture !== undefined) problems.push({ id, what: `the caption of ${picture.path}, which is not read` });
    else if (distant !== undefined)
      problems.push({ id, what: `a caption without its image (${distant} has its name, but lies elsewhere)` });
    else problems.push({ id, what: 'a caption without its image' });
  }
  for (const { path, what } of new Set(unread.values())) if (what !== undefined) problems.push({ id: path, what });
  for (const id of lacking) {
    const text = textsByName.get(nameOf(id));
    if (text !== undefined) problems.push({ id, what: `no caption (${text} has its name, but lies elsewhere)` });
  }
  return problems;
}

/** A file that may be the picture of a text. */
interface Unread {
  readonly path: string;
  /** Why it is not read, where its ending does not say it. */
  readonly what?: string;
}

/** Files that have the names of texts and are pictures of kinds or with endings that are not read, by name. */
async function unreadPictures(
  root: string,
  files: readonly string[],
  texts: readonly string[],
): Promise<ReadonlyMap<string, Unread>> {
  const wanted = new Set(texts.map(text => fold(withoutExtension(text))));
  const found = new Map<string, Unread>();
  const others = files.filter(path => !isImageName(path) && !isTextName(path));
  await mapBounded(others, 16, async path => {
    const names = [withoutExtension(path), path].map(fold).filter(name => wanted.has(name));
    if (names.length === 0) return;
    const what = await whyMisnamed(root, path);
    if (what === undefined && !isUnreadPicture(path)) return;
    for (const name of names) found.set(name, { path, ...(what === undefined ? {} : { what }) });
  });
  return found;
}

/** The last part of a path without its ending. */
function nameOf(path: string): string {
  return fold(withoutExtension(path.slice(path.lastIndexOf('/') + 1)));
}
