/**
 * @file The page that trains in a browser, as a folder for any web server: a document, its looks, and the scripts that the build
 * left in dist (src/trainer). Nothing in it is of a run: pictures come from whoever opens it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readBytes } from '../../io/bytes.ts';
import { beginWriting, endWriting } from '../../io/ownfolder.ts';
import { packageRoot } from '../../io/package-root.ts';
import { html } from '../../report/markup.ts';
import { studioStyle } from '../studio/style.ts';
import { trainerStyle } from './style.ts';

const BY = 'tessera trainer';
const [DOCUMENT, STYLE] = ['index.html', 'style.css'];
/** What the build left, without which the page does nothing. */
const SCRIPTS = ['trainer.js', 'train-worker.js', 'isolate.js', 'tessera.wasm'];

/** Scripts, styles and requests of its own server alone; pictures of its own making; WebAssembly. */
const policy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'";

const page = `<!doctype html>\n${
  html`<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="generator" content="Tessera" />
<meta http-equiv="Content-Security-Policy" content="${policy}" />
<title>Tessera trainer</title>
<link rel="icon" href="data:," />
<link rel="stylesheet" href="${STYLE}" />
<script type="module" src="${SCRIPTS[0]}"></script>
</head>
<body>
<header class="top"><span class="brand">Tessera trainer</span></header>
<main tabindex="-1"><noscript><p>Training needs scripts: allow them for this address.</p></noscript></main>
</body>
</html>`.markup
}\n`;

/**
 * Writes the page.
 * @param out a folder that is new or empty, or holds the page already, which is replaced
 * @param options.scripts where the build left the scripts
 * @returns its files
 * @throws UserError if the folder is another, or the scripts are not there
 */
export async function exportTrainer(
  out: string,
  { scripts = join(packageRoot(), 'dist', 'browser', 'trainer') }: { readonly scripts?: string } = {},
): Promise<readonly string[]> {
  const missing = SCRIPTS.find(name => !existsSync(join(scripts, name)));
  if (missing !== undefined) {
    throw new UserError('trainer', `expected the built page, got no ${join(scripts, missing)}`, 'npm run build');
  }
  const files = [DOCUMENT, STYLE, ...SCRIPTS];
  await beginWriting(out, { by: BY, what: 'the page of the trainer', files, own: await ownFiles(out, files) });
  for (const name of SCRIPTS) await writeAtomic(join(out, name), await readBytes(join(scripts, name)));
  await writeAtomic(join(out, STYLE), `${studioStyle()}${trainerStyle}`);
  await writeAtomic(join(out, DOCUMENT), page); // last: a folder with it is complete
  await endWriting(out);
  return files;
}

/** What of the files an earlier export wrote. */
async function ownFiles(out: string, files: readonly string[]): Promise<readonly string[]> {
  const path = join(out, DOCUMENT);
  if (!existsSync(path)) return [];
  const text = new TextDecoder().decode(await readBytes(path));
  return text.includes('<title>Tessera trainer</title>') ? files.filter(name => existsSync(join(out, name))) : [];
}
