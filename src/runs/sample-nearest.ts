/** @file What samples may have been copied from: the images of the data that are nearest to them, loaded for who asks. */
import type { Split } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { openDataset } from '../../data/open.ts';
import { UserError } from '../core/errors.ts';
import type { Painter } from '../families/painter.ts';
import type { Picture } from '../image/images.ts';
import { NEAREST_SIDE, NearestImages } from '../image/nearest.ts';
import type { Cell } from '../image/sheet.ts';
import { divideAsTrained } from './known-sides.ts';
import { itemsOfSides, sideNames } from './run-images.ts';
import type { Session } from './session.ts';

/** An image of the data, and how far it is from a picture (see `Nearest`). */
export interface Neighbour {
  readonly picture: Picture;
  /** The first. */
  readonly caption: string;
  readonly distance: number;
}

/** Images of the data, to show beside each sample the one that it is nearest to. */
export interface Neighbours {
  /** What they are called before a noun, e.g. `training`. */
  readonly whose: string;
  /** Images that are looked through. */
  readonly count: number;
  /** The image that a picture of any size is nearest to, as small as it was compared. */
  nearestTo(picture: Picture): Neighbour;
  /** Each sample, followed by the image that it is nearest to. */
  cellsOf(samples: readonly { readonly picture: Picture; readonly label?: string }[]): Cell[];
}

/**
 * Reads every image of some sides of the data, small.
 * @throws UserError if there is none on these sides, or none can be decoded
 */
export async function readNeighbours(
  session: Session,
  { data, split }: { readonly data: string; readonly split: readonly Split[] },
  { run, config }: Pick<Painter, 'run' | 'config'>,
): Promise<Neighbours> {
  const dataset = await openDataset(data, { check: false, signal: session.signal });
  const division = await divideAsTrained(session, dataset, { run, images: config.images });
  const chosen = itemsOfSides(division, split, 'sample');
  const size = Math.min(NEAREST_SIDE, config.images.imageSize);
  const whose = sideNames(split);
  session.reporter.stage(`${whose} images`, { unit: 'images' });
  const { images, items } = await decodeAll(chosen, {
    signal: session.signal,
    size,
    onProgress: (step, total) => session.reporter.update({ step, total, amount: step }),
  });
  session.reporter.done();
  if (items.length === 0) throw new UserError('sample', `${data}: none of ${chosen.length} images can be decoded`);
  const index = new NearestImages(images);
  const nearestTo = (picture: Picture): Neighbour => {
    const { index: at, distance } = index.find(picture);
    return { picture: index.reference(at), caption: items[at].captions[0], distance };
  };
  const cellsOf: Neighbours['cellsOf'] = samples =>
    samples.flatMap(({ picture, label: own = 'sample' }) => {
      const { picture: near, caption, distance } = nearestTo(picture);
      return [
        { picture, label: own },
        { picture: near, label: `${caption} (${distance.toFixed(3)})` },
      ];
    });
  return { whose, count: items.length, nearestTo, cellsOf };
}
