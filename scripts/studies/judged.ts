/**
 * @file Whether what a small training has learnt can be seen: the weights of its lowest held-out loss paint the captions that
 * were held out, and a network of `tessera features`, the same for all trainings, judges the pictures by R-precision and by
 * their coverage of the real ones.
 */
import type { Item } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import type { CodePainter } from '../../src/families/transformer/codepainter.ts';
import type { Picture } from '../../src/image/images.ts';
import { type Matrix, matrix } from '../../src/metrics/matrix.ts';
import { prdc } from '../../src/metrics/prdc.ts';
import { rPrecision } from '../../src/metrics/rprecision.ts';
import { openNamedFeatures } from '../../src/runs/open-features.ts';

/** What pictures of the held-out captions are worth. */
export interface Judged {
  /** Share whose own caption is nearer than 99 others. */
  readonly rPrecision: number;
  /** Share of the real held-out pictures that have one of them among their five neighbours. */
  readonly coverage: number;
}

/** Sees by one network, and compares with the same real pictures. */
export interface Judge {
  /** R-precision of the real pictures: about the most that can be hoped for. */
  readonly ceiling: number;
  /** Paints every held-out caption once, as the run's settings have it. */
  look(painter: CodePainter): Promise<Judged>;
}

/** Real items, and how large their pictures are. */
interface Real {
  /** Their first captions are painted. */
  readonly heldOut: readonly Item[];
  /** Their first captions are wrong answers, too. */
  readonly others: readonly Item[];
  readonly size: number;
}

/** @param folder of `tessera features` */
export async function openJudge(folder: string, { heldOut, others, size }: Real): Promise<Judge> {
  const features = await openNamedFeatures(folder);
  const { text } = features;
  if (text === undefined) throw new UserError('--judge', `expected a folder of \`tessera features\`, got ${folder}`);
  const { images, items } = await decodeAll(heldOut, { size });
  const captions = items.map(({ captions: [first] }) => first);
  const all = [...new Set([...captions, ...others.map(({ captions: [first] }) => first)])];
  const pool = { captions: all, features: matrix(await text(all), features.dimension) };
  const rowsOf = async (pictures: readonly Picture[]) => matrix(await features.images(pictures), features.dimension);
  const precision = (rows: Matrix) => {
    const right = rPrecision(rows, captions, pool, { random: new Random(0).fork('judge') });
    return right.reduce((sum, each) => sum + each, 0) / right.length;
  };
  const real = await rowsOf(images.pictures());
  return {
    ceiling: precision(real),
    look: async painter => {
      const rows = await rowsOf(await paintAll(painter, captions));
      return { rPrecision: precision(rows), coverage: prdc(real, rows).coverage };
    },
  };
}

/** A picture of each caption. */
async function paintAll(painter: CodePainter, captions: readonly string[]): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for (let from = 0; from < captions.length; from += painter.batchSize) {
    const orders = captions
      .slice(from, from + painter.batchSize)
      .map((caption, i) => ({ caption, seed: 0, number: from + i }));
    for await (const { pictures: painted } of painter.paintOrders(orders)) pictures.push(...painted); // only finished ones
  }
  return pictures;
}
