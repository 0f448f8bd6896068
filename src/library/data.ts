/**
 * @file Data sets from a program: a look at one, and those that can be drawn; what the commands `tessera data` do. What draws
 * is loaded when it is called.
 */
import type { Split } from '../../data/dataset.ts';
import type { EmojiResult } from '../../data/generators/emoji.ts';
import type { ModesResult } from '../../data/generators/modes.ts';
import type { ShapesResult } from '../../data/generators/shapes.ts';
import type { Inspection } from '../../data/inspect.ts';
import { splitNames } from '../config/fields.ts';
import {
  checkOptions,
  checkValue,
  choiceCheck,
  listCheck,
  numberCheck,
  pathCheck,
  seedCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { openSession, stoppable, type WorkOptions, workChecks } from './progress.ts';

const splitsCheck = listCheck('splits', choiceCheck(splitNames), { least: 1 });

/** How a data set is looked at. */
export interface InspectOptions extends WorkOptions {
  /** Layout of the data; default `auto`: recognised. */
  readonly format?: string;
  /** Share that the hash holds out, for the sizes of the sides; default 0.05. */
  readonly validation?: number;
  /** Sides that are looked at: `train`, `validation` (what is held out), `test`; default all. */
  readonly split?: readonly Split[];
}

/**
 * Decodes every image of a data set once, and says what it holds: sizes, captions, duplicates, and what cannot be used.
 * @param data a folder, an archive or an index file; see `openDataset`
 * @throws UserError if it is no data set; the signal's reason once it is aborted
 */
export async function inspectDataset(data: string, options: InspectOptions = {}): Promise<Inspection> {
  checkValue('inspectDataset: data', data, pathCheck);
  const own = { format: textCheck, validation: numberCheck({ least: 0, most: 1 }), split: splitsCheck };
  checkOptions('inspectDataset', options, { ...workChecks, ...own });
  const { openDataset } = await import('../../data/open.ts');
  const { inspectDataset: inspect } = await import('../../data/inspect.ts');
  const { format, validation, split, signal } = options;
  // Every image is decoded anyway, so headers need no check of their own.
  return working(options, 'inspect', async onProgress =>
    inspect(await openDataset(data, { format, check: false, signal }), { validation, split, onProgress }),
  );
}

/** What emoji to draw. */
export interface DrawEmojiOptions extends WorkOptions {
  /** Folder of the data set. One that holds exactly this is left as it is. */
  readonly out: string;
  /** Which sets, of `noto`, `twemoji`, `openmoji` and `fluent-emoji-flat`; default all. */
  readonly styles?: readonly string[];
  /** Side of the pictures in pixels; default 128. */
  readonly size?: number;
  /** Only so many drawings of each set; default all. */
  readonly limit?: number;
}

/**
 * Draws the emoji sets that are installed as npm packages, with their names as captions.
 * @throws UserError if a set is not installed; the signal's reason once it is aborted
 */
export async function drawEmoji(options: DrawEmojiOptions): Promise<EmojiResult> {
  const { emojiStyles, makeEmoji } = await import('../../data/generators/emoji.ts');
  const own = {
    styles: listCheck('sets', choiceCheck(emojiStyles), { least: 1 }),
    size: wholeCheck({ least: 16, most: 1024 }),
    limit: wholeCheck({ least: 1 }),
  };
  checkOptions('drawEmoji', options, { ...workChecks, out: pathCheck, ...own }, ['out']);
  const { out, styles, size, limit } = options;
  return working(options, 'emoji', onProgress => makeEmoji({ out, styles, size, limit, onProgress }));
}

/** What scenes to draw. */
export interface DrawShapesOptions extends WorkOptions {
  /** Folder of the data set. One that holds exactly this is left as it is. */
  readonly out: string;
  /** Scenes in all; default 10000. */
  readonly count?: number;
  /** Side of the pictures in pixels; default 64. */
  readonly size?: number;
  /** The same seed draws the same scenes; default 1. */
  readonly seed?: number;
  /** Share of the pairs of colour and shape that training never shows, at most 0.5; default 0.1. */
  readonly holdOut?: number;
}

/** Draws scenes of coloured shapes whose captions are exact. @throws the signal's reason once it is aborted */
export async function drawShapes(options: DrawShapesOptions): Promise<ShapesResult> {
  const own = {
    count: wholeCheck({ least: 1, most: 1_000_000 }),
    size: wholeCheck({ least: 16, most: 1024 }),
    seed: seedCheck,
    holdOut: numberCheck({ least: 0, most: 0.5 }),
  };
  checkOptions('drawShapes', options, { ...workChecks, out: pathCheck, ...own }, ['out']);
  const { makeShapes } = await import('../../data/generators/shapes.ts');
  const { out, count = 10000, size, seed, holdOut } = options;
  return working(options, 'shapes', onProgress => makeShapes({ out, count, size, seed, holdOut, onProgress }));
}

/** What of a thousand scenes to draw. */
export interface DrawModesOptions extends WorkOptions {
  /** Folder of the data set. One that holds exactly this is left as it is. */
  readonly out: string;
  /** Pictures of every scene, each a little different; default 10. */
  readonly perMode?: number;
  /** Side of the pictures in pixels; default 32. */
  readonly size?: number;
  /** The same seed draws the same pictures; default 1. */
  readonly seed?: number;
}

/** Draws a thousand scenes that can be counted, several times each. @throws the signal's reason once it is aborted */
export async function drawModes(options: DrawModesOptions): Promise<ModesResult> {
  const own = {
    perMode: wholeCheck({ least: 1, most: 1000 }),
    size: wholeCheck({ least: 16, most: 256 }),
    seed: seedCheck,
  };
  checkOptions('drawModes', options, { ...workChecks, out: pathCheck, ...own }, ['out']);
  const { makeModes } = await import('../../data/generators/modes.ts');
  const { out, perMode = 10, size, seed } = options;
  return working(options, 'modes', onProgress => makeModes({ out, perMode, size, seed, onProgress }));
}

/** Work as one stage that counts images, and hears the signal between two of them. */
function working<T>(
  options: WorkOptions,
  stage: string,
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  return stoppable(options, async () => {
    const { reporter, signal } = openSession(options);
    reporter.stage(stage, { unit: 'images' });
    const result = await work((step, total) => {
      signal.throwIfAborted();
      reporter.update({ step, total, amount: step });
    });
    reporter.done();
    return result;
  });
}
