/** @file `tessera build-native`: compiles the C++ addon where the package is installed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { packageRoot } from '../../device/native/addon.ts';

/** Runs the build script, which says what it does and what is missing. @throws UserError if nothing was built */
export function buildNative({ all }: { readonly all: boolean }): void {
  const script = join(packageRoot(), 'scripts', 'build-native.mjs');
  const { status } = spawnSync(process.execPath, [script, '--strict', ...(all ? ['--all'] : [])], { stdio: 'inherit' });
  if (status !== 0) throw new UserError('build-native', 'the addon could not be built; the reason stands above');
}
