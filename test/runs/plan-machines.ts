/** @file Data sets and machines to plan for, of the sizes that people have. */
import { formatWhole } from '../../src/core/numbers.ts';
import { spanInWords } from '../../src/core/times.ts';
import { type Choice, choose, describeShape, minutesFor, sidesOf, type Wish } from '../../src/runs/plan/choose.ts';
import { type Costs, type Machine, predictCosts, type Sides } from '../../src/runs/plan/costs.ts';
import { type Fitted, fitSteps } from '../../src/runs/plan/fit.ts';
import type { Survey } from '../../src/runs/plan/survey.ts';

const GiB = 2 ** 30;

/** Speeds of training steps as they were measured, or a multiple by the cores. */
export const machines = {
  '2 cores': { backend: 'native', cores: 2, memory: 8 * GiB, flopsPerSecond: 4e11 },
  '16 cores': { backend: 'native', cores: 16, memory: 64 * GiB, flopsPerSecond: 2.5e12 },
  GPU: { backend: 'webgpu', cores: 16, memory: 64 * GiB, flopsPerSecond: 3e13 },
} as const satisfies Record<string, Machine>;

/** So many drawings with short captions. */
export function drawings(pictures: number, more: Partial<Survey> = {}): Survey {
  return {
    pictures,
    side: 256,
    longest: 256,
    kind: 'drawings',
    whiteGround: true,
    variety: 0.2,
    captions: { distinct: pictures, sampled: pictures, bytes: 30, ids: 9 },
    decodeSeconds: 0.003,
    ...more,
  };
}

/** What would be planned, by counted operations alone. */
export function planFor(survey: Survey, machine: Machine, wish: Partial<Wish> = {}): Choice & Fitted & Given {
  const { family = 'transformer', fields = {}, minutes: asked } = wish;
  const choice = choose(survey, machine, { family, fields, minutes: asked });
  const { config, useful, smallest } = choice;
  const sides = sidesOf(survey, config);
  const costs = predictCosts(config, machine, { survey, sides });
  const minutes = asked ?? minutesFor(config, { costs, sides, survey, useful, smallest });
  const fitted = fitSteps(config, { costs, sides, seconds: 60 * minutes, fixed: new Set() });
  return { ...choice, ...fitted, costs, sides, minutes };
}

interface Given {
  readonly costs: Costs;
  readonly sides: Sides;
  readonly minutes: number;
}

/** The table of docs/training.md: what is planned for drawings where nothing is asked for. */
export function planTable(): string[] {
  const rows = [50, 500, 5000, 500_000].flatMap(pictures =>
    Object.entries(machines).map(([name, machine]) => {
      const { config, minutes, firstSamples, sides } = planFor(drawings(pictures), machine);
      const { steps, batchSize } = config.train;
      const cells = [
        formatWhole(pictures),
        name,
        describeShape(config).replaceAll(' pixels', '').replaceAll(' codes', ''),
        formatWhole(config.patchTrain.steps),
        formatWhole(steps),
        String(Number(((steps * batchSize) / sides.training).toPrecision(2))),
        spanInWords(60 * minutes),
        spanInWords(firstSamples),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  );
  const head = [
    'pictures',
    'machine',
    'pixels as codes',
    'steps: patch tokenizer',
    'transformer',
    'passes',
    'time',
    'first samples',
  ];
  return [`| ${head.join(' | ')} |`, '|---|---|---|---|---|---|---|---|', ...rows];
}
