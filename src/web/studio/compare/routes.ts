/** @file What the page that compares runs may have made: a report, and a study that asks people. Both are made by commands. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { cleanCaption, LIMIT_CAPTION } from '../../../../data/text.ts';
import { UserError } from '../../../core/errors.ts';
import { readJsonBody, sendJson } from '../../guard.ts';
import { readBody } from '../bodies.ts';
import { idOf } from '../library.ts';
import { pathBelow } from '../places.ts';
import type { Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import type { WorkTicket } from '../trainings/messages.ts';
import type { CompareOrder, StudyOrder } from './messages.ts';

const MOST_BYTES = 65_536;
const MOST_RUNS = 12;
const id = z.string().regex(/^[0-9a-f]{12}$/);
const seed = z.number().int().min(0).max(0xffffffff);
const runs = z.array(id).min(1).max(MOST_RUNS);
const captions = z.array(z.string().max(LIMIT_CAPTION)).max(64);

const compareSchema = z.strictObject({
  runs,
  captions,
  seed,
  data: id.optional(),
  numImages: z.number().int().min(2).max(10_000).optional(),
});
const studySchema = z.strictObject({
  runs,
  captions,
  seed,
  data: id.optional(),
  out: z.string().min(1).max(300),
  trials: z.number().int().min(4).max(1000),
});

export function compareRoutes(studio: Studio): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/compare',
      answer: async ({ request }, response) => {
        const order = readBody(compareSchema, await readJsonBody(request, { most: MOST_BYTES }));
        sendJson(response, 200, { work: await startReport(studio, order) } satisfies WorkTicket);
      },
    },
    {
      method: 'POST',
      path: '/api/studies',
      answer: async ({ request }, response) => {
        const order = readBody(studySchema, await readJsonBody(request, { most: MOST_BYTES }));
        sendJson(response, 200, { work: await startStudy(studio, order) } satisfies WorkTicket);
      },
    },
  ];
}

async function startReport(studio: Studio, { runs: ids, captions: texts, data, numImages, seed: from }: CompareOrder) {
  const { library, program, works } = studio;
  const places = await Promise.all(ids.map(each => library.run(each)));
  const page = join(works.scratch, `comparison-${randomBytes(6).toString('hex')}.html`);
  const argv = [
    'compare',
    ...places.map(({ path }) => path),
    ...['--out', page, '--seed', String(from)],
    ...(data === undefined ? [] : ['--data', (await library.dataset(data)).path]),
    ...(data === undefined || numImages === undefined ? [] : ['--num-images', String(numImages)]),
    ...(await captionFlags(studio, '--captions-file', texts)),
  ];
  await program.check(argv);
  return works.start({ kind: 'report', title: places.map(({ name }) => name).join(', '), argv, page });
}

async function startStudy(studio: Studio, { runs: ids, captions: texts, data, out, trials, seed: from }: StudyOrder) {
  const { library, program, works } = studio;
  const places = await Promise.all(ids.map(each => library.run(each)));
  const place = await pathBelow(studio, out, 'study make: the study');
  if (data === undefined && texts.every(text => cleanCaption(text) === '')) {
    throw new UserError('study make', 'expected the data of the runs, or captions, got neither');
  }
  const argv = [
    ...['study', 'make'],
    ...places.map(({ path }) => path),
    ...['--out', place, '--trials', String(trials), '--seed', String(from)],
    ...(data === undefined ? ['--no-anchors'] : ['--data', (await library.dataset(data)).path]),
    ...(await captionFlags(studio, '--text-file', texts)),
  ];
  await program.check(argv);
  return works.start({ kind: 'study', title: out, argv, study: idOf(join(library.folder, ...out.split('/'))) });
}

/** Captions as a file of lines, in which a | is a character like any other; none where there are none. */
async function captionFlags({ works }: Studio, flag: string, texts: readonly string[]): Promise<string[]> {
  const cleaned = texts.map(cleanCaption).filter(text => text !== '');
  if (cleaned.length === 0) return [];
  const path = join(works.scratch, `captions-${randomBytes(6).toString('hex')}.txt`);
  await writeFile(path, cleaned.map(text => `${text}\n`).join(''));
  return [flag, path];
}
