/**
 * @file What the studio answers about a study: what it is, its page and the answers that the page sends, files of answers that others
 * sent, and a report, which a process of its own makes.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../../core/errors.ts';
import { shellWord } from '../../../core/shell.ts';
import { AnswerBook, collectAnswers } from '../../../study/collect.ts';
import { makeTakePage } from '../../../study/page/page.ts';
import { readKey, readPictures, readStudy, studyPaths } from '../../../study/study.ts';
import { guardHeaders, Refusal, readJsonBody, sendJson } from '../../guard.ts';
import { AnswerTaker } from '../../study-server.ts';
import { readBody, sendPage } from '../bodies.ts';
import type { Place } from '../library.ts';
import type { Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import type { WorkTicket } from '../trainings/messages.ts';
import type { CollectAnswer, StudyFacts } from './messages.ts';

/** Longest file of answers, in bytes. */
const MOST_FILE = 4_000_000;
const collectSchema = z.strictObject({ text: z.string().max(MOST_FILE) });

export function studiesRoutes(studio: Studio): Route[] {
  const { library, program, works } = studio;
  const takers = new Map<string, Promise<AnswerTaker>>();
  const takerOf = ({ id, folder }: Place) => {
    const taker = takers.get(id) ?? AnswerTaker.open(folder, 'studio');
    takers.set(id, taker);
    taker.catch(() => takers.delete(id));
    return taker;
  };
  return [
    {
      method: 'GET',
      path: '/api/studies/:study',
      answer: async ({ params }, response) => sendJson(response, 200, await factsOf(await library.study(params.study))),
    },
    {
      method: 'GET',
      path: '/api/studies/:study/page',
      answer: async ({ params }, response) => {
        const { id, folder } = await library.study(params.study);
        const study = await readStudy(folder, 'studio');
        const pictures = await readPictures(folder, study);
        const page = await makeTakePage(study, pictures, { post: `/api/studies/${id}/answers` });
        response.writeHead(200, { ...guardHeaders(page.policy), 'Content-Type': 'text/html; charset=utf-8' });
        response.end(page.markup);
      },
    },
    {
      method: 'POST',
      path: '/api/studies/:study/answers',
      answer: async ({ params, request }, response) => {
        const taker = await takerOf(await library.study(params.study));
        sendJson(response, 200, { taken: await taker.take(request) });
      },
    },
    {
      method: 'POST',
      path: '/api/studies/:study/collect',
      answer: async ({ params, request }, response) => {
        const place = await library.study(params.study);
        const { text } = readBody(collectSchema, await readJsonBody(request, { most: 2 * MOST_FILE }));
        takers.delete(place.id); // what it knows is read again
        sendJson(response, 200, await collect(studio, place, text));
      },
    },
    {
      method: 'GET',
      path: '/api/studies/:study/report',
      answer: async ({ params }, response) => {
        const place = await library.study(params.study);
        const report = await library.real(place, studyPaths(place.folder).report);
        if (report === undefined) throw new Refusal(404, 'there is no such page here');
        await sendPage(response, report);
      },
    },
    {
      method: 'POST',
      path: '/api/studies/:study/report',
      answer: async ({ params, request }, response) => {
        await readJsonBody(request, { most: 64 });
        const { id, name, path, folder } = await library.study(params.study);
        const argv = ['study', 'report', path];
        await program.check(argv);
        const { report } = studyPaths(folder);
        const work = works.start({ kind: 'study report', title: name, argv, study: id, page: report });
        sendJson(response, 200, { work } satisfies WorkTicket);
      },
    },
  ];
}

async function factsOf({ id, name, path, folder }: Place): Promise<StudyFacts> {
  const study = await readStudy(folder, 'studio');
  const systems = await readKey(folder, study).then(
    key => key.systems.map(system => system.name),
    () => [],
  );
  const asked = new Set(study.slots.flat().map(({ question }) => question));
  const facts = {
    ...{ id, name, systems, hash: study.hash, questions: [...asked], trials: study.trials },
    pictures: study.pictures.length,
    serve: `tessera study serve ${shellWord(path)} --host ADDRESS`,
    hasReport: existsSync(studyPaths(folder).report),
  };
  try {
    const { raters, finished } = (await AnswerBook.open(folder, study)).count;
    return { ...facts, raters, finished, problem: null };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...facts, raters: 0, finished: 0, problem: error.message };
  }
}

/** Takes a file of answers as `tessera study collect` does. */
async function collect({ works }: Studio, { folder }: Place, text: string): Promise<CollectAnswer> {
  const study = await readStudy(folder, 'studio');
  const file = join(works.scratch, `answers-${randomBytes(6).toString('hex')}.jsonl`);
  await writeFile(file, text);
  try {
    const { taken, again, leftOut } = await collectAnswers(folder, study, [file]);
    return { taken, again, leftOut: leftOut.map(line => line.replaceAll(file, 'the file')) };
  } catch (error) {
    if (error instanceof UserError) throw new Refusal(400, error.message.replaceAll(file, 'the file'));
    throw error;
  } finally {
    await rm(file, { force: true });
  }
}
