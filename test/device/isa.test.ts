/**
 * @file Every build of the addon that this processor runs (AVX-512 with bf16, AVX-512, AVX2, portable), and the one in WebAssembly, computes the same
 * fused operations as tfjs's cpu backend. A process loads one build, so each is checked in a child process.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { instructionSets } from '../../src/device/native/addon.ts';
import { loadAddon } from '../../src/device/native/open-addon.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const child = join(root, 'test', 'device', 'isa.ts');
const tsx = join(dirname(createRequire(import.meta.url).resolve('tsx/package.json')), 'dist', 'cli.mjs');
const present = 'addon' in loadAddon();

describe.skipIf(!present)(present ? 'instruction sets' : 'instruction sets (skipped: no native addon)', () => {
  beforeAll(() => {
    const built = spawnSync(process.execPath, ['scripts/build-native.mjs', '--all', '--strict'], { cwd: root });
    expect(built.status, built.stderr.toString()).toBe(0); // compilers may warn
  }, 300_000);

  for (const instructionSet of [...instructionSets, 'wasm'] as const) {
    test(instructionSet, () => {
      const result = spawnSync(process.execPath, [tsx, child, instructionSet], { cwd: root, encoding: 'utf8' });
      expect(result.status, result.stderr).toBe(0);
      if (result.stdout.startsWith('skipped')) return;
      expect(result.stdout).toMatch(new RegExp(`^${instructionSet}: [1-9][0-9]* operations agree\n$`));
    });
  }
});
