/**
 * @file A made-up comparison with everything in it, the same on every call: what logs of four families look like, in the
 * form that training and evaluation write them, and pictures to go with them.
 */
import sharp from 'sharp';
import { presets } from '../../src/config/presets.ts';
import type { RunConfig } from '../../src/config/run.ts';
import { mergeConfig } from '../../src/config/schema.ts';
import { Random } from '../../src/core/random.ts';
import { checkConfig, runSchema } from '../../src/families/config.ts';
import { familyOf } from '../../src/families/families.ts';
import { conclude } from '../../src/report/conclusions.ts';
import type { Embedded, NearestTraining, Report, RunReport } from '../../src/report/contents.ts';
import { aidsOf, groupNames } from '../../src/report/groups.ts';
import { readHistory } from '../../src/report/history.ts';
import { progressOf, verdictOf } from '../../src/report/verdicts.ts';

/** A config of a family, as `tessera train` would resolve it. */
export function configOf(family: string, given: Readonly<Record<string, unknown>> = {}): RunConfig {
  const base = mergeConfig(presets.tiny, familyOf(family).defaults);
  return checkConfig(runSchema().parse({ ...mergeConfig(base, given), family }));
}

/** How a made-up run went. */
export interface Course {
  readonly name: string;
  readonly family: FamilyName;
  readonly seed?: number;
  readonly steps?: number;
  /** Final KID and coverage. */
  readonly kid?: number;
  readonly coverage?: number;
  /** Step from which its samples are gone. */
  readonly collapses?: number;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly psnr?: boolean;
}

const EVERY = 250;

/** The families that made-up runs are of. */
type FamilyName = 'transformer' | 'dcgan' | 'r3gan' | 'diffusion';

/** metrics.jsonl of a made-up run. */
export function recordsOf(course: Course): object[] {
  const {
    name,
    family,
    seed = 0,
    steps = 5000,
    kid = 0.01,
    coverage = 0.7,
    collapses = Number.POSITIVE_INFINITY,
  } = course;
  const random = new Random(seed).fork(name);
  const noise = (deviation: number) => random.normals(1, deviation)[0];
  const records: object[] = [];
  const prepare = family === 'transformer' ? 'patch' : 'text';
  for (let step = 10; step <= 1000; step += 10) {
    const loss = 0.1 + Math.exp(-step / 200) + noise(0.01);
    records.push({ stage: prepare, step, loss, lr: 1e-3, images: step * 16, seconds: step * 0.1, flops: step * 3e9 });
  }
  const stage = family;
  const perStep = { transformer: 1.4e11, dcgan: 6e10, r3gan: 1.8e11, diffusion: 1.5e11 }[family];
  for (let step = 10; step <= steps; step += 10) {
    const spent = { images: step * 32, seconds: (step / steps) * 1000, flops: step * perStep, lr: 1e-3 };
    const fall = Math.exp(-step / 500);
    const gone = step >= collapses;
    if (stage === 'dcgan' || stage === 'r3gan') {
      const D_loss = 1.39 - 0.5 * (1 - fall) - (gone ? 0.6 : 0) + noise(0.06);
      const G_loss = 0.69 + 1.4 * (1 - fall) + (gone ? 2.5 : 0) + noise(0.12);
      records.push({ stage, step, D_loss, G_loss, ...spent });
    } else if (stage === 'transformer') {
      const image = 0.4 + 7.6 * fall + noise(0.05);
      records.push({ stage, step, loss: image + 0.1, image, caption: 1.5, ...spent });
    } else records.push({ stage, step, loss: 0.12 + 0.8 * fall + noise(0.01), ...spent });
    if (step % EVERY !== 0) continue;
    const over = Math.max(0, step - steps / 2) / steps;
    if (stage === 'transformer')
      records.push({ stage, step, val_loss: 4 + 4 * fall + over, val_image: 4 + 4 * fall + over });
    if (stage === 'diffusion') records.push({ stage, step, val_loss: 0.14 + 0.7 * fall });
    records.push({
      stage,
      step,
      check_kid: gone ? 0.2 + Math.abs(noise(0.02)) : kid + 0.25 * Math.exp(-step / 700) + Math.abs(noise(0.003)),
      check_coverage: gone ? 0.03 : coverage * (1 - Math.exp(-step / 900)) + noise(0.015),
      check_spread: gone ? 0.1 : 0.9,
    });
    if (step === collapses + 2 * EVERY) records.push({ stage, step, collapsed: 'coverage' });
  }
  const result = (
    metric: string,
    row: string,
    value: number,
    half: number,
    features: string | null = 'random-conv',
  ) => ({
    stage: 'eval',
    run: name,
    step: steps,
    weights: 'ema',
    metric,
    row,
    features,
    n: 1000,
    reference: 500,
    seed: 0,
    value,
    low: value - half,
    high: value + half,
  });
  const last = collapses < steps ? { kid: 0.21, coverage: 0.03 } : { kid, coverage };
  records.push(result('kid', 'samples', last.kid, 0.0015), result('kid', 'floor', 0.0002, 0.0008));
  records.push(result('coverage', 'samples', last.coverage, 0.03), result('coverage', 'floor', 0.951, 0.01));
  records.push(result('recall', 'samples', last.coverage * 0.8, 0.03), result('precision', 'samples', 0.83, 0.03));
  records.push(result('fd', 'samples', last.kid * 900, 1.2), result('fd', 'floor', 2.1, 0.2));
  records.push(result('r-precision', 'samples', 0.2 + last.coverage / 3, 0.03, 'contrastive:features/judge@1a2b3c4d'));
  if (family === 'transformer') {
    records.push(result('kid', 'reconstruction', 0.0031, 0.0009), result('coverage', 'reconstruction', 0.9, 0.015));
    records.push(result('nll', 'samples', 4.61, 0.05, null));
  } else {
    const details = { reason: stage === 'diffusion' ? 'only a bound exists' : 'a GAN has no likelihood' };
    records.push({ ...result('nll', 'samples', 0, 0, null), value: null, low: null, high: null, n: 0, details });
  }
  return records;
}

/** A picture of a shape, embedded. */
async function picture(shape: number, colour: string, size = 64, opacity = 1): Promise<Embedded> {
  const shapes = [
    '<circle cx="32" cy="32" r="22"/>',
    '<rect x="12" y="12" width="40" height="40" rx="4"/>',
    '<path d="M32 8 58 54H6Z"/>',
    '<path d="M32 6l7 18 19 1-15 12 5 19-16-11-16 11 5-19L6 25l19-1z"/>',
  ];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 64 64"><rect width="64" height="64" fill="#fff"/><g fill="${colour}" opacity="${opacity}">${shapes[shape % shapes.length]}</g></svg>`;
  const png = await sharp(Buffer.from(svg)).png().toBuffer();
  return { uri: `data:image/png;base64,${png.toString('base64')}`, width: size, height: size };
}

/** Reports of made-up runs, without pictures. */
export function runsOf(courses: readonly Course[]): RunReport[] {
  const configs = courses.map(({ family, seed = 0, steps = 5000, config = {} }) =>
    configOf(family, mergeConfig({ seed, train: { steps } }, config)),
  );
  const groups = groupNames(configs);
  return courses.map((course, i) => {
    const config = configs[i];
    const { family } = course;
    const history = readHistory(recordsOf(course), config, { weights: 'ema' });
    const { stages, checks, metrics } = history;
    return {
      run: `runs/${course.name}`,
      name: course.name,
      family,
      group: groups[i],
      seed: config.seed,
      learningRate: config.train.lr,
      weights: 'ema',
      step: stages.at(-1)?.steps ?? 0,
      steps: config.train.steps,
      aids: aidsOf(config),
      parameters: { transformer: 8.3e6, dcgan: 7.9e6, r3gan: 8.1e6, diffusion: 8.6e6 }[family],
      trainingOnly: { transformer: 2e5, dcgan: 8e6, r3gan: 8e6, diffusion: 6e5 }[family],
      stages,
      checks,
      verdict: verdictOf(history, config),
      progress: progressOf(stages, checks),
      metrics,
      sampling: {
        passes: { transformer: 64, dcgan: 1, r3gan: 1, diffusion: 35 }[family],
        msPerImage: { transformer: 21.3, dcgan: 1.74, r3gan: 2.61, diffusion: 148 }[family],
        images: 128,
      },
      nearest: null,
    };
  });
}

export const captions = [
  'red apple',
  'a blue heart on a white ground',
  '<b>&"bold"</b> \'quoted\'',
  'green square beneath a small orange triangle',
  'étoile ★ 星',
  'yellow circle',
];

/** A whole report; every run has pictures. */
export async function reportOf(courses: readonly Course[]): Promise<Report> {
  const colours = ['#d33', '#36c', '#2a8', '#e90', '#93c', '#c9b200'];
  const real = await Promise.all(captions.map((_, i) => picture(i, colours[i])));
  const blurred = await Promise.all(captions.map((_, i) => picture(i, colours[i], 64, 0.8)));
  const runs = await Promise.all(
    runsOf(courses).map(async (run, r): Promise<RunReport> => {
      const random = new Random(r).fork('nearest');
      const ratios = Array.from({ length: 128 }, () => Math.abs(1 - 0.2 * (r % 3) + random.normals(1, 0.25)[0]));
      const closest = await Promise.all(
        Array.from(
          { length: 16 },
          async (_, i): Promise<NearestTraining['closest'][number]> => ({
            caption: captions[i % captions.length],
            trained: 'red ball',
            distance: 0.03 + 0.004 * i,
            sample: await picture(i, colours[i % 6]),
            image: await picture(i + 1, colours[i % 6]),
          }),
        ),
      );
      const nearest = {
        samples: 128,
        heldOut: 100,
        training: 3500,
        sampleMedian: 0.11,
        heldOutMedian: 0.12,
        ratio: 1 - 0.2 * (r % 3),
        authentic: 0.82,
        sampleRatios: ratios,
        heldOutRatios: Array.from({ length: 100 }, () => Math.abs(1 + random.normals(1, 0.3)[0])),
        closest,
      };
      return { ...run, nearest };
    }),
  );
  const painted = await Promise.all(
    runs.map(async ({ name, verdict }, r) => ({
      run: name,
      images: await Promise.all(
        captions.map((_, i) =>
          Promise.all(
            [0, 1].map(n =>
              picture(
                verdict.kind === 'stable' ? i + (n === 1 && r > 1 ? 1 : 0) : 2,
                colours[(i + (r > 2 ? n : 0)) % 6],
              ),
            ),
          ),
        ),
      ),
    })),
  );
  return {
    format: 'tessera-comparison-1',
    made: '2026-11-23T04:00:00.000Z',
    command: `tessera compare ${runs.map(({ run }) => run).join(' ')} --data datasets/emoji --out comparison.html`,
    backend: 'native (avx2)',
    data: 'datasets/emoji',
    imageSize: 64,
    seed: 0,
    runs,
    grid: { captions, heldOut: true, real, reconstructions: [{ run: runs[0].name, images: blurred }], painted },
    findings: conclude(runs),
  };
}

/** One of each family. */
export const four: readonly Course[] = [
  { name: 'tokens', family: 'transformer', kid: 0.0121, coverage: 0.71 },
  { name: 'dcgan', family: 'dcgan', collapses: 3000, kid: 0.03 },
  { name: 'r3gan', family: 'r3gan', kid: 0.0181, coverage: 0.64 },
  { name: 'diffusion', family: 'diffusion', kid: 0.0107, coverage: 0.76 },
];
