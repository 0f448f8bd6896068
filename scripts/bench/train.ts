/** @file `npm run bench -- train`: training steps of the transformer, at one shape or at several lengths. */
import { textTable } from '../../src/cli/terminal/tables.ts';
import type { Session } from '../../src/runs/session.ts';
import { type BenchFlags, oneBatch, type Shape, shapeOf, splitLength } from './flags.ts';
import { change, describeMachine, describePeak, describeRounds, fixed, percent } from './report.ts';
import { type Case, type Comparison, compare, type Row, ratiosOf } from './rounds.ts';

export async function benchTrain(session: Session, flags: BenchFlags): Promise<void> {
  const { lengths, steps = 5 } = flags;
  const batch = oneBatch('train', flags, 4);
  const shape = shapeOf(flags);
  const shapes = lengths === undefined ? [shape] : lengths.map(T => ({ ...shape, ...splitLength(T) }));
  const cases = shapes.map(
    (each): Case => ({
      name: lengths === undefined ? '' : `T ${lengthOf(each)}`,
      workload: { job: 'train', shape: each, batch, steps },
    }),
  );
  const comparison = await compare(session, 'train', { cases, flags });
  const { rows, peak } = comparison;
  const ratios = trainRatios(cases, rows);
  const machine = describeMachine();
  if (flags.json) {
    const table = lengths === undefined ? rows : withDeviations(rows);
    session.print(
      JSON.stringify({ mode: 'train', machine, rounds: flags.rounds, batch, shapes, peak, table, ...ratios }),
    );
    return;
  }
  const sizes = shapes.map(({ captionLength, grid }) => `${captionLength} + ${grid} x ${grid}`).join(', ');
  session.print(`train, batch ${batch}, positions ${sizes}, ${describeRounds(flags.rounds)} on ${machine}`);
  for (const line of trainTable(comparison, lengths !== undefined)) session.print(line);
  if (peak !== undefined) session.print(describePeak(peak));
  for (const [name, value] of Object.entries(ratios)) session.print(`${name}: ${value.toFixed(2)}`);
}

function lengthOf({ captionLength, grid }: Shape): number {
  return captionLength + grid ** 2;
}

/** `ratio_bf16` and so on; with several lengths `ratio_bf16_T640`. */
function trainRatios(cases: readonly Case[], rows: readonly Row[]): Record<string, number> {
  const named = cases.flatMap(({ name }) => {
    const suffix = name === '' ? '' : `_${name.replace(' ', '')}`;
    const { best: _, ...ratios } = ratiosOf(rows, name); // precisions are compared like with like
    return Object.entries(ratios).map(([key, value]) => [`ratio_${key}${suffix}`, value] as const);
  });
  return Object.fromEntries(named);
}

/** The case that the others are compared with: T = 1280, or the first where that is not among them. */
function referenceOf(rows: readonly Row[]): string {
  const names = rows.map(row => row.case);
  return names.includes('T 1280') ? 'T 1280' : names[0];
}

/** How much more time a counted operation takes than in the reference, for each row of ours: 0.05 is 5%. */
export function withDeviations(rows: readonly Row[]): readonly (Row & { readonly deviation?: number })[] {
  const cost = ({ msPerStep, gflopPerStep = Number.NaN }: Row) => msPerStep / gflopPerStep;
  const reference = referenceOf(rows);
  return rows.map(row => {
    const other = rows.find(r => r.case === reference && r.who === row.who && r.precision === row.precision);
    const deviation = other === undefined ? Number.NaN : cost(row) / cost(other) - 1;
    return Number.isNaN(deviation) ? row : { ...row, deviation };
  });
}

function trainTable({ rows }: Comparison, several: boolean): string[] {
  const titles = ['', 'tokens/s', 's/step', 'peak MiB', 'GFLOP/step', 'GFLOP/s', 'of peak'];
  const cells = withDeviations(rows).map(row => [
    `${row.who} ${row.precision} ${row.case}`.trim(),
    fixed(row.unitsPerSecond),
    fixed(row.msPerStep / 1000, 3),
    fixed(row.peakMib),
    fixed(row.gflopPerStep, 1),
    fixed(row.gflops),
    percent(row.share),
    ...(several ? [change(row.deviation, 1)] : []),
  ]);
  const head = several ? [...titles, `time/FLOP beside ${referenceOf(rows)}`] : titles;
  return textTable([head, ...cells], { align: 'right' });
}
