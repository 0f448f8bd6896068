/**
 * @file A study on the disk: `study.json`, which has everything that who takes part may see, without a name of a system;
 * `study.key.json`, which says what every picture is and is for its owner alone; `pictures/`; `take.html`, the page; and
 * `answers/`. The study's hash covers all of study.json, and by it the pictures: answers carry it.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { shellWord } from '../core/shell.ts';
import { readBytes } from '../io/bytes.ts';
import { readJson } from '../io/files.ts';
import { questionKeys } from './design.ts';
import { wordingSchema } from './wording.ts';

/** A picture's random name. */
const idSchema = z.string().regex(/^[0-9a-f]{12}$/);
const idsSchema = z.array(idSchema).min(1).max(16);
const sideSchema = z.enum(['left', 'right']);

const trialSchema = z.strictObject({
  question: z.enum(questionKeys),
  /** Place in `captions`, where the question shows it. */
  caption: z.number().int().min(0).optional(),
  /** The picture, or the set of them, of each side. */
  left: idsSchema,
  right: idsSchema.optional(),
  /** Of a warm-up trial, which says whether it was right. */
  answer: sideSchema.optional(),
});

const studySchema = z.strictObject({
  format: z.literal('tessera-study-1'),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  seed: z.number().int().min(0),
  questions: z.array(z.enum(questionKeys)).min(1),
  /** Pictures beside one another on a side. */
  images: z.number().int().min(1).max(16),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  /** Of a session, without its warm-up. */
  trials: z.number().int().positive(),
  warmups: z.number().int().min(0),
  /** Least share of control trials that a person must get right for the answers to count. */
  threshold: z.number().min(0).max(1),
  cannotTell: z.boolean(),
  /** How long pictures are shown; null: until the answer. */
  exposureMs: z.number().int().positive().nullable(),
  wording: wordingSchema,
  captions: z.array(z.string()),
  /** By their names. */
  pictures: z.array(z.strictObject({ id: idSchema, sha256: z.string() })),
  /** What is shown after an exposure that is limited. */
  mask: idSchema.nullable(),
  /** What each person is asked, in order. */
  slots: z.array(z.array(trialSchema)).min(1),
});

/** What a study asks, without the names of what it compares. */
export type Study = z.output<typeof studySchema>;
export type StudyTrial = z.output<typeof trialSchema>;

const keySchema = z.strictObject({
  format: z.literal('tessera-study-key-1'),
  study: z.string(),
  /** In the study's order. `run`, `weights`: what painted it; null where nothing did. */
  systems: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        run: z.string().nullable(),
        family: z.string().nullable(),
        weights: z.string().nullable(),
      }),
    )
    .min(1),
  /** Whether no run was trained on the captions' pictures; null where the captions are not of a data set. */
  heldOut: z.boolean().nullable(),
  /** What each picture is. `seed` and `image`: how it was painted; null where it was not. */
  pictures: z.record(
    idSchema,
    z.strictObject({
      system: z.string(),
      caption: z.string(),
      seed: z.number().int().nullable(),
      image: z.number().int().min(0).nullable(),
      /** Of a control picture: as it was, or its pieces mixed up. */
      control: z.enum(['whole', 'mixed']).nullable(),
    }),
  ),
  /** The trials that are no votes, by slot and place. */
  others: z.array(
    z.strictObject({
      slot: z.number().int().min(0),
      trial: z.number().int().min(0),
      kind: z.enum(['catch', 'repeat', 'warmup']),
      answer: sideSchema.optional(),
    }),
  ),
});

/** What the pictures of a study are. */
export type StudyKey = z.output<typeof keySchema>;

/** The files of a study. */
export function studyPaths(folder: string) {
  return {
    study: join(folder, 'study.json'),
    key: join(folder, 'study.key.json'),
    page: join(folder, 'take.html'),
    report: join(folder, 'report.html'),
    answers: join(folder, 'answers'),
    picture: (id: string) => join(folder, pictureFile(id)),
  };
}

/** The file of a picture, in the study's folder. */
export function pictureFile(id: string): string {
  return `pictures/${id}.png`;
}

/** The hash that a study has: of all its other fields. */
export function hashOf({ hash: _, ...rest }: Omit<Study, 'hash'> & { readonly hash?: string }): string {
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}

/** The hash of a picture's file. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Reads what a study asks.
 * @param where opens messages, e.g. `study collect`
 * @throws UserError if the folder is no study, or study.json is not what was made
 */
export async function readStudy(folder: string, where: string): Promise<Study> {
  const { study: path } = studyPaths(folder);
  if (!existsSync(path)) {
    throw new UserError(where, `${folder} is no study (no ${path})`, 'a study is made by `tessera study make`');
  }
  const study = parseDocument(studySchema, await readJson(path), path);
  if (hashOf(study) === study.hash) return study;
  throw new UserError(
    path,
    'expected what `tessera study make` wrote, got another study under its hash',
    'a study is not changed after it was made: answers would be of another; make a new one',
  );
}

/** Reads what the pictures of a study are. @throws UserError if it is missing, damaged, or of another study */
export async function readKey(folder: string, study: Study): Promise<StudyKey> {
  const { key: path } = studyPaths(folder);
  const key = parseDocument(keySchema, await readJson(path), path);
  if (key.study !== study.hash)
    throw new UserError(path, `expected the key of the study ${study.hash.slice(0, 12)}, got another's`);
  return key;
}

/** A document that nobody writes by hand. @throws UserError naming its first field that cannot be so */
function parseDocument<S extends z.ZodType>(schema: S, value: unknown, path: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path: place, message }] = parsed.error.issues;
  const at = place.length === 0 ? '' : `${place.map(String).join('.')}: `;
  throw new UserError(
    path,
    `expected what \`tessera study make\` wrote, got something else (${at}${message.toLowerCase()})`,
  );
}

/** Reads all pictures, by their names. @throws UserError if one is missing, or is not the one that the study was made with */
export async function readPictures(folder: string, study: Study): Promise<ReadonlyMap<string, Uint8Array>> {
  const { picture } = studyPaths(folder);
  const pictures = new Map<string, Uint8Array>();
  for (const { id, sha256: expected } of study.pictures) {
    const bytes = await readBytes(picture(id));
    if (sha256(bytes) !== expected) {
      throw new UserError(
        picture(id),
        'expected the picture that the study was made with, got another',
        `make the study again: \`tessera study make --out ${shellWord(folder)}\``,
      );
    }
    pictures.set(id, bytes);
  }
  return pictures;
}
