/**
 * @file One HTML page that needs nothing else: no network, no script, pictures and charts inside it. The page forbids itself
 * to load anything (Content-Security-Policy). What its sections are about, others know.
 */
import { type Html, html } from './markup.ts';
import { pageStyle } from './style.ts';

export interface Section {
  readonly id: string;
  readonly title: string;
  /** In the navigation. */
  readonly short: string;
  readonly body: Html;
}

export interface Document {
  /** Of the window. */
  readonly title: string;
  readonly heading: string;
  readonly lead: string;
  readonly sections: readonly Section[];
  readonly footer: Html;
}

/** The whole page. */
export function renderDocument({ title, heading, lead, sections, footer }: Document): string {
  // The style sheet is ours and holds nothing that needs escaping.
  const css: Html = { markup: pageStyle() };
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
  const page = html`<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy" content="${policy}" />
<meta name="generator" content="Tessera" />
<title>${title}</title>
<style>${css}</style>
</head>
<body>
<header>
<h1>${heading}</h1>
<p class="lead">${lead}</p>
</header>
<nav aria-label="sections">${sections.map(({ id, short }) => html`<a href="#${id}">${short}</a>`)}</nav>
<main>
${sections.map(({ id, title: name, body }) => html`<section id="${id}"><h2>${name}</h2>\n${body}</section>\n`)}</main>
<footer>${footer}</footer>
</body>
</html>`;
  return `<!DOCTYPE html>\n${page.markup}\n`;
}

/** Sentences under their topics. */
export function findingsList(findings: readonly { readonly topic: string; readonly text: string }[]): Html {
  const present = [...new Set(findings.map(({ topic }) => topic))];
  return html`<dl class="findings">${present.map(topic => {
    const texts = findings.filter(finding => finding.topic === topic);
    return html`<dt>${topic}</dt><dd>${texts.map(({ text }) => html`<p>${text}</p>`)}</dd>\n`;
  })}</dl>`;
}
