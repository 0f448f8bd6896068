/** @file Flags as words: what the parser makes of them again is what was given. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { repeatedFlags, wordsOf } from '../../src/cli/flag-words.ts';
import { parseFlags } from '../../src/cli/flags.ts';

const command = {
  name: 'train',
  summary: '',
  examples: [],
  flags: z.object({
    data: z.string(),
    out: z.string(),
    preset: z.string().optional(),
    config: z.string().optional(),
    format: z.string().default('auto'),
    strict: z.boolean().default(false),
    acceptChanges: z.boolean().default(false),
    threads: z.number().optional(),
  }),
  settings: z.object({
    train: z.object({ steps: z.number().default(1), lr: z.number().default(1) }),
    patch: z.object({ levels: z.array(z.number()).default([]), maxWidth: z.number().default(1) }),
    images: z.object({ flip: z.boolean().default(false) }),
  }),
};

test('come back as they were, settings, lists and what begins with a dash too', () => {
  const given = { format: '-odd', strict: true, threads: 2 };
  const settings = { train: { steps: 8, lr: 1e-7 }, patch: { levels: [7, 5], maxWidth: 4 }, images: { flip: false } };
  const words = wordsOf({ ...given, ...settings });
  expect(words).toContain('--format=-odd');
  expect(words).toContain('--no-images.flip');
  const parsed = parseFlags(command, ['--data', 'd', '--out', 'o', ...words]);
  expect(parsed).toMatchObject({ given: { data: 'd', out: 'o', ...given }, settings });
});

test('what a run remembers is not repeated, but where it was refused', () => {
  const given = { data: 'd', out: 'o', preset: 'tiny', config: 'c.json', format: 'images', acceptChanges: true };
  const { flags, allFlags } = repeatedFlags(given, { train: { steps: 8 } });
  expect(flags).toEqual(['--format', 'images']);
  expect(allFlags).toEqual([...['--preset', 'tiny', '--config', 'c.json', '--format', 'images'], '--train.steps', '8']);
});
