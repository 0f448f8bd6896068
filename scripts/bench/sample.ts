/** @file `npm run bench -- sample`: painting code after code, one image or several at once. */

import { textTable } from '../../src/cli/terminal/tables.ts';
import { UserError } from '../../src/core/errors.ts';
import type { Session } from '../../src/runs/session.ts';
import { type BenchFlags, shapeOf } from './flags.ts';
import { describeMachine, describeRounds, fixed } from './report.ts';
import { type Case, compare, type Row, ratiosOf } from './rounds.ts';

export async function benchSample(session: Session, flags: BenchFlags): Promise<void> {
  const { batch: batches = [1, 16] } = flags;
  const shape = shapeOf(flags);
  const most = shape.grid ** 2 - 1; // the first code comes with the reading of the caption
  const steps = flags.steps ?? Math.min(128, most);
  if (steps > most) throw new UserError('bench sample: --steps', `expected at most ${most} codes, got ${steps}`);
  const cases = batches.map(
    (batch): Case => ({
      name: `batch ${batch}`,
      workload: { job: 'sample', shape, batch, steps },
    }),
  );
  const { rows } = await compare(session, 'sample', { cases, flags });
  const ratios = sampleRatios(cases, rows);
  const machine = describeMachine();
  if (flags.json) {
    session.print(JSON.stringify({ mode: 'sample', machine, rounds: flags.rounds, shape, table: rows, ...ratios }));
    return;
  }
  const sizes = `${steps} codes after ${shape.captionLength} caption positions`;
  session.print(`sample, ${sizes}, ${describeRounds(flags.rounds)} on ${machine}`);
  const cells = rows.map(row => [
    `${row.who} ${row.precision} ${row.case}`,
    fixed(row.unitsPerSecond),
    fixed(row.msPerStep, 2),
    fixed(row.peakMib),
  ]);
  for (const line of textTable([['', 'tokens/s', 'ms/step', 'peak MiB'], ...cells], { align: 'right' }))
    session.print(line);
  for (const [name, value] of Object.entries(ratios)) session.print(`${name}: ${value.toFixed(2)}`);
}

/** `ratio_batch16` is our better precision over the rival's better one, `ratio_batch16_bf16` bf16 over bf16. */
export function sampleRatios(cases: readonly Case[], rows: readonly Row[]): Record<string, number> {
  const named = cases.flatMap(({ name }) => {
    const key = `ratio_${name.replace(' ', '')}`;
    const { best, fp32, bf16 } = ratiosOf(rows, name);
    const values = { [key]: best, [`${key}_fp32`]: fp32, [`${key}_bf16`]: bf16 };
    return Object.entries(values).flatMap(([each, value]) => (value === undefined ? [] : [[each, value] as const]));
  });
  return Object.fromEntries(named);
}
