/** @file A comparison as one HTML page: which sections it has, and what they are called. */
import type { Finding, Report } from './contents.ts';
import { lossCurves, qualityCurves } from './curves.ts';
import { findingsList, renderDocument, type Section } from './document.ts';
import { html } from './markup.ts';
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

/** The whole page. @param more sections after the metrics */
export function renderPage(report: Report, more: readonly Section[] = []): string {
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
    ...more,
    { id: 'quality', short: 'Quality', title: 'Quality against the budget', body: qualityCurves(runs) },
    { id: 'losses', short: 'Losses', title: 'Losses', body: html`${lossWarning(runs)}${lossCurves(runs)}` },
    { id: 'stability', short: 'Stability', title: 'Stability of training', body: stabilityPanel(runs) },
    { id: 'cost', short: 'Cost', title: 'Cost of sampling', body: costTable(runs, backend) },
    { id: 'nearest', short: 'Nearest images', title: 'Nearest training images', body: nearestPanel(runs, data) },
  ];
  const findings: Section = {
    id: 'findings',
    short: 'Findings',
    title: 'Findings',
    body: html`<p class="soft">Made from the numbers below by fixed sentences; nothing here was written by hand.</p>
${findingsList(report.findings.map(({ topic, text }) => ({ topic: topics[topic], text })))}`,
  };
  const names = runs.map(({ name }) => name);
  const heading =
    names.length <= 4 ? names.join(' · ') : `${names.slice(0, 3).join(' · ')} and ${names.length - 3} more`;
  return renderDocument({
    title: `Comparison: ${heading}`,
    heading,
    lead: subtitle(report),
    sections: [findings, ...sections],
    footer: html`Made by <code>${report.command}</code> on ${report.made.slice(0, 10)}. The same content as data is in the JSON file beside this one.`,
  });
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
