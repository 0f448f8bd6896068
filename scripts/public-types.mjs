/**
 * @file The declarations that the package publishes: those that its entries reach, and no others. They name tfjs's types,
 * which do not compile beside the DOM types of today's TypeScript; so dist/types has them again, with tfjs and WebGPU led
 * to public-types/tfjs.d.ts, for programs that check their libraries. Whoever computes with tfjs takes the former.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './native-flags.mjs';

const dist = join(root, 'dist');
/** With tfjs's types led elsewhere as well. */
const entries = ['src/index.d.ts', 'src/cli.d.ts'];
/** With tfjs's own types alone: who writes a kernel computes with tfjs. */
const ofTensors = ['src/kernels.d.ts'];
/** With none of tfjs's: a page knows nothing of tensors. */
const ofPages = ['src/browser.d.ts'];
const types = join(dist, 'types');
const stand = join(types, 'tfjs.d.ts');

/** The declarations that a file imports, and its text with those of tfjs led elsewhere. */
function read(path) {
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(/(?:\bfrom\s*|\bimport\()['"](\.[^'"]+)['"]/g)].map(([, target]) =>
    join(dirname(path), target.replace(/\.[jt]s$/, '.d.ts')),
  );
  return { text, imports };
}

/** Paths of the declarations that entries reach. */
function reached(entries) {
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

/** Writes a declaration again, its tfjs and WebGPU led to the types that stand for them. */
function lead(path) {
  const to = join(types, relative(dist, path));
  const file = relative(dirname(to), stand)
    .replaceAll('\\', '/')
    .replace(/\.d\.ts$/, '.js');
  // Types need nothing of what is imported to be run.
  const plain = read(path).text.replaceAll(/^import ['"][^'"]+['"];\n/gm, '');
  const led = plain.replaceAll(/(['"])@tensorflow\/tfjs-(?:core|backend-cpu|backend-webgpu)\1/g, `'${file}'`);
  const named = [...new Set(led.match(/\bGPU[A-Z]\w+/g) ?? [])];
  const gpu = named.length === 0 ? '' : `import type { ${named.join(', ')} } from '${file}';\n`;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, gpu + led);
}

rmSync(types, { recursive: true, force: true });
const kept = reached([...entries, ...ofTensors, ...ofPages]);
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (path.endsWith('.d.ts') && !kept.has(path)) rmSync(path);
}
for (const path of reached(entries)) lead(path);
copyFileSync(join(root, 'scripts', 'public-types', 'tfjs.d.ts'), stand);
