/** @file What the studio answers about processes that the page starts: the form of a training, starting, stopping, and what they say. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../../core/errors.ts';
import { holderOf } from '../../../io/lock.ts';
import { runPaths } from '../../../io/runfolder.ts';
import { Refusal, readJsonBody, sendJson } from '../../guard.ts';
import { readBody, sendPage } from '../bodies.ts';
import { idOf } from '../library.ts';
import { pathBelow } from '../places.ts';
import type { Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import type { FormAnswer, TrainingOrder, WorkTicket } from './messages.ts';

const MOST_BYTES = 65_536;
const name = z.string().min(1).max(300);
const orderSchema = z.strictObject({
  data: z.union([z.strictObject({ id: name }), z.strictObject({ path: z.string().min(1).max(4096) })]),
  out: name,
  values: z.record(z.string().max(100), z.string().max(4096)),
});

export function trainingRoutes(studio: Studio): Route[] {
  const { program, works, folder } = studio;
  return [
    {
      method: 'GET',
      path: '/api/trainings',
      answer: async (_, response) => sendJson(response, 200, { works: await works.list() }),
    },
    {
      method: 'GET',
      path: '/api/trainings/form',
      answer: async ({ query }, response) => {
        const form = await program.form({ preset: query.get('preset') ?? '', family: query.get('family') ?? '' });
        sendJson(response, 200, { ...form, folder } satisfies FormAnswer);
      },
    },
    {
      method: 'POST',
      path: '/api/trainings',
      answer: async ({ request }, response) => {
        const order: TrainingOrder = readBody(orderSchema, await readJsonBody(request, { most: MOST_BYTES }));
        sendJson(response, 200, { work: await startTraining(studio, order) } satisfies WorkTicket);
      },
    },
    {
      method: 'GET',
      path: '/api/trainings/:work',
      answer: async ({ params }, response) =>
        sendJson(response, 200, { work: await works.card(params.work) } satisfies WorkTicket),
    },
    {
      method: 'POST',
      path: '/api/trainings/:work/stop',
      answer: async ({ params, request }, response) => {
        await readJsonBody(request, { most: 64 });
        works.stop(params.work);
        sendJson(response, 200, { work: await works.card(params.work) } satisfies WorkTicket);
      },
    },
    {
      method: 'GET',
      path: '/api/trainings/:work/page',
      answer: async ({ params }, response) => {
        await sendPage(response, works.pageOf(params.work));
      },
    },
  ];
}

async function startTraining(studio: Studio, { data, out, values }: TrainingOrder) {
  const { library, program, works } = studio;
  const path = await pathBelow(studio, out, 'train: the run');
  const from = 'id' in data ? (await library.dataset(data.id)).path : data.path;
  if ((await stat(from).catch(() => undefined)) === undefined) {
    throw new UserError('train: the data', `expected captioned images, got ${from}, which is not there`);
  }
  const holder = await holderOf(runPaths(path).lock).catch(() => undefined);
  if (holder !== undefined) throw new Refusal(409, `${path} is being trained already`);
  const argv = [
    'train',
    '--data',
    from,
    '--out',
    path,
    ...(await program.trainingFlags(await withRuns(studio, values))),
  ];
  await program.check(argv);
  const run = idOf(join(library.folder, ...out.normalize('NFC').split('/'))); // as the library will find it
  return works.start({ kind: 'training', title: out, argv, run, data: 'id' in data ? data.id : data.path });
}

/** Runs that are named by their ids as their folders. */
async function withRuns({ library }: Studio, values: TrainingOrder['values']): Promise<Record<string, string>> {
  const named: Record<string, string> = { ...values };
  if (/^[0-9a-f]{12}$/.test(named.from ?? '')) named.from = (await library.run(named.from)).path;
  return named;
}
