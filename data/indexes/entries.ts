/**
 * @file What an index says: entries that name a picture and its captions, collected from rows of any layout. Which picture is
 * meant is found out later, see pictures.ts.
 */

import { isRecord } from '../../src/core/checks.ts';
import type { Problem } from '../dataset.ts';
import {
  allCaptionsOf,
  type Captions,
  captionsOf,
  isKnown,
  pathOf,
  plainName,
  type Row,
  rowOf,
  type Said,
} from '../fields.ts';
import { splitField } from '../formats/format.ts';
import { InstructionWatch, instructionNotice } from '../instructions.ts';
import { kindOf } from '../shown.ts';

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
  /** How it was read where somebody might expect it otherwise, a line each. */
  readonly notices: readonly string[];
}

/** A row whose captions stand in one of several fields: which of them hold instructions is known at the end. */
interface Pending extends Entry {
  readonly choices: readonly Said[];
}

/** Collects what an index says. */
export class IndexBuilder {
  readonly path: string;
  private readonly entries: Pending[] = [];
  private readonly problems: Problem[] = [];
  private readonly watch = new InstructionWatch();

  constructor(path: string) {
    this.path = path;
  }

  /** @param at where the row stands, e.g. `metadata.csv:12` @param split of the list that it stands in, where there is one */
  addRow(row: Row, at: string, split?: string): void {
    const { path, why } = pathOf(row);
    if (path === undefined) {
      this.addProblem(at, why);
      return;
    }
    const choices = allCaptionsOf(row);
    this.watch.see(choices);
    const said = choices[0] ?? whyConversation(row) ?? captionsOf(row);
    this.entries.push({ at, name: path, said, choices, ...about(row, split) });
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
    this.entries.push({ ...entry, choices: [] });
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
    const instructions = this.watch.instructions();
    const instead = new Map<string, string>();
    const entries = this.entries.map(({ choices, ...entry }): Entry => {
      const { field } = entry.said;
      if (field === undefined || !instructions.has(field)) return entry;
      const said = choices.find(choice => !instructions.has(choice.field));
      if (said === undefined)
        return { ...entry, said: { why: `no caption: the field ${field} says the same of every image` } };
      instead.set(field, said.field);
      return { ...entry, said };
    });
    const notices = Array.from(instead, ([field, other]) => `${this.path}: ${instructionNotice(field, other)}`);
    return { path: this.path, entries, problems: this.problems, notices };
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
  if (field === undefined) return undefined;
  return {
    why: `no caption: the field ${field} is a conversation; write the answer that describes it in a field text`,
  };
}
