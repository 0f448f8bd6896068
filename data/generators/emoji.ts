/**
 * @file Emoji as a captioned dataset that needs no download: drawings from the npm packages `@iconify-json/<style>`, made
 * into PNG files by sharp (the SVG is drawn at the size asked for, nothing is scaled), one `metadata.jsonl` for all of them.
 *
 * Taken: every drawing that stands for an emoji. Left out: names a set has withdrawn (they repeat others), and openmoji's own
 * extras (brand logos, regional flags, diagrams). Drawings of one style that are equal to the byte become one picture with
 * several captions, and with everything of the same code point in other styles one group, so that nothing in the validation
 * split has been seen in training in another style.
 */

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import { UserError } from '../../src/core/errors.ts';
import { type Drawn, writeDrawings } from './drawn.ts';
import { type Keywords, loadKeywords } from './emoji-aliases.ts';
import { emojiCaptions } from './emoji-captions.ts';
import { keyOf, tonesOf } from './emoji-names.ts';

export const emojiStyles = ['noto', 'twemoji', 'openmoji', 'fluent-emoji-flat'] as const;

export interface EmojiOptions {
  /** Folder to write; made if it is not there. */
  readonly out: string;
  readonly styles?: readonly string[];
  /** Side of the pictures in pixels. */
  readonly size?: number;
  /** Only the first so many drawings of each style, for trials. */
  readonly limit?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface EmojiResult extends Drawn {
  readonly out: string;
  /** Pictures of each style. */
  readonly counts: Readonly<Record<string, number>>;
}

/** One picture to be made. */
export interface EmojiDrawing {
  readonly style: string;
  /** The icon's name in its set; with the style, the file's name. */
  readonly name: string;
  /** Code points, e.g. `1f34e`. */
  readonly key: string;
  readonly svg: string;
  readonly captions: readonly string[];
  readonly group: string;
}

interface IconSet {
  readonly style: string;
  readonly version: string;
  readonly icons: Readonly<
    Record<string, { readonly body: string; readonly width?: number; readonly height?: number }>
  >;
  readonly width: number;
  readonly height: number;
  /** Icon names by code points. */
  readonly characters: Readonly<Record<string, string>>;
  readonly categories: Readonly<Record<string, readonly string[]>>;
  readonly info: {
    readonly name: string;
    readonly author: { readonly name: string; readonly url?: string };
    readonly license: { readonly title: string; readonly spdx?: string; readonly url?: string };
  };
}

/**
 * Draws the emoji of the given styles into `out/<style>/<name>.png` with `metadata.jsonl`, `ATTRIBUTION.md` and a stamp file
 * that makes a second call with the same options do nothing.
 * @throws UserError if a style is unknown or its package is not installed, or the folder is not free to be drawn into
 */
export async function makeEmoji(options: EmojiOptions): Promise<EmojiResult> {
  const { out, styles = emojiStyles, size = 128, limit, onProgress } = options;
  if (!Number.isInteger(size) || size < 8 || size > 2048)
    throw new UserError('size', `expected 8 to 2048 pixels, got ${size}`);
  const sets = styles.map(loadSet);
  const keywords = loadKeywords();
  const drawings = drawingsOf(sets, keywords, limit);
  const counts = Object.fromEntries(
    styles.map(style => [style, drawings.filter(drawing => drawing.style === style).length]),
  );
  const drawn = await withOneThread(() =>
    writeDrawings<{ readonly hash: string }>(out, {
      kind: 'emoji',
      request: {
        format: 2, // with another, what was drawn before is older and drawn again
        size,
        limit: limit ?? null,
        versions: { ...Object.fromEntries(sets.map(set => [set.style, set.version])), emojilib: keywords.version },
      },
      facts: { counts },
      names: drawings.map(({ style, name }) => `${style}/${name}.png`),
      draw: async i => {
        const png = await drawEmoji(drawings[i].svg, size);
        return { png, hash: createHash('sha256').update(png).digest('base64') };
      },
      index: pictures => {
        const same = sameLooking(
          drawings,
          pictures.map(({ hash }) => hash),
        );
        return drawings.map(({ captions, group }) => ({ caption: captions, group: same.of(group) }));
      },
      beside: { 'ATTRIBUTION.md': attribution(sets) },
      onProgress,
    }),
  );
  return { out, counts, ...drawn };
}

/** Groups of drawings, joined where different SVGs came out as the same picture. */
function sameLooking(drawings: readonly EmojiDrawing[], hashes: readonly string[]): Groups {
  const same = new Groups();
  const first = new Map<string, string>();
  for (const [i, { group }] of drawings.entries()) {
    same.join(first.get(hashes[i]) ?? group, group);
    first.set(hashes[i], group);
  }
  return same;
}

/** The drawings of some styles with their captions, without drawing them. */
export function emojiDrawings(styles: readonly string[] = emojiStyles): EmojiDrawing[] {
  return drawingsOf(styles.map(loadSet), loadKeywords());
}

/** One thread a drawing and several drawings at once beats several threads on one small drawing. */
async function withOneThread<T>(work: () => Promise<T>): Promise<T> {
  const threads = sharp.concurrency();
  sharp.concurrency(1);
  try {
    return await work();
  } finally {
    sharp.concurrency(threads);
  }
}

/** One drawing as a PNG on white. */
export async function drawEmoji(svg: string, size: number): Promise<Uint8Array> {
  const sized = svg.replace('<svg ', `<svg width="${size}" height="${size}" `);
  return await sharp(Buffer.from(sized))
    .flatten({ background: 'white' })
    .removeAlpha()
    .png({ compressionLevel: 3 })
    .toBuffer();
}

function loadSet(style: string): IconSet {
  if (!(emojiStyles as readonly string[]).includes(style)) {
    throw new UserError('styles', `expected some of ${emojiStyles.join(', ')}, got ${style}`);
  }
  const require = createRequire(import.meta.url);
  const part = (file: string): unknown => require(`@iconify-json/${style}/${file}.json`);
  try {
    // The parts of an Iconify package, as its format documents them.
    const { icons, width, height } = part('icons') as Pick<IconSet, 'icons' | 'width' | 'height'>;
    const { categories } = part('metadata') as Pick<IconSet, 'categories'>;
    const { version } = part('package') as Pick<IconSet, 'version'>;
    const characters = part('chars') as IconSet['characters'];
    return { style, version, icons, width, height, characters, categories, info: part('info') as IconSet['info'] };
  } catch {
    throw new UserError('emoji', `the drawings of ${style} are not installed`, `npm install -D @iconify-json/${style}`);
  }
}

function drawingsOf(sets: readonly IconSet[], keywords: Keywords, limit = Number.POSITIVE_INFINITY): EmojiDrawing[] {
  const installed = installedSets(sets);
  const say = emojiCaptions({ names: namesByKey(installed), kinds: kindsByKey(installed), keywords });
  const groups = new Groups();
  const unions = sets.map(set => picturesOf(set));
  // First join what looks the same in any style; only then is each picture's group known.
  for (const pictures of unions) for (const { keys } of pictures) for (const key of keys) groups.join(keys[0], key);
  return sets.flatMap(({ style }, s) =>
    unions[s].slice(0, limit).map(({ name, keys, svg }) => {
      const captions = say(captionKeys(keys), style);
      return { style, name, key: keys[0], svg, captions, group: groups.of(keys[0]) };
    }),
  );
}

/** The sets given and whatever others are here, so that a style has the same words alone and among others. */
function installedSets(sets: readonly IconSet[]): IconSet[] {
  return emojiStyles.flatMap(style => {
    const given = sets.find(set => set.style === style);
    if (given !== undefined) return given;
    try {
      return loadSet(style);
    } catch {
      return [];
    }
  });
}

/** One name for each emoji: that of the first set in the order of `emojiStyles` that has it. */
function namesByKey(sets: readonly IconSet[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { style, characters } of sets) {
    for (const [point, name] of Object.entries(characters)) {
      const key = keyOf(point);
      if (!names.has(key)) names.set(key, style === 'fluent-emoji-flat' ? asInOthers(name, key) : name);
    }
  }
  return names;
}

/** The kind of each emoji, as the first set has it that sorts it: `food drink` of "Food & Drink". */
function kindsByKey(sets: readonly IconSet[]): Map<string, string> {
  const kinds = new Map<string, string>();
  for (const { categories, characters } of sets) {
    const byName = new Map(Object.entries(categories).flatMap(([kind, names]) => names.map(name => [name, kind])));
    for (const [point, name] of Object.entries(characters)) {
      const kind = byName.get(name)?.toLowerCase().replace('& ', '');
      if (kind !== undefined && !kinds.has(keyOf(point))) kinds.set(keyOf(point), kind);
    }
  }
  return kinds;
}

/** Fluent alone says `astronaut-dark` for `astronaut-dark-skin-tone`. */
function asInOthers(name: string, key: string): string {
  return tonesOf(key).length > 0 ? `${name}-skin-tone` : name;
}

/** The pictures of a set: drawings equal to the byte are one, with several keys. */
function picturesOf(set: IconSet): { name: string; keys: string[]; svg: string }[] {
  const extras = new Set(
    Object.entries(set.categories).flatMap(([category, names]) => (/^extras/i.test(category) ? names : [])),
  );
  const byBody = new Map<string, { name: string; keys: string[]; svg: string }>();
  for (const [point, name] of Object.entries(set.characters)) {
    const icon = set.icons[name];
    if (icon === undefined || extras.has(name)) continue;
    const same = byBody.get(icon.body);
    if (same !== undefined) {
      if (!same.keys.includes(keyOf(point))) same.keys.push(keyOf(point));
      continue;
    }
    const { width = set.width, height = set.height, body } = icon;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 ${width} ${height}">${body}</svg>`;
    byBody.set(body, { name, keys: [keyOf(point)], svg });
  }
  return [...byBody.values()];
}

/** Of several emoji that are drawn the same, those worth naming: where an untoned one is among them no tone is drawn. At most four. */
function captionKeys(keys: readonly string[]): readonly string[] {
  const plain = keys.filter(key => tonesOf(key).length === 0);
  return (plain.length > 0 ? plain : keys).toSorted((a, b) => a.length - b.length).slice(0, 4);
}

/** Keys that must stay together; a group is named by its smallest key. */
class Groups {
  private readonly parent = new Map<string, string>();

  of(key: string): string {
    let root = key;
    for (let up = this.parent.get(root); up !== undefined; up = this.parent.get(root)) root = up;
    return root;
  }

  join(a: string, b: string): void {
    const [low, high] = [this.of(a), this.of(b)].sort();
    if (low !== high) this.parent.set(high, low);
  }
}

function attribution(sets: readonly IconSet[]): string {
  const parts = sets.map(({ style, version, info: { name, author, license } }) =>
    [
      `## ${name} (${style}/)`,
      '',
      `- Author: ${author.name}${author.url === undefined ? '' : `, <${author.url}>`}`,
      `- Licence: ${license.title}${license.spdx === undefined ? '' : ` (${license.spdx})`}${license.url === undefined ? '' : `, <${license.url}>`}`,
      `- Source: npm package @iconify-json/${style} ${version}`,
      '- Changes: drawn as PNG on white; captions made from the names of the drawings',
    ].join('\n'),
  );
  return [
    '# Attribution',
    '',
    'The pictures in this folder are drawn from these icon sets.',
    '',
    parts.join('\n\n'),
    '',
  ].join('\n');
}
