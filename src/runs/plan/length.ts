/** @file How long a training is asked to take. */
import type { RunConfig } from '../../config/run.ts';
import { flattenConfig, parseConfig } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { runSchema } from '../../families/config.ts';

/**
 * The length that fields ask for: minutes, or passes over the data.
 * @throws UserError if the fields do not fit, or say it twice
 */
export function lengthOf(fields: Readonly<Record<string, unknown>>): RunConfig['plan'] {
  const { minutes, epochs } = parseConfig(runSchema(), fields, 'config').plan;
  if (epochs === undefined) return { minutes };
  if (minutes !== undefined) {
    throw new UserError('train', '--minutes and --epochs both say how long it takes: expected one of them');
  }
  if (flattenConfig(fields)['train.steps'] !== undefined) {
    throw new UserError('train', '--epochs and --steps both say how long the model is trained: expected one of them');
  }
  return { epochs };
}

/** @param hint what to do instead. @throws UserError if the fewest steps take longer than the minutes */
export function expectEnough(minutes: number, seconds: number, hint: string): void {
  const needed = seconds / 60;
  if (needed <= 1.2 * minutes + 0.1) return;
  throw new UserError(
    `train: --minutes ${minutes}`,
    `expected at least ${needed.toFixed(1)}, which the data and the fewest steps take on this machine`,
    hint,
  );
}
