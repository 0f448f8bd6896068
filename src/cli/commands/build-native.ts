/** @file `tessera build-native`: compiles the C++ addon where the package is installed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { packageRoot } from '../../io/package-root.ts';
import { defineCommand } from '../command.ts';

export const buildNative = defineCommand({
  name: 'build-native',
  summary: 'compile the C++ addon for this machine',
  examples: ['tessera build-native'],
  flags: () =>
    z.object({
      all: z
        .boolean()
        .default(false)
        .describe('every instruction set of this architecture, not only the best one here'),
    }),
  run: async (_, { values, quiet }) => {
    // The script says what it does and what is missing.
    const script = join(packageRoot(), 'scripts', 'build-native.mjs');
    const argv = [script, '--strict', ...(values.all ? ['--all'] : [])];
    const { status } = spawnSync(process.execPath, argv, {
      stdio: ['inherit', quiet ? 'ignore' : 'inherit', 'inherit'],
    });
    if (status !== 0) throw new UserError('build-native', 'the addon could not be built; the reason stands above');
  },
});
