/**
 * @file What the columns of a Parquet file are: which one has the pictures, or their paths, and which have captions. Told by
 * names and types alone, never by the file's name.
 */

import type { SchemaTree } from 'hyparquet';
import { captionFields, pathFields, plainName } from '../../fields.ts';
import { namesOf } from '../../shown.ts';

/** Names of the column with the pictures, the first that is there counts. */
const imageColumns = ['image', 'img', 'images', 'picture', 'jpg', 'jpeg', 'png', 'webp', 'image_bytes', 'bytes'];
const addressColumns = /^(image_?|img_?|picture_?)?(url|uri|link)s?$/i;

/** What the values of a column are. */
type Kind = 'picture' | 'bytes' | 'text' | 'texts' | 'number' | 'other';

/** The columns that make items. */
export interface Columns {
  readonly image: {
    readonly name: string;
    /** Bytes of pictures, with paths beside them or not; or text: paths, or pictures written as text. */
    readonly kind: 'picture' | 'bytes' | 'text';
  };
  /** Those with captions, which `captionsOf` chooses from. */
  readonly captions: readonly string[];
  readonly split?: string;
  /** Where img2dataset says `success` or why it has no picture. */
  readonly status?: string;
  /** Others that have pictures. */
  readonly otherImages: readonly string[];
}

/** Why a file's columns make no items. */
export interface NoColumns {
  /** In words that follow the file's name. */
  readonly why: string;
  /** Whether it has pictures, so that somebody would expect it to be used. */
  readonly hasPictures: boolean;
}

/**
 * @param columns top columns
 * @param marked what the file says of its columns, e.g. `image`: `Image`
 */
export function columnsOf(columns: readonly SchemaTree[], marked: ReadonlyMap<string, string>): Columns | NoColumns {
  const kinds = columns.map(column => [column.element.name, kindOf(column)] as const);
  const of = (...wanted: Kind[]) => kinds.filter(([, kind]) => wanted.includes(kind)).map(([name]) => name);
  const inBytes = first(of('picture', 'bytes'), withLeaves(imageColumns)) ?? only(of('picture'), marked);
  const inText = inBytes === undefined ? first(of('text'), withLeaves([...imageColumns, ...pathFields])) : undefined;
  const name = inBytes ?? inText;
  if (name === undefined)
    return {
      ...whyNoPictures(
        kinds.map(([column]) => column),
        of('picture'),
      ),
      hasPictures: false,
    };
  const captions = of('text', 'texts', 'bytes').filter(column => isCaption(column) && column !== name);
  if (captions.length === 0) return { why: whyNoCaptions(kinds), hasPictures: inBytes !== undefined };
  const kind = inBytes === undefined ? 'text' : of('picture').includes(name) ? 'picture' : 'bytes';
  const named = (wanted: string) => kinds.find(([column]) => plainName(column) === wanted)?.[0];
  const [split, status] = [named('split'), named('error_message') === undefined ? undefined : named('status')];
  return {
    image: { name, kind },
    captions,
    ...(split === undefined ? {} : { split }),
    ...(status === undefined ? {} : { status }),
    otherImages: of('picture').filter(column => column !== name && !/audio|video/i.test(marked.get(column) ?? column)),
  };
}

function kindOf({ element, children }: SchemaTree): Kind {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (children.length === 0) {
    if (type !== 'BYTE_ARRAY') return type === 'FIXED_LEN_BYTE_ARRAY' || type === 'BOOLEAN' ? 'other' : 'number';
    const isText = converted === 'UTF8' || converted === 'JSON' || converted === 'ENUM' || logical?.type === 'STRING';
    return isText ? 'text' : 'bytes';
  }
  if (children.some(child => child.element.name === 'bytes' && kindOf(child) === 'bytes')) return 'picture';
  if (converted !== 'LIST' && logical?.type !== 'LIST') return 'other';
  const [item] = children;
  const inside = kindOf(item.children.length === 1 ? item.children[0] : item);
  if (inside === 'text') return 'texts';
  return inside === 'picture' || inside === 'bytes' ? inside : 'other';
}

/** The first of the wanted names that is there, as it is written there. */
function first(names: readonly string[], wanted: readonly string[]): string | undefined {
  for (const name of wanted) {
    const found = names.find(column => plainName(column) === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Names with those of flattened structures, `image.bytes` and `image.path`. */
function withLeaves(names: readonly string[]): readonly string[] {
  return names.flatMap(name => [name, `${name}.bytes`, `${name}.path`]);
}

/** The one column of pictures, whatever its name is; sounds are stored in the same way. */
function only(pictures: readonly string[], marked: ReadonlyMap<string, string>): string | undefined {
  const images = pictures.filter(name => /^image$/i.test(marked.get(name) ?? ''));
  const likely = images.length > 0 ? images : pictures.filter(name => !marked.has(name) && !/audio|video/i.test(name));
  return likely.length === 1 ? likely[0] : undefined;
}

function isCaption(column: string): boolean {
  return captionFields.some(name => name === plainName(column));
}

function whyNoPictures(columns: readonly string[], pictures: readonly string[]): { readonly why: string } {
  const address = columns.find(column => addressColumns.test(column));
  if (address !== undefined) {
    const why = `holds addresses of pictures (column ${address}) and no pictures: download them first, e.g. with img2dataset`;
    return { why };
  }
  if (pictures.length > 1) {
    return { why: `has several columns of pictures (${namesOf(pictures)}); call the one to be used image` };
  }
  const odd = first(columns, imageColumns);
  if (odd !== undefined) return { why: `has no pictures: its column ${odd} holds neither their bytes nor paths` };
  return { why: `has no column with pictures or their paths (columns: ${namesOf(columns)})` };
}

function whyNoCaptions(kinds: readonly (readonly [string, Kind])[]): string {
  const number = kinds.find(([column, kind]) => isCaption(column) && kind === 'number');
  if (number !== undefined) return `has no captions: its column ${number[0]} holds numbers, not text`;
  const odd = kinds.find(([column]) => isCaption(column));
  if (odd !== undefined) return `has no captions: its column ${odd[0]} is no text`;
  const label = kinds.find(([column, kind]) => /^(labels?|class(es)?|targets?|y)$/i.test(column) && kind === 'number');
  const labels = label === undefined ? '' : `; ${label[0]} holds numbers of classes`;
  return `has no text or caption column (columns: ${namesOf(kinds.map(([column]) => column))}${labels})`;
}

/** What Hugging Face notes of columns, e.g. `Image` of `image`; empty if the note is missing or none. */
export function markedColumns(note: string | undefined): ReadonlyMap<string, string> {
  try {
    const features: unknown = JSON.parse(note ?? '{}')?.info?.features;
    if (typeof features !== 'object' || features === null) return new Map();
    const types = Object.entries(features).map(([name, feature]) => [name, String(feature?._type ?? '')] as const);
    return new Map(types);
  } catch {
    return new Map();
  }
}
