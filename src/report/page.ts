/**
 * @file A comparison as one HTML page that needs nothing else: no network, no script, pictures and charts inside it.
 * The page forbids itself to load anything (Content-Security-Policy).
 */
import type { Finding, Report } from './contents.ts';
import { lossCurves, qualityCurves } from './curves.ts';
import { type Html, html } from './markup.ts';
import {
  budgetTable,
  costTable,
  lossWarning,
  metricsCharts,
  metricsTable,
  nearestPanel,
  sampleTable,
  stabilityPanel,
} from './panels.ts';
import { pageStyle } from './style.ts';

interface Section {
  readonly id: string;
  readonly title: string;
  /** In the navigation. */
  readonly short: string;
  readonly body: Html;
}

/** The whole page. */
export function renderPage(report: Report): string {
  const { runs, data, backend } = report;
  const sections: Section[] = [
    { id: 'budget', short: 'Budget', title: 'Who was compared, on what budget', body: budgetTable(runs) },
    { id: 'samples', short: 'Samples', title: 'Samples', body: sampleTable(report) },
    {
      id: 'metrics',
      short: 'Metrics',
      title: 'Metrics',
      body: html`${metricsCharts(runs)}${metricsTable(runs, data)}`,
    },
    { id: 'quality', short: 'Quality', title: 'Quality against the budget', body: qualityCurves(runs) },
    { id: 'losses', short: 'Losses', title: 'Losses', body: html`${lossWarning(runs)}${lossCurves(runs)}` },
    { id: 'stability', short: 'Stability', title: 'Stability of training', body: stabilityPanel(runs) },
    { id: 'cost', short: 'Cost', title: 'Cost of sampling', body: costTable(runs, backend) },
    { id: 'nearest', short: 'Nearest images', title: 'Nearest training images', body: nearestPanel(runs, data) },
  ];
  const names = runs.map(({ name }) => name);
  const title = names.length <= 4 ? names.join(' · ') : `${names.slice(0, 3).join(' · ')} and ${names.length - 3} more`;
  // The style sheet is ours and holds nothing that needs escaping.
  const css: Html = { markup: pageStyle() };
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
  const page = html`<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy" content="${policy}" />
<meta name="generator" content="Tessera" />
<title>Comparison: ${title}</title>
<style>${css}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p class="lead">${subtitle(report)}</p>
</header>
<nav aria-label="sections"><a href="#findings">Findings</a>${sections.map(({ id, short }) => html`<a href="#${id}">${short}</a>`)}</nav>
<main>
<section id="findings"><h2>Findings</h2>
<p class="soft">Made from the numbers below by fixed sentences; nothing here was written by hand.</p>
${findingsList(report.findings)}</section>
${sections.map(({ id, title: name, body }) => html`<section id="${id}"><h2>${name}</h2>\n${body}</section>\n`)}</main>
<footer>Made by <code>${report.command}</code> on ${report.made.slice(0, 10)}. The same content as data is in the JSON file beside this one.</footer>
</body>
</html>`;
  return `<!DOCTYPE html>\n${page.markup}\n`;
}

function subtitle({ runs, data, imageSize, backend, seed }: Report): string {
  const families = new Set(runs.map(({ family }) => family)).size;
  const facts = [
    `${runs.length} ${runs.length === 1 ? 'run' : 'runs'} of ${families} ${families === 1 ? 'family' : 'families'}`,
    `${imageSize} × ${imageSize} pixels`,
    ...(data === null ? [] : [`data ${data}`]),
    ...(backend === null ? [] : [`painted on ${backend}, seed ${seed}`]),
  ];
  return facts.join(' · ');
}

const topics = {
  budget: 'Budget',
  quality: 'Quality',
  ceiling: 'Ceiling',
  stability: 'Stability',
  overfitting: 'Over-fitting',
  memorisation: 'Memorisation',
  cost: 'Sampling',
} as const satisfies Record<Finding['topic'], string>;

function findingsList(findings: readonly Finding[]): Html {
  const present = [...new Set(findings.map(({ topic }) => topic))];
  return html`<dl class="findings">${present.map(topic => {
    const texts = findings.filter(finding => finding.topic === topic);
    return html`<dt>${topics[topic]}</dt><dd>${texts.map(({ text }) => html`<p>${text}</p>`)}</dd>\n`;
  })}</dl>`;
}
