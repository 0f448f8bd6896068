/**
 * @file The document of the page that paints: in a folder, with its parts beside it, or as one file that has them all in it. Its
 * policy of content allows its own parts alone, so that nothing is loaded from, or sent to, anywhere else.
 */
import { createHash } from 'node:crypto';
import { type Html, html } from '../../report/markup.ts';
import { FACTS_ID, type PageFacts } from './facts.ts';

/** Names of the parts in a folder. */
export const PAGE_SCRIPT = 'page.js';
export const PAGE_STYLE = 'style.css';

/** The page of a folder. */
export function folderDocument(facts: PageFacts): string {
  const policy = [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    ...closed,
  ];
  const head = html`<link rel="stylesheet" href="${PAGE_STYLE}" />`;
  return whole({ facts, policy, head, end: html`<script src="${PAGE_SCRIPT}"></script>` });
}

export interface SingleParts {
  readonly script: string;
  readonly style: string;
  /** By their names; they stand in the page in base 64. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The page that is one file. */
export function singleDocument(facts: PageFacts, { script, style, files }: SingleParts): string {
  const code = script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const policy = [
    "default-src 'none'",
    `script-src ${hash(code)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    'img-src data: blob:',
    'connect-src data:',
    'worker-src blob:',
    ...closed,
  ];
  const inline = [...files].map(([name, bytes]) => {
    const text = Buffer.from(bytes).toString('base64');
    return html`<script type="text/plain" id="file:${name}">${raw(text)}</script>\n`;
  });
  const end = html`${inline}<script>${raw(code)}</script>`;
  return whole({ facts, policy, head: html`<style>${raw(style)}</style>`, end });
}

const closed = ["base-uri 'none'", "form-action 'none'"];

function whole(parts: {
  readonly facts: PageFacts;
  readonly policy: readonly string[];
  readonly head: Html;
  readonly end: Html;
}): string {
  const { facts, policy, head, end } = parts;
  const title = `Paint with ${facts.run}`;
  const page = html`<html lang="en">
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="generator" content="Tessera" />
<meta name="referrer" content="no-referrer" />
<meta name="description" content="Say what to paint, and a small neural network paints it in your browser, tile by tile." />
<title>${title}</title>
<link rel="icon" href="${ICON}" />
${head}
</head>
<body>
<header class="top"><span class="brand">Tessera</span><span class="where">model: ${facts.run}</span></header>
<main class="painter"><noscript><p>The page paints by a script: allow JavaScript for it.</p></noscript></main>
<script type="application/json" id="${FACTS_ID}">${raw(JSON.stringify(facts).replaceAll('<', '\\u003c'))}</script>
${end}
</body>
</html>`;
  return `<!doctype html>\n${page.markup}\n`;
}

/** Four tiles. */
const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="7" height="7" rx="1" fill="#e69f00"/><rect x="9" width="7" height="7" rx="1" fill="#56b4e9"/><rect y="9" width="7" height="7" rx="1" fill="#009e73"/><rect x="9" y="9" width="7" height="7" rx="1" fill="#d55e00"/></svg>',
)}`;

/** Of our own making. */
function raw(markup: string): Html {
  return { markup };
}

function hash(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
}
