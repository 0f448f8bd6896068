/** @file What the studio answers about runs. */
import { runPaths } from '../../../io/runfolder.ts';
import { guardHeaders, Refusal, sendJson } from '../../guard.ts';
import { EventStream } from '../events.ts';
import type { Home } from '../messages.ts';
import type { Asked, Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import { Cards } from './card.ts';
import { curvesOf } from './curves.ts';
import { detailOf } from './detail.ts';
import { readSheet, sheetsOf, usageOf } from './sheets.ts';
import { WatchedRuns } from './watched.ts';
import { type Followed, sendNews } from './watching.ts';

/** Cards that are made at once. */
const AT_ONCE = 16;
/** Points of a curve unless another number is asked for, and the most. */
const POINTS = 1000;
const MOST_POINTS = 20_000;
/** Runs that one page looks at. */
const MOST_FOLLOWED = 12;

export function runsRoutes(studio: Studio): readonly Route[] {
  const { library, onError } = studio;
  const cards = new Cards(library);
  const watched = new WatchedRuns(library);
  return [
    {
      method: 'GET',
      path: '/api/home',
      answer: async (_, response) => sendJson(response, 200, await home(studio, cards)),
    },
    {
      method: 'GET',
      path: '/api/runs/:run',
      answer: async ({ params }, response) => {
        const run = await watched.of(params.run);
        sendJson(response, 200, await detailOf(run, await cards.of(run.place)));
      },
    },
    {
      method: 'GET',
      path: '/api/runs/:run/curves',
      answer: async ({ params, query }, response) => {
        const number = numbersOf(query);
        const points = Math.min(Math.max(number('points') ?? POINTS, 4), MOST_POINTS);
        const { log, config } = await watched.of(params.run);
        const range = { after: number('after'), from: number('from'), to: number('to') };
        sendJson(response, 200, curvesOf(log, config, { points, ...range }));
      },
    },
    {
      method: 'GET',
      path: '/api/runs/:run/sheets',
      answer: async ({ params }, response) => sendJson(response, 200, await sheetsOf(await library.run(params.run))),
    },
    {
      method: 'GET',
      path: '/api/runs/:run/sheets/:kind/:step',
      answer: async ({ params: { run, kind, step } }, response) => {
        const png = await readSheet(library, await library.run(run), { kind, step });
        response.writeHead(200, { ...guardHeaders(), 'Content-Type': 'image/png', 'Content-Length': png.length });
        response.end(png);
      },
    },
    {
      method: 'GET',
      path: '/api/runs/:run/usage',
      answer: async ({ params }, response) => {
        const place = await library.run(params.run);
        sendJson(response, 200, { usage: usageOf(await library.real(place, runPaths(place.folder).codeUsage)) });
      },
    },
    {
      method: 'GET',
      path: '/api/events',
      answer: async ({ query, signal }, response) => {
        const runs = followedOf(query);
        for (const { id } of runs) await watched.of(id); // refused before it is begun
        await sendNews(new EventStream(response, signal), runs, { watched, cards, onError });
      },
    },
  ];
}

async function home({ folder, library, version }: Studio, cards: Cards): Promise<Home> {
  const { runs, datasets, studies, left } = await library.look();
  const made: Home['runs'][number][] = [];
  for (let i = 0; i < runs.length; i += AT_ONCE) {
    made.push(...(await Promise.all(runs.slice(i, i + AT_ONCE).map(place => cards.of(place)))));
  }
  const named = (places: typeof datasets) => places.map(({ id, name, path }) => ({ id, name, path }));
  return { folder, version, runs: made, datasets: named(datasets), studies: named(studies), left };
}

/** Reads numbers of a query. @throws Refusal of what is none */
function numbersOf(query: URLSearchParams): (name: string) => number | undefined {
  return name => {
    const text = query.get(name);
    if (text === null) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw new Refusal(400, `${name}: expected a whole number`);
    return Number(text);
  };
}

/** `runs=ID:EPOCH:END,...`: places in logs that the reader knows; without them from the beginning. */
function followedOf(query: Asked['query']): Followed[] {
  const texts = (query.get('runs') ?? '').split(',').filter(text => text !== '');
  if (texts.length === 0 || texts.length > MOST_FOLLOWED) {
    throw new Refusal(400, `runs: expected 1 to ${MOST_FOLLOWED} runs, got ${texts.length}`);
  }
  return texts.map(text => {
    const [, id, epoch = '-1', end = '0'] = /^([0-9a-f]{12})(?::(\d{1,9}):(\d{1,15}))?$/.exec(text) ?? [];
    if (id === undefined) throw new Refusal(400, 'runs: expected ids of runs');
    return { id, epoch: Number(epoch), end: Number(end) };
  });
}
