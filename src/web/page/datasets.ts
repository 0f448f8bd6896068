/** @file The data sets that the studio knows. */
import type { Home } from '../studio/messages.ts';
import { call } from './api.ts';
import { command, element, fill } from './dom.ts';
import type { Page } from './page.ts';

export const datasetsPage: Page = {
  open: async (main, _, { signal, setTitle }) => {
    setTitle('Data');
    const { datasets, folder } = await call<Home>('/api/home', { signal });
    fill(
      main,
      element('h1', {}, 'Data'),
      datasets.length === 0
        ? [
            element('p', {}, `No data set was found in ${folder}, and none was named. Give the studio one:`),
            command('tessera studio --data photos'),
            element('p', {}, 'or draw one to try things with:'),
            command('tessera data shapes --out datasets/shapes'),
          ]
        : [
            element('p', { class: 'lead' }, 'Captioned pictures that a run can be trained on.'),
            element(
              'ul',
              { class: 'data-list' },
              datasets.map(({ id, name }) => element('li', {}, element('a', { href: `#/data/${id}` }, name))),
            ),
          ],
    );
    return undefined;
  },
};
