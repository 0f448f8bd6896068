/** @file `tessera data ...`: makes the data sets that need no download, and shows what is in one. */
import { makeEmoji } from '../../../data/emoji.ts';
import { openDataset } from '../../../data/index.ts';
import { contactSheet, formatInspection, inspectDataset } from '../../../data/inspect.ts';
import { makeModes } from '../../../data/modes.ts';
import { makeShapes } from '../../../data/shapes.ts';
import { UserError } from '../../core/errors.ts';
import { writeAtomic } from '../../io/state.ts';
import type { Session } from '../../runs/session.ts';

/** Draws the emoji sets that are installed as npm packages. */
export async function emojiData(
  session: Session,
  request: { readonly out: string; readonly styles: readonly string[]; readonly size: number; readonly limit?: number },
): Promise<void> {
  session.reporter.stage('emoji', { unit: 'images' });
  const { counts, upToDate } = await makeEmoji({
    ...request,
    onProgress: (step, total) => session.reporter.update({ step, total, amount: step }),
  });
  const said = Object.entries(counts).map(([style, count]) => `${count} ${style}`);
  session.reporter.done(`${said.join(', ')}${upToDate ? ' (made before)' : ''}`);
  session.print(request.out);
}

/** Draws scenes of coloured shapes with exact captions. */
export async function shapesData(
  session: Session,
  request: {
    readonly out: string;
    readonly count: number;
    readonly size: number;
    readonly seed: number;
    readonly holdOut: number;
  },
): Promise<void> {
  session.reporter.stage('shapes', { unit: 'images' });
  const { train, heldOut, pairs, upToDate } = await makeShapes({
    ...request,
    onProgress: (step, total) => session.reporter.update({ step, total, amount: step }),
  });
  const never = pairs.length > 0 ? `; never in training: ${pairs.join(', ')}` : '';
  session.reporter.done(`${train} to train on, ${heldOut} held out${never}${upToDate ? ' (made before)' : ''}`);
  session.print(request.out);
}

/** Draws every one of a thousand scenes several times. */
export async function modesData(
  session: Session,
  request: { readonly out: string; readonly perMode: number; readonly size: number; readonly seed: number },
): Promise<void> {
  session.reporter.stage('modes', { unit: 'images' });
  const { train, heldOut, upToDate } = await makeModes({
    ...request,
    onProgress: (step, total) => session.reporter.update({ step, total, amount: step }),
  });
  session.reporter.done(`${train} to train on, ${heldOut} held out${upToDate ? ' (made before)' : ''}`);
  session.print(request.out);
}

/** Prints what a data set holds and draws a sheet of it. */
export async function inspectData(
  session: Session,
  request: { readonly path: string; readonly format: string; readonly strict: boolean; readonly sheet?: string },
): Promise<void> {
  // Every image is decoded anyway, so headers need no check of their own.
  const dataset = await openDataset(request.path, { format: request.format, check: false });
  session.reporter.stage('inspect', { unit: 'images' });
  const inspection = await inspectDataset(dataset, {
    onProgress: (step, total) => session.reporter.update({ step, total, amount: step }),
  });
  session.reporter.done();
  const [problem] = inspection.problems;
  if (request.strict && problem !== undefined) throw new UserError(request.path, `${problem.id}: ${problem.what}`);
  session.print(formatInspection(inspection));
  const sheet = request.sheet ?? 'contact-sheet.png';
  await writeAtomic(sheet, await contactSheet(dataset));
  session.print(`contact sheet: ${sheet}`);
}
