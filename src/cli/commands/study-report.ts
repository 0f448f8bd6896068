/** @file `tessera study report`: what the answers of a study show, as lines, as a page and as JSON. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { file } from '../common-flags.ts';

export const studyReport = defineCommand({
  name: 'study report',
  summary: 'say what the answers of a study show',
  examples: [
    'tessera study report studies/first',
    'tessera study report studies/first --metrics comparison.json --json',
  ],
  positionals: [{ name: 'STUDY', description: 'the folder of a study', title: 'folder' }],
  result: {
    study: 'the folder',
    page: 'the HTML file',
    findings: 'what is concluded, each as topic and text',
    results: 'every number: raters, questions with pairs, strengths and agreement, correlations with metrics',
  },
  flags: () =>
    z.object({
      metrics: file('the JSON of a comparison of the same runs: how its metrics agree with people').optional(),
    }),
  run: async (session, { values: { metrics }, positionals: [study], answer }) => {
    const { reportStudy } = await import('../../study/report-study.ts');
    const { studyLines } = await import('../../study/report/lines.ts');
    const { findingsOf } = await import('../../study/report/findings.ts');
    const { page, results } = await reportStudy({ study, metrics, made: new Date() });
    for (const line of studyLines(results)) session.print(line);
    session.print(page);
    answer({ study, page, findings: findingsOf(results), results });
  },
});
