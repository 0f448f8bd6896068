/**
 * @file `take.html`: the page that asks, as one file without anything from elsewhere. It works from a disk and from any host; its
 * policy of content allows its own scripts and its own style alone, by their hashes. What is a system's name is nowhere in it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Html, html } from '../../report/markup.ts';
import type { Study } from '../study.ts';
import { takeStyle } from './style.ts';

/** The scripts, in the order in which they need one another. */
const scripts = ['answers.js', 'screens.js', 'take.js'];

export interface TakePageOptions {
  /** Where answers are sent, below the page's own host; default: nowhere, they are downloaded. */
  readonly post?: string;
}

/** A page and the policy that it asks for, which a server sends too. */
export interface TakePage {
  readonly markup: string;
  readonly policy: string;
}

/**
 * The page of a study.
 * @param pictures PNG files by the names of the pictures
 */
export async function takePage(study: Study, pictures: ReadonlyMap<string, Uint8Array>): Promise<string> {
  return (await makeTakePage(study, pictures)).markup;
}

/** As `takePage`, for a server. */
export async function makeTakePage(
  study: Study,
  pictures: ReadonlyMap<string, Uint8Array>,
  { post }: TakePageOptions = {},
): Promise<TakePage> {
  const sources = await Promise.all(scripts.map(readScript));
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `script-src ${sources.map(hash).join(' ')}`,
    `style-src ${hash(takeStyle)}`,
    ...(post === undefined ? [] : ["connect-src 'self'"]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const { wording } = study;
  const page = html`<!DOCTYPE html>
<html lang="${wording.language}">
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="${policy}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="generator" content="Tessera" />
<meta name="referrer" content="no-referrer" />
<meta name="robots" content="noindex" />
<link rel="icon" href="data:," />
<title>${wording.title}</title>
<style>${raw(takeStyle)}</style>
</head>
<body>
<main class="words"><h1>${wording.loading}</h1></main>
<noscript><main class="words"><p>This page needs JavaScript.</p></main></noscript>
<script type="application/json" id="study">${raw(json(pageData(study, post)))}</script>
<script type="application/json" id="pictures">${raw(json(Object.fromEntries([...pictures].map(([id, bytes]) => [id, Buffer.from(bytes).toString('base64')]))))}</script>
${sources.map(source => html`<script>${raw(source)}</script>\n`)}</body>
</html>
`;
  return { markup: page.markup, policy };
}

/** A script as a browser hashes it: a page's ends of lines are line feeds, whatever the disk has. */
async function readScript(name: string): Promise<string> {
  const text = await readFile(new URL(`./browser/${name}`, import.meta.url), 'utf8');
  return text.replaceAll('\r\n', '\n');
}

/** What the page needs of a study. The seed is not among it. */
function pageData(study: Study, post: string | undefined): object {
  const { hash, images, trials, warmups, cannotTell, exposureMs, captions, mask, slots, wording } = study;
  return { hash, images, trials, warmups, cannotTell, exposureMs, captions, mask, slots, wording, post: post ?? null };
}

/** Of our own making. */
function raw(markup: string): Html {
  return { markup };
}

/** JSON that ends no script, whatever is in it. */
function json(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

/** As a policy of content names a script. */
function hash(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
}
