/**
 * @file The answers of a study as they come: lines of JSON from files and from the page itself, checked against what was asked, and
 * kept in `answers/`, a file a person. Nothing is left out that is not named; the first answer to a trial stays.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { writeAtomic } from '../io/atomic.ts';
import { readBytes } from '../io/bytes.ts';
import { isTooDeep } from '../io/json.ts';
import type { Vote } from './answers.ts';
import { questionKeys } from './design.ts';
import { type Study, type StudyKey, studyPaths } from './study.ts';

const count = z.number().int().min(0).max(1_000_000);
const ids = z.array(z.string()).min(1).max(16);

const givenSchema = z.strictObject({
  study: z.string(),
  rater: z.string().regex(/^[0-9a-f]{16}$/),
  slot: count,
  trial: count,
  question: z.enum(questionKeys),
  left: ids,
  right: ids.nullable(),
  answer: z.enum(['left', 'right', 'tie']),
  ms: z.number().int().min(0).max(1e9),
  exposureMs: z.number().int().positive().nullable(),
  focusLost: count,
  paused: count,
  viewport: z.tuple([count, count]),
  devicePixelRatio: z.number().positive().max(100),
  device: z.enum(['desktop', 'phone']),
});

/** One answer, as the page writes it. */
export type Given = z.output<typeof givenSchema>;

/**
 * An answer that was asked for.
 * @returns it, or in words why it is none
 */
export function checkGiven(value: unknown, study: Study): Given | string {
  const parsed = givenSchema.safeParse(value);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    return path.length === 0 ? 'no answer' : `no answer (${path.join('.')}: ${message.toLowerCase()})`;
  }
  const given = parsed.data;
  if (given.study !== study.hash) return OTHER;
  const trial = study.slots[given.slot]?.[given.trial];
  if (trial === undefined)
    return `a trial that is not in the study (session ${given.slot + 1}, trial ${given.trial + 1})`;
  const isAsked =
    given.question === trial.question &&
    String(given.left) === String(trial.left) &&
    String(given.right ?? '') === String(trial.right ?? '');
  if (!isAsked) return whyOther(given, study);
  if (given.answer === 'tie' && !study.cannotTell) return '"cannot tell", which could not be said';
  return given;
}

/** What is wrong with the pictures of an answer. */
function whyOther({ left, right, slot, trial }: Given, { pictures }: Study): string {
  const known = new Set(pictures.map(({ id }) => id));
  const unknown = [...left, ...(right ?? [])].find(id => !known.has(id));
  return unknown === undefined
    ? `other pictures than trial ${trial + 1} of session ${slot + 1} shows`
    : `a picture that is not in the study (${JSON.stringify(unknown.slice(0, 40))})`;
}

const OTHER = 'of another study';

/** What was done with lines. */
export interface Collected {
  readonly taken: number;
  /** Answers that were there before, word for word. */
  readonly again: number;
  /** People with any answer, and those who finished. */
  readonly raters: number;
  readonly finished: number;
  /** What was left out, each with its file and line. */
  readonly leftOut: readonly string[];
}

/** The answers of a study that are there, by person and trial; adds to them. */
export class AnswerBook {
  private readonly study: Study;
  private readonly folder: string;
  private readonly raters = new Map<string, Map<number, Given>>();

  private constructor(study: Study, folder: string) {
    this.study = study;
    this.folder = folder;
  }

  /**
   * Reads what was collected before.
   * @throws UserError naming a line of `answers/` that is no answer: whoever changed it knows what to do
   */
  static async open(folder: string, study: Study): Promise<AnswerBook> {
    const { answers } = studyPaths(folder);
    const book = new AnswerBook(study, answers);
    if (!existsSync(answers)) return book;
    for (const name of readdirSync(answers)
      .filter(name => /^[^.].*\.jsonl$/.test(name))
      .sort()) {
      const path = join(answers, name);
      for (const { line, given } of parseLines(await readText(path), study)) {
        if (typeof given === 'string')
          throw new UserError(path, `line ${line} is ${given}`, 'take the line away, or the file');
        const what = book.add(given);
        if (what === 'conflict')
          throw new UserError(
            path,
            `line ${line} is another answer to trial ${given.trial + 1} of ${given.rater}`,
            'take one of them away',
          );
      }
    }
    return book;
  }

  get answers(): readonly Given[] {
    return [...this.raters.values()].flatMap(trials => [...trials.values()].sort((a, b) => a.trial - b.trial));
  }

  get count(): { readonly raters: number; readonly finished: number } {
    const sizes = [...this.raters.values()].map(trials => trials.size);
    const all = this.study.trials + this.study.warmups;
    return { raters: sizes.length, finished: sizes.filter(size => size === all).length };
  }

  /** @returns what became of an answer; the first to a trial stays */
  add(given: Given): 'taken' | 'again' | 'conflict' {
    const trials = this.raters.get(given.rater) ?? new Map<number, Given>();
    const before = trials.get(given.trial);
    const [first] = trials.values();
    if (first !== undefined && first.slot !== given.slot) return 'conflict';
    if (before !== undefined) return JSON.stringify(before) === JSON.stringify(given) ? 'again' : 'conflict';
    this.raters.set(given.rater, trials.set(given.trial, given));
    return 'taken';
  }

  /** Writes the answers of people, each as a file. */
  async write(raters: Iterable<string>): Promise<void> {
    for (const rater of new Set(raters)) {
      const trials = [...(this.raters.get(rater)?.values() ?? [])].sort((a, b) => a.trial - b.trial);
      await writeAtomic(
        join(this.folder, `${rater}.jsonl`),
        trials.map(given => `${JSON.stringify(given)}\n`).join(''),
      );
    }
  }
}

/**
 * Takes files of answers into a study.
 * @throws UserError if a file cannot be read, or none of them has an answer of this study
 */
export async function collectAnswers(folder: string, study: Study, files: readonly string[]): Promise<Collected> {
  const book = await AnswerBook.open(folder, study);
  const leftOut: string[] = [];
  const raters: string[] = [];
  let again = 0;
  for (const file of files) {
    const lines = parseLines(await readText(file), study);
    const others = lines.filter(({ given }) => given === OTHER).length;
    if (others > 0)
      leftOut.push(
        `${file}: ${others === lines.length ? 'all of it' : `${others} of ${lines.length} lines`} is ${OTHER}`,
      );
    for (const { line, given } of lines) {
      if (given === OTHER) continue;
      if (typeof given === 'string') {
        leftOut.push(`${file}: line ${line} is ${given}`);
        continue;
      }
      const what = book.add(given);
      if (what === 'taken') raters.push(given.rater);
      if (what === 'again') again++;
      if (what === 'conflict')
        leftOut.push(
          `${file}: line ${line} is another answer to trial ${given.trial + 1} of ${given.rater}; the first stays`,
        );
    }
  }
  if (raters.length === 0 && again === 0) {
    const [first = 'the files are empty'] = leftOut;
    throw new UserError(
      'study collect',
      `expected answers of the study ${folder}, got none (${first})`,
      'answers are files that the page of this study gives',
    );
  }
  await book.write(raters);
  return { taken: raters.length, again, ...book.count, leftOut };
}

/** Longest file of answers, in bytes. */
const MOST_BYTES = 2 ** 24;

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path, { most: MOST_BYTES }));
}

/** The lines that are not empty, each as an answer or why it is none. */
function parseLines(text: string, study: Study): { readonly line: number; readonly given: Given | string }[] {
  return text
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [{ line: i + 1, given: parseLine(line, study) }]));
}

function parseLine(line: string, study: Study): Given | string {
  if (isTooDeep(line)) return 'no answer';
  try {
    return checkGiven(JSON.parse(line) as unknown, study);
  } catch {
    return 'no JSON';
  }
}

/** Answers with the names of what they are about. */
export function resolveVotes(
  answers: readonly Given[],
  { study, key }: { readonly study: Study; readonly key: StudyKey },
): Vote[] {
  const order = new Map(key.systems.map(({ name }, i) => [name, i]));
  const others = new Map(key.others.map(other => [`${other.slot} ${other.trial}`, other]));
  return answers.map(({ rater, slot, trial, question, answer, ms }) => {
    const { left, right } = study.slots[slot][trial];
    const other = others.get(`${slot} ${trial}`);
    const kind = other?.kind ?? 'vote';
    const shown = [left, right].map(ids => (ids === undefined ? undefined : key.pictures[ids[0]]));
    const [l, r] = shown.map(picture => (picture === undefined ? '' : nameOf(picture)));
    const isFirstLeft = right === undefined || (order.get(l) ?? order.size) <= (order.get(r) ?? order.size);
    const [a, b] = isFirstLeft ? [l, r] : [r, l];
    const asked = other?.answer === 'right' ? (shown[1] ?? shown[0]) : shown[0];
    return {
      rater,
      question,
      item: asked?.caption ?? '',
      a,
      b,
      choice: answer === 'tie' ? 'tie' : (answer === 'left') === isFirstLeft ? 'a' : 'b',
      left: isFirstLeft ? 'a' : 'b',
      milliseconds: ms,
      trial,
      kind,
      ...(other?.answer === undefined ? {} : { right: answer === other.answer }),
    };
  });
}

/** A system's name; a picture whose pieces are mixed up is no system's. */
function nameOf({ system, control }: StudyKey['pictures'][string]): string {
  return control === 'mixed' ? `${system}, mixed up` : system;
}
