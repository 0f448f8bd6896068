/** @file What a start of the program loads: no backend before a command needs one, and no reports to paint a caption. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './program.ts';

/** Everything that some files import at once: sources by their paths, packages by their names. Types load nothing. */
function loadedBy(...entries: readonly string[]): Set<string> {
  const loaded = new Set<string>();
  const waiting = [...entries];
  while (waiting.length > 0) {
    const path = waiting.pop()!;
    if (loaded.has(path)) continue;
    loaded.add(path);
    if (!path.endsWith('.ts')) continue; // a package
    const text = readFileSync(join(root, path), 'utf8');
    const imports = [
      ...text.matchAll(/^\s*(?:import|export)\s+(?!type\b)[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm),
      ...text.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm),
    ];
    for (const [, target] of imports) waiting.push(target.startsWith('.') ? join(dirname(path), target) : target);
  }
  return loaded;
}

const start = [...loadedBy('src/cli.ts')];

test('the program starts with its commands, and without tfjs, sharp or any kernel', () => {
  expect(start).toContain('src/cli/commands/sample.ts');
  expect(start).toContain('zod');
  const heavy = start.filter(path =>
    /^(@tensorflow|sharp|webgpu)|^(src\/(kernels|metrics|report|training)|data|tokenizer)\//.test(path),
  );
  expect(heavy).toEqual([]);
});

test('painting a caption loads a backend, and neither metrics nor reports, formats of data nor readers of them', () => {
  const painting = [...loadedBy('src/cli/commands/sample.ts', 'src/runs/sample.ts')];
  expect(painting.some(path => path.startsWith('@tensorflow/'))).toBe(true);
  const stray = /^(src\/(metrics|report|features)|data\/(formats|indexes))\/|^(csv-parse|hyparquet|tar-stream)/;
  expect(painting.filter(path => stray.test(path))).toEqual([]);
});
