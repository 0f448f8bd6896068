/** @file The ladder of docs/kernels.md: every step is built and computes the product, whatever its speed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = join(fileURLToPath(import.meta.url), '..', '..', '..');
const ladder = (...flags: string[]) =>
  spawnSync(process.execPath, [join(root, 'scripts', 'bench', 'ladder', 'ladder.mjs'), ...flags], { encoding: 'utf8' });

describe('the ladder of matrix products', () => {
  // More than one block of rows and of columns, a last one that is not full, and an odd k over two blocks.
  test.each(['20,33,40', '130,515,600'])('computes the product at every step: %s', size => {
    const { status, stdout, stderr } = ladder('--size', size, '--seconds', '0', '--threads', '2');
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const names = stdout.split('\n').flatMap(line => /^\| (\d \w+|the addon's, \w+)/.exec(line)?.[1] ?? []);
    expect(names.slice(0, 7)).toEqual([
      '1 naive',
      '2 loops',
      '3 blocks',
      '4 register',
      '5 packed',
      '6 threads',
      "the addon's, fp32",
    ]);
    expect(names.slice(7)).toEqual(stdout.includes('without bf16') ? [] : ['7 bf16', "the addon's, bf16"]);
  });

  test('names what is wrong with its flags in one line', () => {
    const { status, stderr } = ladder('--size', '20,33');
    expect(status).toBe(2);
    expect(stderr).toBe('ladder: --size: expected three whole numbers m,k,n above 0, got 20,33\n');
  });
});
