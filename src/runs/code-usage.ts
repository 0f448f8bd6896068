/**
 * @file How often each code of a patch tokenizer occurred in held-out images, at every evaluation of its training: whether a
 * codebook is used evenly, and whether it fell together, which `val_usage` and `val_perplexity` tell in two numbers. As many
 * evaluations are kept as sheets (sheet-history.ts), by the same rule, so that a training that was killed and goes on has the same.
 */
import { z } from 'zod';
import { writeAtomic } from '../io/atomic.ts';
import { readJsonLines } from '../io/jsonlines.ts';
import { isKept } from './sheet-history.ts';

/** The codes of held-out images as they were at a step. */
export interface CodeUsage {
  readonly step: number;
  /** How often each code occurred: [V]. */
  readonly counts: readonly number[];
}

const whole = z.number().int().min(0);
const usageSchema = z.strictObject({ step: whole, counts: z.array(whole).max(2 ** 20) });

/** Keeps the counts of a step, and every second of the others where they have become too many. @param every steps between them */
export async function keepCodeUsage(path: string, { step, counts }: CodeUsage, every: number): Promise<void> {
  const earlier = readCodeUsage(path).filter(other => other.step !== step && isKept(other.step, { last: step, every }));
  const lines = [...earlier, { step, counts }].map(each => `${JSON.stringify(each)}\n`);
  await writeAtomic(path, lines.join(''));
}

/** All counts that are kept, by step; lines that are none are left out. */
export function readCodeUsage(path: string): CodeUsage[] {
  return readJsonLines(path)
    .flatMap(record => usageSchema.safeParse(record).data ?? [])
    .sort((a, b) => a.step - b.step);
}
