/** @file `tessera compare`: runs of any family beside one another as a page, whose findings are printed. */

import { z } from 'zod';
import { counted } from '../../core/numbers.ts';
import type { CompareRequest, Comparison } from '../../runs/compare.ts';
import type { Session } from '../../runs/session.ts';
import type { StudyOfRuns } from '../../study/report-study.ts';
import { defineCommand } from '../command.ts';
import {
  count,
  engineFlags,
  file,
  folder,
  formatFlag,
  metricsFlag,
  path,
  seed,
  splitFlag,
  weights,
} from '../common-flags.ts';

export const compare = defineCommand({
  name: 'compare',
  summary: 'put runs beside one another on one page',
  examples: [
    'tessera compare runs/tokens runs/dcgan runs/diffusion --data datasets/emoji --out comparison.html',
    "tessera compare runs/a runs/b --captions 'red apple|blue heart'",
  ],
  aliases: { n: 'numImages' },
  positionals: [
    { name: 'RUN', description: 'runs of any family, trained on the same images', title: 'folder', many: true },
  ],
  result: {
    page: 'the HTML file',
    data: 'the JSON file beside it, with every number; null where the page went into a device',
    runs: 'folders, in their order',
    findings: 'what is concluded, each as topic and text',
  },
  flags: async () => {
    return z.object({
      out: file('the page; the same content as JSON goes beside it').default('comparison.html'),
      data: path('the images that the runs were trained on, to paint held-out captions and to measure').optional(),
      format: await formatFlag(),
      split: splitFlag('with --data: what is painted and measured; validation is what is held out (default)'),
      captions: z.string().optional().describe('captions to paint, separated by | (default: those of held-out images)'),
      captionsFile: file('captions to paint, one a line; -: standard input').optional(),
      study: folder('what people said of the runs becomes a section of the page: see `tessera study make`').optional(),
      metrics: await metricsFlag('with --data: measured of runs that have no result of it yet'),
      features: z.array(z.string()).min(1).default(['random']).describe('what the metrics look through, as for eval'),
      numImages: count('images painted by each run to measure').max(100000).default(256),
      reference: count('training images to compare with').max(100000).default(1000),
      seed: seed('the same seed paints the same images').default(0),
      weights,
      ...(await engineFlags()),
    });
  },
  run: async (session, { values, given, positionals, answer }) => {
    const { askedCaptions } = await import('../asked-captions.ts');
    const { captionsFile, study, ...rest } = values;
    const captions = await askedCaptions(session, {
      command: 'compare',
      text: ['--captions', rest.captions],
      file: ['--captions-file', captionsFile],
    });
    const people = study === undefined ? undefined : await peopleOf(session, study, positionals);
    const asked = { ...rest, named: given.out !== undefined, captions, people, runs: positionals };
    const { report, json } = await compareCommand(session, asked);
    answer({ page: rest.out, data: json ?? null, runs: positionals, findings: report.findings });
  },
});

/** What a study found of the runs, which is said where it does not know all of them. */
async function peopleOf({ reporter }: Session, study: string, runs: readonly string[]): Promise<StudyOfRuns> {
  const { studyOfRuns } = await import('../../study/report-study.ts');
  const people = await studyOfRuns(study, runs);
  if (people.unasked.length > 0) {
    reporter.message(`${study} asked nobody about ${people.unasked.join(', ')}`, { isWarning: true });
  }
  return people;
}

/** Compares and prints the findings. */
export async function compareCommand(session: Session, request: Omit<CompareRequest, 'made'>): Promise<Comparison> {
  const { compareRuns } = await import('../../runs/compare.ts');
  const comparison = await compareRuns(session, { ...request, made: new Date() });
  const { report, json } = comparison;
  for (const { text } of report.findings) session.print(text);
  const beside = json === undefined ? '' : `; the same as data in ${json}`;
  session.print(`${request.out}: ${counted(report.runs.length, 'run')} compared${beside}`);
  return comparison;
}
