/**
 * @file Fields that hold an instruction for a model and no caption, as sets for training assistants have them. Which they are
 * is known when all records have been seen; then the next field of each record counts.
 */

import { captionFields, type Said } from './fields.ts';

/** Of the fields for captions the last resort: where it says the same of every record it is an instruction in any case. */
const INSTRUCTION = 'prompt';

/** Fields that describe a picture if they are there; where they differ from row to row, one that does not is an instruction. */
const DESCRIPTIONS: ReadonlySet<string> = new Set(captionFields.slice(0, captionFields.indexOf('description') + 1));

/**
 * Watches rows for fields that hold an instruction, as sets for training assistants have it: they say the same in all of several
 * rows, while another describes the pictures; a `prompt` is one in any case.
 */
export class InstructionWatch {
  private readonly fields = new Map<string, { readonly first: string; rows: number; varies: boolean }>();

  /** @param said all captions of a row */
  see(said: readonly Said[]): void {
    for (const { field, captions } of said) {
      const value = captions.join('\n');
      const seen = this.fields.get(field);
      if (seen === undefined) this.fields.set(field, { first: value, rows: 1, varies: false });
      else {
        seen.rows++;
        seen.varies ||= value !== seen.first;
      }
    }
  }

  /** Whether a field has said different things, so that it holds no instruction. */
  varies(field: string): boolean {
    return this.fields.get(field)?.varies === true;
  }

  /** Fields whose captions are none. */
  instructions(): ReadonlySet<string> {
    const constant = [...this.fields].filter(([, { rows, varies }]) => rows > 1 && !varies).map(([field]) => field);
    const isDescribed = [...this.fields].some(([field, { varies }]) => varies && DESCRIPTIONS.has(field));
    return new Set(constant.filter(field => field === INSTRUCTION || isDescribed));
  }
}

/** The captions of a record without those that stand in a field with an instruction. */
export type Chosen =
  | { readonly captions: readonly string[]; readonly why?: undefined }
  | { readonly captions: readonly []; readonly why: string };

/** The captions of many records that have several fields for them. */
export class Choices<Key> {
  private readonly watch = new InstructionWatch();
  private readonly open = new Map<Key, (readonly Said[])[]>();
  private found: ReadonlySet<string> | undefined;
  private readonly instead = new Map<string, string>();

  /** @param key what the record is about; @param said what all of its fields say, that which counts first */
  see(key: Key, said: readonly Said[]): void {
    this.watch.see(said);
    if (said.length === 0 || this.watch.varies(said[0].field)) return; // then it is no instruction
    const there = this.open.get(key);
    if (there === undefined) this.open.set(key, [said]);
    else there.push(said);
  }

  /** To be asked when all have been seen: the captions that count. @param captions of the first field of each record */
  captionsOf(key: Key, captions: readonly string[]): Chosen {
    this.found ??= this.watch.instructions();
    if (this.found.size === 0) return { captions };
    const chosen = new Set(captions);
    let why = '';
    for (const said of this.open.get(key) ?? []) {
      const [first] = said;
      if (!this.found.has(first.field)) continue;
      for (const instruction of first.captions) chosen.delete(instruction);
      const next = said.find(({ field }) => !this.found?.has(field));
      if (next === undefined) why = `the field ${first.field} says the same of every image`;
      else this.instead.set(first.field, next.field);
      for (const caption of next?.captions ?? []) chosen.add(caption);
    }
    return chosen.size > 0 ? { captions: [...chosen] } : { captions: [], why };
  }

  /** A line for each field in whose place another one counted. */
  notices(): string[] {
    return Array.from(this.instead, ([field, other]) => instructionNotice(field, other));
  }
}

/** Says that a field was taken for an instruction. */
export function instructionNotice(field: string, other: string): string {
  return `the field ${field} says the same of every image and is taken for an instruction; captions are those of ${other}`;
}
