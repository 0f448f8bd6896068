/** @file How rows are measured by any metric: what it needs, what is said where that is missing, and what it may give. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { Painter } from '../../src/families/painter.ts';
import { PixelFeatures } from '../../src/features/pixel-grid.ts';
import { Images, type Picture } from '../../src/image/images.ts';
import { NearestImages } from '../../src/image/nearest.ts';
import '../../src/metrics/builtin.ts';
import { type Captioned, type Evidence, findMetrics, type MetricDefinition } from '../../src/metrics/define.ts';
import { othersCaptions } from '../../src/runs/evaluation/gather.ts';
import { type Material, measureAll, type Result } from '../../src/runs/evaluation/measure.ts';
import type { Session } from '../../src/runs/session.ts';

function noise(seed: number): Picture {
  const random = new Random(seed);
  return { width: 8, height: 8, data: Uint8Array.from({ length: 8 * 8 * 3 }, () => random.integer(256)) };
}

const captioned = (count: number, seed: number): Captioned => ({
  pictures: Array.from({ length: count }, (_, i) => noise(seed + i)),
  captions: Array.from({ length: count }, (_, i) => `caption ${i}`),
});
const [samples, heldOut, reference] = [captioned(6, 0), captioned(5, 100), captioned(9, 200)];

const real: Material['real'] = {
  sides: ['validation'],
  measured: heldOut,
  heldOut,
  whyNone: undefined,
  reference,
  train: new NearestImages(Images.of(reference.pictures)),
};

/** Measures by one metric, of a model without a tokenizer. */
function measure<Need extends keyof Evidence>(
  metric: Omit<MetricDefinition<Need>, 'name'>,
  change: Partial<Material> = {},
): Promise<Result[]> {
  const nothing = () => {};
  const shows = { stage: nothing, update: nothing, done: nothing, skip: nothing, message: nothing, pictures: nothing };
  const session: Session = {
    reporter: { ...shows, timings: {} },
    print: nothing,
    now: () => 0,
    signal: new AbortController().signal,
    cacheDir: '',
  };
  return measureAll(session, {
    metrics: [{ name: 'mine', ...metric } as unknown as MetricDefinition],
    rows: new Map([
      ['samples', samples],
      ['floor', heldOut],
      ['reconstruction', undefined],
    ]),
    real,
    painter: { family: 'dcgan' } as Partial<Painter> as Painter,
    extractors: [new PixelFeatures()],
    seed: 3,
    ...change,
  });
}

const gives = [{ name: 'mine', better: null }] as const;
const one = (value: number, n = 0) => [{ metric: 'mine', value, interval: null, n, reference: 0 }];
const shown = (results: readonly Result[]) => results.map(({ row, value, details }) => [row, value ?? details?.reason]);

describe('rows', () => {
  test('that the model does not have are left out', async () => {
    const results = await measure({
      gives,
      needs: ['pictures'],
      measure: ({ pictures }) => one(pictures.pictures.length),
    });
    expect(shown(results)).toEqual([
      ['samples', 6],
      ['floor', 5],
    ]);
  });

  test('of which a metric has only one that is not there: it says why', async () => {
    const results = await measure({ gives, needs: ['pictures'], rows: ['reconstruction'], measure: () => one(1) });
    expect(shown(results)).toEqual([['reconstruction', 'dcgan has no tokenizer']]);
  });

  test('need as many pictures, and real ones to compare with, as the metric says', async () => {
    const few = await measure({ gives, needs: ['pictures'], least: 6, measure: () => one(1) });
    expect(shown(few)).toEqual([
      ['samples', 1],
      ['floor', 'needs 6 images, there are 5'],
    ]);
    const both = await measure({ gives, needs: ['features'], least: 2, leastReal: 10, measure: () => one(1) });
    expect(shown(both)).toEqual([
      ['samples', 'needs 10 real images on both sides, there are 6'],
      ['floor', 'needs 10 real images on both sides, there are 5'],
    ]);
  });
});

describe('evidence', () => {
  test('is features of the row beside real ones, blurred where a metric asks for it', async () => {
    const results = await measure({
      gives,
      needs: ['features', 'blurredFeatures'],
      rows: ['samples'],
      measure: ({ features, blurredFeatures }) => {
        expect([...blurredFeatures.keys()]).toEqual([1, 2, 4, 8]);
        expect(blurredFeatures.get(8)?.row.data).not.toEqual(features.row.data);
        return one(features.real.rows, features.row.rows);
      },
    });
    expect(results).toEqual([
      { metric: 'mine', value: 9, low: null, high: null, n: 6, reference: 0, row: 'samples', features: 'pixels-8' },
    ]);
  });

  test.each([
    ['texts', 'these features know no captions'],
    ['likelihood', /likelihood/],
  ] as const)('that is not there (%s) is named', async (need, reason) => {
    const [{ value, details }] = await measure({ gives, needs: [need], rows: ['samples'], measure: () => one(1) });
    expect(value).toBeNull();
    expect(details?.reason).toMatch(reason);
  });

  test('of a likelihood is read once, for metrics of features as for others', async () => {
    let reads = 0;
    const likelihood = {
      codes: 4,
      measureNats: async () => {
        reads++;
        return 2;
      },
    };
    const painter = { family: 'transformer', imageSize: 8, likelihood } as Partial<Painter> as Painter;
    const metric = (needs: readonly ('likelihood' | 'features')[]) => ({
      name: needs.join('-'),
      gives,
      needs,
      rows: ['samples'] as const,
      measure: ({ likelihood: { nats } }: Pick<Evidence, 'likelihood'>) => one(nats.length),
    });
    const metrics = [metric(['likelihood', 'features']), metric(['likelihood'])] as unknown as MetricDefinition[];
    const results = await measure({ gives, needs: ['likelihood'], measure: () => one(1) }, { painter, metrics });
    expect(results.map(({ value, features }) => [value, features])).toEqual([
      [5, 'pixels-8'],
      [5, null],
    ]);
    expect(reads).toBe(5);
  });

  test('that is there may still be refused', async () => {
    const results = await measure({
      gives,
      needs: ['training'],
      rows: ['samples'],
      refuse: ({ training }) => (training.count < 10 ? `there are ${training.count}` : undefined),
      measure: () => one(1),
    });
    expect(shown(results)).toEqual([['samples', 'there are 9']]);
  });
});

describe('numbers', () => {
  test('depend on the seed and the row alone, and may come later', async () => {
    const drawn = {
      gives,
      needs: ['pictures'] as const,
      measure: async (_: unknown, random: Random) => one(random.uniform()),
    };
    const values = (await measure(drawn)).map(({ value }) => value);
    expect(new Set(values).size).toBe(2);
    expect((await measure(drawn)).map(({ value }) => value)).toEqual(values);
    expect((await measure(drawn, { seed: 4 })).map(({ value }) => value)).not.toEqual(values);
  });

  test('that JSON cannot hold are said, not turned into null in silence', async () => {
    const results = await measure({ gives, needs: ['pictures'], rows: ['samples'], measure: () => one(Number.NaN) });
    expect(shown(results)).toEqual([['samples', 'it is NaN']]);
  });

  test('that a metric has not named are a mistake in it', async () => {
    const wrong = measure({ gives: [{ name: 'other', better: null }], needs: ['pictures'], measure: () => one(1) });
    await expect(wrong).rejects.toThrow('metric mine: measured mine, which is not among what it gives');
  });
});

describe('caption gain', () => {
  const metric = findMetrics(['caption-gain'], 'test')[0];
  /** Knows the captions of its pictures: a nat a code more under any other one, two under the last one. */
  const knowing = (captions: readonly string[]): Partial<Painter> => ({
    family: 'transformer',
    likelihood: {
      codes: 4,
      measureNats: async (pictures, given) => {
        const own = pictures.map(picture => captions[heldOut.pictures.indexOf(picture)]);
        const nats = given.map((text, i) => 3 + (text === own[i] ? 0 : text === captions[captions.length - 1] ? 2 : 1));
        return nats.reduce((sum, each) => sum + each, 0) / nats.length;
      },
    },
  });
  const gainOf = (painter: Partial<Painter>, captions: readonly string[]) =>
    measure(metric as MetricDefinition, {
      painter: painter as Painter,
      real: { ...real, heldOut: { ...heldOut, captions } },
    });

  test('is what the own caption saves, over all codes of an image', async () => {
    const captions = heldOut.captions;
    const [{ value, n, low, high }] = await gainOf(knowing(captions), captions);
    expect([value, n]).toEqual([(4 * (1 + 1 + 1 + 1 + 2)) / 5, 5]); // each other caption once
    expect(low).toBeLessThan(value as number);
    expect(high).toBeGreaterThan(value as number);
  });

  test('compares with captions that are another text', () => {
    expect(othersCaptions(['a', 'b', 'c', 'd'])).toEqual(['c', 'd', 'a', 'b']);
    expect(othersCaptions(['a', 'a', 'a', 'b'])).toEqual(['b', 'b', 'b', 'a']);
    expect(othersCaptions(['a', 'a'])).toBe(undefined);
  });

  test('says why there is none', async () => {
    expect(shown(await gainOf({ family: 'dcgan' }, heldOut.captions))[0][1]).toMatch(/likelihood/);
    const alike = heldOut.captions.map(() => 'one');
    expect(shown(await gainOf(knowing(alike), alike))).toEqual([['samples', 'all images have one caption']]);
  });
});
