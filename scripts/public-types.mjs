/**
 * @file The declarations that the package publishes: those that its entries reach, and no others. Where they name tfjs or
 * WebGPU they are led to public-types/tfjs.d.ts, so that they compile in a program that checks its libraries.
 */
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './native-flags.mjs';

const dist = join(root, 'dist');
const entries = ['src/index.d.ts', 'src/cli.d.ts'];
const stand = join(dist, 'src', 'tfjs.d.ts');

/** The declarations that a file imports, and its text with those of tfjs led elsewhere. */
function read(path) {
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(/(?:\bfrom\s*|\bimport\()['"](\.[^'"]+)['"]/g)].map(([, target]) =>
    join(dirname(path), target.replace(/\.[jt]s$/, '.d.ts')),
  );
  return { text, imports };
}

/** Paths of the declarations that the entries reach. */
function reached() {
  const found = new Set();
  const waiting = entries.map(entry => join(dist, entry));
  while (waiting.length > 0) {
    const path = waiting.pop();
    if (found.has(path)) continue;
    found.add(path);
    waiting.push(...read(path).imports);
  }
  return found;
}

/** Leads a declaration's tfjs and WebGPU to the types that stand for them. */
function lead(path) {
  const { text } = read(path);
  const to = relative(dirname(path), stand)
    .replaceAll('\\', '/')
    .replace(/\.d\.ts$/, '.js');
  const there = to.startsWith('.') ? to : `./${to}`;
  const led = text.replaceAll(/(['"])@tensorflow\/tfjs-(?:core|backend-cpu|backend-webgpu)\1/g, `'${there}'`);
  const named = [...new Set(led.match(/\bGPU[A-Z]\w+/g) ?? [])];
  const gpu = named.length === 0 ? '' : `import type { ${named.join(', ')} } from '${there}';\n`;
  if (led !== text || gpu !== '') writeFileSync(path, gpu + led);
}

const kept = reached();
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (path.endsWith('.d.ts') && !kept.has(path)) rmSync(path);
}
for (const path of kept) lead(path);
copyFileSync(join(root, 'scripts', 'public-types', 'tfjs.d.ts'), stand);
