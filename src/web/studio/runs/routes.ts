/** @file What the studio answers about runs. */
import { sendJson } from '../../guard.ts';
import type { Home } from '../messages.ts';
import type { Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import { Cards } from './card.ts';

/** Cards that are made at once. */
const AT_ONCE = 16;

export function runsRoutes({ folder, library, version }: Studio): readonly Route[] {
  const cards = new Cards();
  return [
    {
      method: 'GET',
      path: '/api/home',
      answer: async (_, response) => {
        const { runs, datasets, studies, left } = await library.look();
        const made: Home['runs'][number][] = [];
        for (let i = 0; i < runs.length; i += AT_ONCE) {
          made.push(...(await Promise.all(runs.slice(i, i + AT_ONCE).map(place => cards.of(place)))));
        }
        const named = (places: typeof datasets) => places.map(({ id, name }) => ({ id, name }));
        const home: Home = { folder, version, runs: made, datasets: named(datasets), studies: named(studies), left };
        sendJson(response, 200, home);
      },
    },
  ];
}
