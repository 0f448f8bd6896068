/**
 * @file The import rule, held by a table: every source file is in a layer, imports run downward or stay among the files
 * that may meet, nothing goes round in a circle, and the house's few rules about exports hold. A new file fails here until
 * it has been given a place.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * The layers from the ground up. `files` are paths or folders (ending in /); files of one room may import each other and
 * everything in a lower layer, but not another room of their own layer. Data knows no model and no tokenizer.
 */
interface Room {
  readonly layer: number;
  readonly name: string;
  readonly files: readonly string[];
  /** Layers it may import from, where not all lower ones. */
  readonly only?: readonly number[];
}

const rooms: readonly Room[] = [
  {
    layer: 0,
    name: 'ground',
    files: ['src/errors.ts', 'src/random.ts', 'src/schema.ts', 'src/config.ts', 'src/presets.ts'],
  },
  { layer: 1, name: 'backends', files: ['src/backends/'] },
  { layer: 2, name: 'kernels', files: ['src/kernels/'] },
  { layer: 3, name: 'nn', files: ['src/nn/'] },
  { layer: 4, name: 'model', files: ['src/dalle.ts'] },
  { layer: 4, name: 'baselines', files: ['src/baselines/'] },
  { layer: 4, name: 'tokenizer', files: ['tokenizer/'] },
  { layer: 4, name: 'data', files: ['data/'], only: [0] },
  {
    layer: 5,
    name: 'training, painting and files',
    files: [
      'src/checkpoint.ts',
      'src/codes.ts',
      'src/decoder.ts',
      'src/features/',
      'src/generate.ts',
      'src/grid.ts',
      'src/jsonlines.ts',
      'src/lettering.ts',
      'src/measured.ts',
      'src/metrics/',
      'src/moves.ts',
      'src/nearest.ts',
      'src/optim.ts',
      'src/pictures.ts',
      'src/rerank.ts',
      'src/safetensors.ts',
      'src/train.ts',
    ],
  },
  {
    layer: 6,
    name: 'pipeline',
    files: [
      'src/pipeline.ts',
      'src/painter.ts',
      'src/painting.ts',
      'src/rivals.ts',
      'src/index.ts',
      'src/runs.ts',
      'src/tasks/',
      'src/report/',
    ],
  },
  {
    layer: 7,
    name: 'command line',
    files: ['src/cli.ts', 'src/flags.ts', 'src/help.ts', 'src/commands/', 'src/terminal/', 'scripts/'],
  },
];

/** Folders that must not be seen from some rooms although they lie lower. */
const unseen: readonly { readonly from: string; readonly target: string; readonly why: string }[] = [
  { from: 'training, painting and files', target: 'tokenizer', why: 'sees ids and pixels only' },
  { from: 'training, painting and files', target: 'data', why: 'sees ids and pixels only' },
  { from: 'pipeline', target: 'data', why: 'data and model are joined by the command line alone' },
];

function roomOf(path: string): Room | undefined {
  return rooms.find(({ files }) => files.some(file => (file.endsWith('/') ? path.startsWith(file) : path === file)));
}

function filesUnder(folder: string, extension: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith(extension))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

const sources = ['src', 'tokenizer', 'data', 'scripts'].flatMap(folder => filesUnder(folder, '.ts'));
const textOf = new Map(sources.map(path => [path, readFileSync(join(root, path), 'utf8')]));

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

/** Why an import breaks the rule, or undefined. */
function objection(from: string, to: string): string | undefined {
  const a = roomOf(from);
  const b = roomOf(to);
  if (a === undefined || b === undefined) return `${from} -> ${to}: not in the table`;
  if (a === b) return undefined;
  const edge = `${from} (L${a.layer} ${a.name}) -> ${to} (L${b.layer} ${b.name})`;
  if (b.layer >= a.layer) return `${edge}: upward or sideways`;
  if (a.only !== undefined && !a.only.includes(b.layer)) return `${edge}: may see L${a.only.join(', L')} only`;
  const ban = unseen.find(({ from: name, target }) => name === a.name && target === b.name);
  return ban === undefined ? undefined : `${edge}: ${ban.why}`;
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
    expect(graph.get('src/dalle.ts')).toEqual(expect.arrayContaining(['src/config.ts', 'src/nn/masks.ts']));
    expect(graph.get('src/nn/masks.ts')).toEqual(['src/kernels/attention.ts']); // a type import
    expect(graph.get('src/kernels/linear.ts')).toContain('src/kernels/matmul.ts'); // for its side effect
  });

  test('every source file is in a layer, and every place in the table has a file', () => {
    expect(sources.filter(path => roomOf(path) === undefined)).toEqual([]);
    const places = rooms.flatMap(({ files }) => files);
    const empty = places.filter(place => !sources.some(path => path === place || path.startsWith(place)));
    expect(empty).toEqual([]);
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
    expect(objection('src/kernels/norm.ts', 'src/nn/layers.ts')).toContain('upward');
    expect(objection('src/dalle.ts', 'tokenizer/bpe.ts')).toContain('sideways');
    expect(objection('data/loader.ts', 'src/kernels/norm.ts')).toContain('L0 only');
    expect(objection('src/train.ts', 'tokenizer/patch.ts')).toContain('ids and pixels');
    expect(objection('src/pipeline.ts', 'data/index.ts')).toContain('command line');
    expect(objection('src/brandnew.ts', 'src/errors.ts')).toContain('not in the table');
    expect(objection('src/cli.ts', 'data/index.ts')).toBeUndefined();
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
    expect(ending.filter(path => path !== 'src/cli.ts' && !path.startsWith('scripts/'))).toEqual([]);
  });

  test('reads neither environment nor arguments nor clocks below the command line', () => {
    const reading = offenders(text =>
      /\bprocess\.(env|argv)\b|\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(/.test(
        withoutComments(text),
      ),
    );
    expect(reading.filter(path => roomOf(path)?.layer !== 7)).toEqual([]);
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
