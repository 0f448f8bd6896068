/** @file `npm run bench -- tokenizer`: training steps of the patch tokenizer with its default settings. */

import { textTable } from '../../src/cli/terminal/tables.ts';
import { patchTrainSchema } from '../../src/config/patch.ts';
import type { Session } from '../../src/runs/session.ts';
import { type BenchFlags, oneBatch, shapeOf } from './flags.ts';
import { IMAGE_SIZE } from './jobs.ts';
import { describeMachine, describePeak, describeRounds, fixed, percent } from './report.ts';
import { compare } from './rounds.ts';

export async function benchTokenizer(session: Session, flags: BenchFlags): Promise<void> {
  const batch = oneBatch('tokenizer', flags, patchTrainSchema.parse({}).batchSize);
  const workload = { job: 'tokenizer', shape: shapeOf(flags), batch, steps: flags.steps ?? 5 } as const;
  const { rows, peak } = await compare(session, 'tokenizer', { cases: [{ name: '', workload }], flags });
  const machine = describeMachine();
  if (flags.json) {
    const facts = { mode: 'tokenizer', machine, rounds: flags.rounds, batch, imageSize: IMAGE_SIZE };
    session.print(JSON.stringify({ ...facts, peak, table: rows }));
    return;
  }
  const size = `${IMAGE_SIZE} x ${IMAGE_SIZE} pixels`;
  session.print(`tokenizer, batch ${batch} of ${size}, ${describeRounds(flags.rounds)} on ${machine}`);
  const cells = rows.map(row => [
    `${row.who} ${row.precision}`,
    fixed(row.unitsPerSecond, 1),
    fixed(row.msPerStep, 1),
    fixed(row.peakMib),
    fixed(row.gflopPerStep, 1),
    fixed(row.gflops),
    percent(row.share),
  ]);
  const titles = ['', 'images/s', 'ms/step', 'peak MiB', 'GFLOP/step', 'GFLOP/s', 'of peak'];
  for (const line of textTable([titles, ...cells], { align: 'right' })) session.print(line);
  if (peak !== undefined) session.print(describePeak(peak));
}
