/**
 * @file The documentation is true of the repository: links and anchors lead somewhere, files that it names exist, scripts are
 * in package.json, commands and their flags are those of the program, and the README stays one that a stranger finishes.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { commands } from '../src/cli/commands.ts';
import { findCommand } from '../src/cli/find-command.ts';
import { flagTable } from '../src/cli/flag-table.ts';
import { parseFlags } from '../src/cli/flags.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const textOf = (path: string) => readFileSync(join(root, path), 'utf8');

/** Every page: those of docs, and those that stand beside what they describe. */
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/README.md',
  'models/emoji/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.md') && !path.startsWith('api'))
    .map(path => join('docs', path).replaceAll('\\', '/')),
];

/** Text without the blocks of code. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '');
}

function blocksOf(text: string): string[] {
  return [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, code]) => code);
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(path: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = [...prose(textOf(path)).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
  return new Set(anchors);
}

/** A shell's words: quotes hold them together, `#` begins a comment. */
function words(line: string): string[] {
  return [...line.replace(/(^|\s)#.*$/, '').matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}

/** Lines of shell in a page's blocks; a backslash at the end joins two. */
function linesOf(text: string): string[] {
  return blocksOf(text).flatMap(code => code.replaceAll(/\\\n\s*/g, ' ').split('\n'));
}

describe.each(pages)('%s', page => {
  const text = textOf(page);

  test('links lead to files and headings that are there', () => {
    const links = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
    const broken = links.filter(link => {
      if (/^https?:/.test(link)) return false;
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : relative(root, join(root, dirname(page), decodeURI(path)));
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('names files and folders that are there', () => {
    const named = [...prose(text).matchAll(/`((?:src|native|scripts|test|tokenizer|data|examples)\/[\w./-]+)`/g)];
    expect(named.map(([, path]) => path).filter(path => !existsSync(join(root, path)))).toEqual([]);
  });

  test('runs scripts that package.json has', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    const used = [...text.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name);
    expect(used.filter(name => !(name in scripts))).toEqual([]);
  });

  test('gives commands and flags that the program has', async () => {
    const calls = linesOf(text).flatMap(line => /^\s*(?:npx (?:tesserae|tessera)|tessera) (.*)$/.exec(line)?.[1] ?? []);
    for (const call of calls) {
      const { command, rest } = findCommand('tessera', commands, words(call));
      expect(parseFlags(await command.spec(), rest), call).toMatchObject({ help: false });
    }
  });

  test('speaks of the project alone', () => {
    // Absolute paths of one machine, and numbers of issues that only its makers can open.
    expect(text.match(/(?<![\w.\-:/)])\/(?:home|root|work|Users|mnt)\/|\bissue #?\d+/gi) ?? []).toEqual([]);
  });
});

/** Pages for who uses the program: a flag in their sentences is one of its commands'. */
const manuals = [
  'README.md',
  'docs/training.md',
  'docs/cli.md',
  'docs/gpu.md',
  'docs/metrics.md',
  'docs/study.md',
  'docs/studio.md',
  'models/emoji/README.md',
];

test.each(manuals)('%s names flags that a command has', async page => {
  const finders = await Promise.all(commands.map(async command => flagTable(await command.spec()).find));
  const isFlag = (name: string) =>
    finders.some(find => {
      try {
        return find(name).flag !== undefined;
      } catch {
        return false; // not of this command
      }
    });
  const code = [...prose(textOf(page)).matchAll(/`([^`]+)`/g)].filter(([, text]) => !text.startsWith('npm run'));
  const names = code.flatMap(([, text]) => [...text.matchAll(/--([a-z][\w.-]*)/gi)].map(([, name]) => name));
  expect(names.filter(name => name !== 'help' && !isFlag(name))).toEqual([]);
});

describe('README.md', () => {
  const text = textOf('README.md');

  test('is one that a stranger finishes', () => {
    expect(Buffer.byteLength(text)).toBeLessThan(10_500);
    expect(linesOf(text).filter(line => /^\s*npx /.test(line)).length).toBeGreaterThan(8);
  });

  test('opens with a moving picture that loads quickly', async () => {
    const [, path] = /!\[[^\]]*\]\(([^)]+)\)/.exec(text) ?? [];
    expect(path).toMatch(/\.webp$/);
    expect(statSync(join(root, path)).size).toBeLessThan(400_000);
    const { default: sharp } = await import('sharp');
    const { pages: frames, loop } = await sharp(join(root, path)).metadata();
    expect(frames).toBeGreaterThan(8);
    expect(loop).toBe(0);
  });

  test('leads to every page, by one or two links', () => {
    const linked = (page: string) =>
      [...textOf(page).matchAll(/\]\(([^)#\s]+\.md)/g)]
        .filter(([, link]) => !link.startsWith('http'))
        .map(([, link]) => relative(root, join(root, dirname(page), link)).replaceAll('\\', '/'));
    const near = linked('README.md');
    const reached = new Set(['README.md', ...near, ...near.flatMap(linked)]);
    expect(pages.filter(page => !reached.has(page))).toEqual([]);
  });
});
