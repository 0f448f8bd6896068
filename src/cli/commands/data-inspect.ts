/** @file `tessera data inspect`: prints what a data set holds, for people or as JSON, and draws a sheet of it. */
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Dataset, Split } from '../../../data/dataset.ts';
import type { Inspection } from '../../../data/inspect.ts';
import { UserError } from '../../core/errors.ts';
import type { Session } from '../../runs/session.ts';
import { defineCommand } from '../command.ts';
import { dataFlags, file, splitFlag } from '../common-flags.ts';

/** Where the sheet goes if nothing is said. */
const SHEET = 'contact-sheet.png';

export const dataInspect = defineCommand({
  name: 'data inspect',
  summary: 'count, measure and show what a data set holds',
  examples: ['tessera data inspect datasets/emoji', 'tessera data inspect photos --json'],
  positionals: [{ name: 'DATA', description: 'a folder, archive or index file', title: 'path' }],
  flags: async () =>
    z.object({
      ...(await dataFlags()),
      split: splitFlag('sides that are looked at; validation is what is held out (default all)'),
      sheet: file(`where the contact sheet goes (default ${SHEET}; with --json nowhere)`).optional(),
    }),
  result: {
    root: 'the folder that names of items begin in',
    format: 'layout of the data',
    images: 'those that can be decoded; all that follows is counted over them',
    encodings: 'pictures of each encoding',
    width: 'in pixels: min, median, mean and max; so the next five',
    height: 'in pixels',
    bytes: 'of encoded pictures',
    captions: 'how many',
    captionsPerImage: 'how many',
    characters: 'of captions',
    words: 'of captions',
    vocabulary: 'different words',
    duplicateImages: 'lists of ids of equal files',
    duplicateCaptions: 'those that more than one image has: caption, images',
    train: 'items that are trained on',
    validation: 'items held out',
    test: 'items left alone',
    published: 'how published splits are divided, in words; null without',
    items: 'id, width, height, bytes, encoding, captions, split, and published and group where there are such',
    problems: 'what cannot be used: id, what',
    unused: 'other files: id, what',
    notices: 'how the data was read where that may surprise',
  },
  run: (session, { values, positionals: [path], json, answer }) =>
    inspect(session, { ...values, path, json, answer: inspection => answer({ ...inspection }) }),
});

interface Flags {
  readonly format: string;
  readonly strict: boolean;
  readonly json: boolean;
  readonly split?: readonly Split[];
  readonly sheet?: string;
  readonly path: string;
  readonly answer: (inspection: Inspection) => void;
}

async function inspect({ reporter, print, signal }: Session, values: Flags): Promise<void> {
  const { openDataset } = await import('../../../data/open.ts');
  const { contactSheet, formatInspection, inspectDataset } = await import('../../../data/inspect.ts');
  const { expectNoProblem } = await import('../../../data/reasons.ts');
  const { divideItems, itemsOn } = await import('../../../data/division.ts');
  const { hearSignal } = await import('../../core/stopping.ts');
  const { writeAtomic } = await import('../../io/atomic.ts');
  const { path, strict, json, split, answer } = values;
  const sheet = values.sheet ?? (json ? undefined : SHEET);
  // Every image is decoded anyway, so headers need no check of their own.
  const dataset = await openDataset(path, { format: values.format, check: false, signal });
  if (json && sheet !== undefined) expectOtherOutput(sheet);
  if (sheet !== undefined) await expectSheet(sheet, { path, dataset, named: values.sheet !== undefined });
  reporter.stage('inspect', { unit: 'images' });
  const inspection = await inspectDataset(dataset, {
    split,
    onProgress: (step, total) => reporter.update({ step, total, amount: step }),
  });
  reporter.done();
  answer(inspection); // also of data that --strict refuses
  if (strict) expectNoProblem(path, inspection.problems);
  await hearSignal(signal);
  for (const line of formatInspection(inspection)) print(line);
  if (sheet === undefined) return;
  const shown = split === undefined ? dataset : itemsOn(divideItems(dataset.items), split);
  await writeAtomic(sheet, await contactSheet(shown));
  if (json) reporter.message(`contact sheet: ${sheet}`);
  else print(`contact sheet: ${sheet}`);
}

/** Standard output has the document. */
function expectOtherOutput(sheet: string): void {
  if (!/^\/(dev\/stdout|(dev|proc\/self)\/fd\/1)$/.test(sheet)) return;
  throw new UserError('data inspect: --sheet', `${sheet} is where the JSON document goes`, 'name a file');
}

/** A file of the data is never written over. */
async function expectSheet(
  sheet: string,
  { path, dataset, named }: { readonly path: string; readonly dataset: Dataset; readonly named: boolean },
): Promise<void> {
  const { realPlace } = await import('../../io/destination.ts');
  const { expectOutput } = await import('../../io/outputs.ts');
  const { items, problems, unused, root } = dataset;
  const name = basename(await realPlace(sheet));
  const same = [...items, ...problems, ...unused].filter(({ id }) => basename(id) === name);
  const inputs = [path, ...same.map(({ id }) => join(root, id))];
  await expectOutput('data inspect: --sheet', sheet, { kind: 'sheet', named, inputs });
}
