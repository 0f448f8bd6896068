/**
 * @file What an index says: entries that name a picture and its captions, collected from rows of any layout. Which picture is
 * meant is found out later, see pictures.ts.
 */

import type { Problem } from '../dataset.ts';
import {
  type Captions,
  captionsOf,
  InstructionWatch,
  isKnown,
  kindOf,
  namesOf,
  pathOf,
  plainName,
  type Row,
  rowOf,
} from '../fields.ts';
import { splitField } from '../formats/format.ts';

/** A row of an index that names a picture. */
export interface Entry {
  /** Where it stands, e.g. `metadata.csv:12`. */
  readonly at: string;
  /** The path as it was written. */
  readonly name: string;
  readonly said: Captions;
  readonly split?: string;
  readonly group?: string;
}

/** What an index file says. */
export interface Index {
  /** Its path below the root. */
  readonly path: string;
  readonly entries: readonly Entry[];
  readonly problems: readonly Problem[];
}

/** Collects what an index says. */
export class IndexBuilder {
  readonly path: string;
  private readonly entries: Entry[] = [];
  private readonly problems: Problem[] = [];
  private readonly prompts = new InstructionWatch();

  constructor(path: string) {
    this.path = path;
  }

  /** @param at where the row stands, e.g. `metadata.csv:12` @param split of the list that it stands in, where there is one */
  addRow(row: Row, at: string, split?: string): void {
    const name = pathOf(row);
    if (name === undefined) {
      this.addProblem(at, `no file_name field (fields: ${namesOf(row.keys())})`);
      return;
    }
    this.prompts.see(row);
    this.add({ at, name, said: whyConversation(row) ?? captionsOf(row), ...about(row, split) });
  }

  /** A value of a list that should be a row. */
  addValue(value: unknown, at: string, split?: string): void {
    const row = isRecord(value) ? rowOf(value) : undefined;
    const twice = isRecord(value) && row?.size !== Object.keys(value).length ? nameTwice(value) : undefined;
    if (row === undefined) this.addProblem(at, `not an object with file_name and text, but ${kindOf(value)}`);
    else if (twice === undefined) this.addRow(row, at, split);
    else this.addProblem(at, `two fields are named ${twice}`);
  }

  add(entry: Entry): void {
    this.entries.push(entry);
  }

  /** @param at where it stands: the index itself, or a row of it */
  addProblem(at: string, what: string): void {
    this.problems.push({ id: at, what });
  }

  /** Nothing of an index that cannot be read to its end is used. */
  giveUp(what: string): void {
    this.entries.length = 0;
    this.problems.length = 0;
    this.addProblem(this.path, what);
  }

  done(): Index {
    const entries = this.entries.map(entry => {
      const why = entry.said.why === undefined ? this.prompts.whyNone(entry.said.field) : undefined;
      return why === undefined ? entry : { ...entry, said: { why } };
    });
    return { path: this.path, entries, problems: this.problems };
  }
}

/** The name of two fields, which may differ in case and spaces. */
function nameTwice(record: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(record).map(plainName);
  return names.find((name, i) => isKnown(name) && names.indexOf(name) < i);
}

/** What a row says beside the captions. */
function about(row: Row, split: string | undefined): Pick<Entry, 'split' | 'group'> {
  const group = row.get('group');
  return {
    ...(split === undefined ? {} : { split }),
    ...splitField(row.get('split')),
    ...((typeof group === 'string' && group !== '') || typeof group === 'number' ? { group: String(group) } : {}),
  };
}

/** A picture that is talked about has questions and answers, none of which needs to describe it. */
function whyConversation(row: Row): Captions | undefined {
  const field = ['conversations', 'conversation', 'messages'].find(name => Array.isArray(row.get(name)));
  if (field === undefined || captionsOf(row).captions !== undefined) return undefined;
  return {
    why: `no caption: the field ${field} is a conversation; write the answer that describes it in a field text`,
  };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
