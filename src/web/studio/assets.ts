/**
 * @file The modules of the page, as the compiler left them: those that its entry imports, and what they import, and no other
 * file. A module that needs Node or a package is a mistake, and is named.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { packageRoot } from '../../io/package-root.ts';

/** Of the page, in `dist`. */
const ENTRY = 'src/web/page/main.js';
/** Where modules lie on the server. */
const PLACE = '/assets/';

/** The address of the page's entry. */
export const entryAddress = `${PLACE}${ENTRY}`;

/** Imports of a compiled module, which stand at the beginning of a line. */
const IMPORT = /^(?:import|export)(?:[^'"`;=()]*\bfrom)? ?['"]([^'"]+)['"]/gm;

/**
 * Reads the page's modules, by their addresses.
 * @param dist where the compiler left them
 * @throws UserError if they are not there
 */
export function pageModules(dist = join(packageRoot(), 'dist')): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const wanted = [ENTRY];
  for (let file = wanted.pop(); file !== undefined; file = wanted.pop()) {
    const address = `${PLACE}${file}`;
    if (found.has(address)) continue;
    const path = join(dist, file);
    if (!existsSync(path)) {
      throw new UserError('studio', `expected the compiled pages, got no ${path}`, 'npm run build');
    }
    const text = readFileSync(path, 'utf8');
    found.set(address, text);
    for (const [, target] of text.matchAll(IMPORT)) wanted.push(resolveImport(file, target));
  }
  return found;
}

function resolveImport(from: string, target: string): string {
  const file = posix.join(dirname(from), target);
  if (!/^\.\.?\//.test(target) || file.startsWith('..')) {
    throw new Error(`${from} imports ${target}, which a browser does not have`);
  }
  return file;
}
