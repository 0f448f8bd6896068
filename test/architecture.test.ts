/**
 * @file The import rule: a folder is a layer, imports run downward, nothing goes round in a circle, and the program's few
 * rules about exports hold.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * The layers from the ground up: a folder is a layer. A file imports from its own folder and from those before it; two on
 * one line do not know each other. Scripts and examples may import anything.
 */
const layers: readonly (readonly string[])[] = [
  ['src/core'],
  ['src/io'],
  ['src/image'],
  ['src/config'],
  ['data', 'src/device'],
  ['src/kernels'],
  ['src/nn'],
  ['tokenizer'],
  ['src/training'],
  ['src/families'],
  ['src/features'],
  ['src/metrics'],
  ['src/report'],
  ['src/runs'],
  ['src/study'],
  ['src/web'],
  ['src/cli', 'src/library', 'src/browser'],
  ['src/trainer', 'src/painter'],
];
/** At the root of `src` stand only the entries, above all layers. */
const entries = ['src/index.ts', 'src/kernels.ts', 'src/cli.ts', 'src/browser.ts'];

/** The layer of a file, from 0; entries and scripts stand above; undefined for a file without a place. */
function layerOf(path: string): number | undefined {
  if (entries.includes(path) || path.startsWith('scripts/') || path.startsWith('examples/')) return layers.length;
  const layer = layers.findIndex(folders => folders.some(folder => path.startsWith(`${folder}/`)));
  return layer === -1 ? undefined : layer;
}

function filesUnder(folder: string, extension: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith(extension))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

const sources = ['src', 'tokenizer', 'data', 'scripts', 'examples'].flatMap(folder => filesUnder(folder, '.ts'));
const textOf = new Map(sources.map(path => [path, readFileSync(join(root, path), 'utf8')]));

/** Whether a file runs in a browser, as a module of the studio's pages or of the trainer's, which is bundled. */
function isPage(path: string): boolean {
  return path.startsWith('src/web/page/') || path.startsWith('src/trainer/page/');
}

/** Whether a file is of a page that is bundled, which brings along what it takes. */
function isBundledPage(path: string): boolean {
  return path.startsWith('src/painter/');
}

/** The source without comments, whose examples import things too. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

/** Relative files that a source names in `import`, `export ... from`, `import()` and `import type`. */
function importsOf(path: string): string[] {
  const text = withoutComments(textOf.get(path) ?? '');
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"](\.[^'"]+)['"]/gm),
    ...text.matchAll(/^\s*import\s*['"](\.[^'"]+)['"]/gm),
    ...text.matchAll(/\bimport\(\s*['"](\.[^'"]+)['"]/g),
  ];
  return [...new Set(found.map(([, target]) => relative(root, join(root, dirname(path), target))))];
}

const graph = new Map(sources.map(path => [path, importsOf(path)]));

/** The folder that makes a file's layer. */
function folderOf(path: string): string {
  return layers.flat().find(folder => path.startsWith(`${folder}/`)) ?? 'entry';
}

/** Why an import breaks the rule, or undefined. */
function objection(from: string, to: string): string | undefined {
  const [a, b] = [layerOf(from), layerOf(to)];
  if (a === undefined || b === undefined) return `${from} -> ${to}: not in a layer`;
  if (a > b || folderOf(from) === folderOf(to)) return undefined;
  return `${from} -> ${to}: ${a === b ? 'sideways' : 'upward'}`;
}

/** One circle of imports as a list of files, or undefined. */
function findCycle(): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of sources) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe('the import rule', () => {
  test('the parser sees the imports there are', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(graph.get('src/nn/layer-masks.ts')).toEqual([
      'src/core/errors.ts',
      'src/kernels/attention/mask.ts',
      'src/nn/masks.ts',
    ]);
    expect(graph.get('src/kernels/linear/linear.ts')).toContain('src/kernels/matmul/matmul.ts'); // for its side effect
  });

  test('every source file is in a layer, and every layer has a file', () => {
    expect(sources.filter(path => layerOf(path) === undefined)).toEqual([]);
    expect(layers.flat().filter(folder => !sources.some(path => path.startsWith(`${folder}/`)))).toEqual([]);
  });

  test('every relative import names a source file with its extension', () => {
    const dangling = [...graph].flatMap(([from, targets]) =>
      targets.filter(to => !textOf.has(to) && !to.endsWith('.mjs')).map(to => `${from} -> ${to}`),
    );
    expect(dangling).toEqual([]);
  });

  test('imports run downward', () => {
    const objections = [...graph].flatMap(([from, targets]) =>
      targets.filter(to => textOf.has(to)).flatMap(to => objection(from, to) ?? []),
    );
    expect(objections).toEqual([]);
  });

  test('the rule objects to what it should', () => {
    expect(objection('src/kernels/norm/norm.ts', 'src/nn/layers.ts')).toContain('upward');
    expect(objection('data/stream.ts', 'src/device/backends.ts')).toContain('sideways');
    expect(objection('src/training/loop.ts', 'src/families/painter.ts')).toContain('upward');
    expect(objection('src/brandnew.ts', 'src/core/errors.ts')).toContain('not in a layer');
    expect(objection('src/cli.ts', 'data/open.ts')).toBeUndefined();
  });

  test('nothing imports itself round a circle, types included', () => {
    expect(findCycle()).toBeUndefined();
  });
});

describe('every source file', () => {
  const offenders = (broken: (text: string) => boolean) => sources.filter(path => broken(textOf.get(path) ?? ''));

  test('opens with what it is about', () => {
    expect(offenders(text => !/^(#![^\n]*\n)?\/\*\*\s*(\n \* )?@file \S/.test(text))).toEqual([]);
  });

  test('exports by name: no default exports, no `export *`', () => {
    expect(offenders(text => /^\s*export default\b/m.test(withoutComments(text)))).toEqual([]);
    expect(offenders(text => /^\s*export\s*\*/m.test(withoutComments(text)))).toEqual([]);
  });

  test('ends the process only in the command line', () => {
    const ending = offenders(text => /\bprocess\.exit\(/.test(withoutComments(text)));
    expect(ending.filter(path => layerOf(path) !== layers.length)).toEqual([]);
  });

  test('reads neither environment nor arguments nor clocks below the command line', () => {
    const reading = offenders(text =>
      /\bprocess\.(env|argv)\b|\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(/.test(
        withoutComments(text),
      ),
    );
    const below = reading.filter(path => (layerOf(path) ?? 0) < layers.length - 2);
    expect(below.filter(path => !isPage(path))).toEqual([]); // which is an entry: a browser's
  });
});

describe('the pages of the studio', () => {
  const pages = sources.filter(isPage);
  /** What a browser can take from the rest: drawings, numbers and words. */
  const taken = /^src\/(report\/(linechart|dotchart|markup|numbers)|core\/\w+)\.ts$/;

  test('take nothing from the rest but types, and modules that need neither Node nor a package', () => {
    const values = pages.flatMap(path =>
      [
        ...withoutComments(textOf.get(path) ?? '').matchAll(
          /^(?:import|export)(?! type\b)(?:[^'"`;=()]*\bfrom)? ['"]([^'"]+)['"]/gm,
        ),
      ]
        .map(([, target]) => (target.startsWith('.') ? relative(root, join(root, dirname(path), target)) : target))
        .map(target => [path, target] as const),
    );
    expect(values).toContainEqual(['src/web/page/main.ts', 'src/web/page/api.ts']);
    expect(values.filter(([, target]) => !isPage(target) && !taken.test(target))).toEqual([]);
  });

  test('are imported by nothing else but other pages', () => {
    const importing = [...graph].filter(
      ([from, targets]) => !isPage(from) && !isBundledPage(from) && targets.some(isPage),
    );
    expect(importing.map(([from]) => from)).toEqual([]);
  });
});

describe('the library in a browser', () => {
  /** What a page takes is made of these. */
  const bundled = [
    ...['src/browser.ts', 'src/browser/worker/wasm.ts', 'src/browser/worker/webgpu.ts'],
    'src/painter/main.ts',
  ];

  /** What is imported when a file runs, of packages as well; a file's twin for browsers takes its place. */
  function valuesOf(path: string): string[] {
    const text = withoutComments(textOf.get(path) ?? '');
    const found = [
      ...text.matchAll(/^\s*(?:import|export)\b(?!\s+type\b)[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm),
      ...text.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm),
      ...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
    ].map(([, target]) => target);
    return found.map(target => {
      if (!target.startsWith('.')) return target;
      const file = relative(root, join(root, dirname(path), target));
      const twin = file.replace(/\.ts$/, '.browser.ts');
      return textOf.has(twin) ? twin : file;
    });
  }

  /** Every file that is reached, by the file that was seen to import it. */
  function reachedFrom(starts: readonly string[]): Map<string, string> {
    const reached = new Map(starts.map(path => [path, 'the entry']));
    for (const path of reached.keys()) {
      for (const to of valuesOf(path)) if (!reached.has(to)) reached.set(to, path);
    }
    return reached;
  }

  const forbidden =
    /^node:|^(sharp|zod|webgpu|@tensorflow\/tfjs-layers)$|^src\/(training\/(?!named-values)|cli|library|web\/(?!page\/|painter\/(facts|planes)))\//;

  test('reaches neither Node nor its packages, nor training', () => {
    const reached = reachedFrom(bundled);
    expect([...reached.keys()]).toContain('src/families/transformer/codepainter.ts');
    expect([...reached.keys()]).toContain('src/core/platform/platform.browser.ts');
    expect([...reached].filter(([to]) => forbidden.test(to)).map(([to, from]) => `${from} -> ${to}`)).toEqual([]);
  });

  test('the rule objects to what it should', () => {
    expect([...reachedFrom(['src/families/transformer/config.ts']).keys()]).toContain('zod');
    expect([...reachedFrom(['src/io/files.ts']).keys()].filter(to => forbidden.test(to))).not.toEqual([]);
  });

  test('uses no globals of Node', () => {
    const using = [...reachedFrom(bundled).keys()].filter(path =>
      /(?<![\w.])(Buffer\.|process\.|setImmediate\()/.test(withoutComments(textOf.get(path) ?? '')),
    );
    expect(using).toEqual([]);
  });

  test('twins export the same names', () => {
    const names = (path: string) =>
      [...(textOf.get(path) ?? '').matchAll(/^export (?:async )?(?:function|const|class) (\w+)|^export \{ (\w+) \}/gm)]
        .map(([, declared, again]) => declared ?? again)
        .sort();
    const twins = sources.filter(path => path.endsWith('.browser.ts'));
    expect(twins).toContain('src/device/webgpu/dawn.browser.ts');
    for (const twin of twins) expect(names(twin), twin).toEqual(names(twin.replace('.browser.ts', '.ts')));
  });
});

describe('native code', () => {
  test('knows nothing of JavaScript but in addon.cc and cpu.cc, which finds the processor out before a kernel is loaded', () => {
    const files = [...filesUnder('native', '.cc'), ...filesUnder('native', '.h')].filter(
      path => !path.startsWith('native/build/'),
    );
    expect(files.length).toBeGreaterThan(5);
    const including = files.filter(path =>
      /#\s*include\s*["<]node_api\.h/.test(readFileSync(join(root, path), 'utf8')),
    );
    expect(including.sort()).toEqual(['native/addon.cc', 'native/cpu.cc']);
  });
});
