/** @file The nearest images of a data set, in a painting child: the data is read once, small, and kept for the next picture. */
import { encodePng } from '../../../image/png.ts';
import { type Neighbours, readNeighbours } from '../../../runs/sample-nearest.ts';
import type { Reporter, Session } from '../../../runs/session.ts';
import type { NearestRequest, Results } from './child-messages.ts';
import type { Doing, Opened } from './paint-work.ts';

/** The images of one data set at a time. */
export class NearestWork {
  private read: { readonly of: string; readonly neighbours: Neighbours } | undefined;

  async find({ painter }: Opened, request: NearestRequest, doing: Doing): Promise<Results['nearest']> {
    const { data, split, picture } = request;
    const of = JSON.stringify([data, split]);
    if (this.read?.of !== of) {
      this.read = undefined; // before the next is read: both may not fit
      this.read = { of, neighbours: await readNeighbours(sessionOf(doing), { data, split }, painter) };
    }
    const { neighbours } = this.read;
    const { picture: near, caption, distance } = neighbours.nearestTo(picture);
    return { png: await encodePng(near), caption, distance, of: neighbours.count };
  }
}

/** Tells how far reading is. */
function sessionOf({ tell, signal }: Doing): Session {
  const reporter: Reporter = {
    ...{ stage: () => {}, done: () => {}, skip: () => {}, pictures: () => {}, timings: {} },
    update: ({ step, total = step }) => tell({ kind: 'progress', painted: step, of: total }),
    message: text => tell({ kind: 'warning', line: typeof text === 'string' ? text : text.join('\n') }),
  };
  return { reporter, signal, print: () => {}, now: () => 0, cacheDir: '' };
}
