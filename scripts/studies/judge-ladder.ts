/**
 * @file `npm run judge-ladder`: whether a network that judges pictures can see. The same held-out drawings are made worse in steps that
 * people put in one order (reconstructions, blur, patches exchanged, another style, noise), and the distance of each rung from other
 * drawings of the training side should grow in it.
 */
import { z } from 'zod';
import type { Item } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { openDataset } from '../../data/open.ts';
import { runProgram } from '../../src/cli.ts';
import { imagesSchema } from '../../src/config/run.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { blur } from '../../src/features/blur.ts';
import type { FeatureExtractor } from '../../src/features/extractor.ts';
import type { Picture } from '../../src/image/images.ts';
import { frechetDistance } from '../../src/metrics/frechet.ts';
import { mean, subsampling } from '../../src/metrics/intervals.ts';
import { kernelDistanceInterval } from '../../src/metrics/kid.ts';
import { type Matrix, matrix, takeRows } from '../../src/metrics/matrix.ts';
import { psnr } from '../../src/metrics/similarity.ts';
import { openNamedFeatures } from '../../src/runs/open-features.ts';
import { openPatchTokenizer } from '../../src/runs/open-tokenizers.ts';
import { divideData } from '../../src/runs/run-images.ts';
import { downloads, type Session, startEngine } from '../../src/runs/session.ts';
import { reconstructPictures } from '../../tokenizer/codec.ts';

/** Pixels along a side of the patches that are exchanged, and the share of them. */
const PATCH = 16;
const EXCHANGED = 0.2;
const BLUR = 2;
/** Halves that an interval of a Fréchet distance comes from: each is a decomposition. */
const HALVES = 20;

const flags = z.object({
  data: z.string().describe('drawings in several styles, of `tessera data emoji`').meta({ title: 'folder' }),
  features: z.array(z.string()).min(1).default(['random']).describe('the judges, as `eval --features` takes them'),
  tokenizers: z
    .array(z.string())
    .default([])
    .describe('runs whose patch tokenizers reconstruct, the best first; of pictures of one size')
    .meta({ title: 'folder,...' }),
  style: z.string().default('noto/').describe('how the ids of the drawings begin'),
  other: z.string().default('twemoji/').describe('how those of the other style begin'),
  size: z.number().int().positive().default(128).describe('pixels along a side'),
  pictures: z.number().int().min(4).default(199).describe('held-out drawings, at most'),
  reference: z
    .number()
    .int()
    .min(4)
    .default(300)
    .describe('drawings of the training side that rungs are compared with'),
});

interface Rung {
  readonly name: string;
  readonly pictures: readonly Picture[];
}

async function rungsOf(session: Session, values: z.output<typeof flags>) {
  const { data, style, other, size, tokenizers } = values;
  const { items } = await openDataset(data, { check: false, signal: session.signal });
  const { training, heldOut } = divideData({ items }, imagesSchema.parse({}));
  const read = async (side: readonly Item[], prefix: string, count: number) => {
    const own = side.filter(({ id }) => id.startsWith(prefix));
    if (own.length < 4)
      throw new UserError(
        'judge-ladder',
        `expected 4 drawings or more whose ids begin with ${prefix}, got ${own.length}`,
      );
    const order = new Random(0).fork(`ladder/${prefix}`).permutation(own.length);
    const chosen = Array.from(order.subarray(0, count), i => own[i]);
    return (await decodeAll(chosen, { size, signal: session.signal })).images.pictures();
  };
  const real = await read(heldOut, style, values.pictures);
  const rungs: Rung[] = [{ name: 'held-out drawings', pictures: real }];
  for (const run of tokenizers) {
    const patch = await openPatchTokenizer(run, { where: 'judge-ladder', start: async () => undefined });
    const pictures = await reconstructPictures(patch, real);
    rungs.push({
      name: `through ${run} (${mean(real.map((picture, i) => psnr(picture, pictures[i]))).toFixed(1)} dB)`,
      pictures,
    });
    patch.dispose();
  }
  const random = new Random(0).fork('ladder');
  rungs.push(
    { name: `blurred, sigma ${BLUR}`, pictures: real.map(picture => blur(picture, BLUR)) },
    { name: 'a fifth of the patches exchanged', pictures: exchanged(real, random.fork('patches')) },
    { name: `another style, ${other}`, pictures: await read(heldOut, other, real.length) },
    { name: 'noise', pictures: real.map((_, i) => noise(size, random.fork('noise', i))) },
  );
  return { rungs, reference: await read(training, style, values.reference) };
}

/** Each picture with some patches of the one after it in their place. */
function exchanged(pictures: readonly Picture[], random: Random): Picture[] {
  return pictures.map(({ width, height, data }, i) => {
    const other = pictures[(i + 1) % pictures.length].data;
    const mixed = data.slice();
    for (let top = 0; top < height; top += PATCH) {
      for (let left = 0; left < width; left += PATCH) {
        if (random.uniform() >= EXCHANGED) continue;
        const wide = 3 * Math.min(PATCH, width - left);
        for (let y = top; y < Math.min(height, top + PATCH); y++) {
          const at = 3 * (y * width + left);
          mixed.set(other.subarray(at, at + wide), at);
        }
      }
    }
    return { width, height, data: mixed };
  });
}

function noise(size: number, random: Random): Picture {
  return { width: size, height: size, data: Uint8Array.from({ length: 3 * size * size }, () => random.integer(256)) };
}

/** The distances of a rung through one judge, in words. */
function distances(rung: Matrix, reference: Matrix): string[] {
  const random = new Random(0).fork('intervals');
  const kid = kernelDistanceInterval(rung, reference, { random });
  const fd = frechetDistance(rung, reference);
  const ofHalves = (i: Uint32Array, j: Uint32Array) => frechetDistance(takeRows(rung, i), takeRows(reference, j));
  const [low, high] = subsampling(fd, [rung.rows, reference.rows], ofHalves, { random, resamples: HALVES });
  const said = (value: number, [from, to]: readonly number[], scale: number) =>
    `${(scale * value).toFixed(2)} [${(scale * from).toFixed(2)}, ${(scale * to).toFixed(2)}]`;
  return [said(kid.value, kid.interval, 1000), said(fd, [Math.max(0, low), high], 1)];
}

async function ladder(session: Session, values: z.output<typeof flags>): Promise<void> {
  await startEngine(session, { backend: 'auto', precision: 'auto' });
  const { rungs, reference } = await rungsOf(session, values);
  for (const name of values.features) {
    const judge = await openNamedFeatures(name, downloads(session));
    session.print(
      `| ${judge.name}, ${rungs[0].pictures.length} pictures against ${reference.length} | KID x 1,000 | Fréchet distance |`,
    );
    session.print('|---|---|---|');
    const rowsOf = (pictures: readonly Picture[]) => seen(session, judge, pictures);
    const known = await rowsOf(reference);
    for (const { name: rung, pictures } of rungs) {
      session.print(`| ${rung} | ${distances(await rowsOf(pictures), known).join(' | ')} |`);
    }
    session.print('');
    await judge.dispose();
  }
}

/** Rows of all pictures, a few at a time so that it can be stopped. */
async function seen(session: Session, judge: FeatureExtractor, pictures: readonly Picture[]): Promise<Matrix> {
  const rows = new Float64Array(pictures.length * judge.dimension);
  for (let from = 0; from < pictures.length; from += 16) {
    session.signal?.throwIfAborted();
    rows.set(await judge.images(pictures.slice(from, from + 16)), from * judge.dimension);
  }
  return matrix(rows, judge.dimension);
}

await runProgram(
  {
    name: 'judge-ladder',
    summary: 'see whether the distances of a judge grow as pictures become worse',
    examples: ['npm run judge-ladder -- --data datasets/emoji --features inception,random --tokenizers models/emoji'],
    flags: () => flags,
    run: (session, { values }) => ladder(session, values),
  },
  process.argv.slice(2),
);
