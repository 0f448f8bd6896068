/** @file From a study's folder to its report: answers with names again, what they show, and a page of it beside them. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { shellWord } from '../core/shell.ts';
import { writeAtomic } from '../io/atomic.ts';
import { readJson } from '../io/files.ts';
import { expectOutput } from '../io/outputs.ts';
import type { Section } from '../report/document.ts';
import { AnswerBook, resolveVotes } from './collect.ts';
import { analyseStudy } from './report/analyse.ts';
import { studyPage, studySection } from './report/page.ts';
import type { MetricValues, StudyResults } from './report/results.ts';
import { readKey, readStudy, type Study, type StudyKey, studyPaths } from './study.ts';

export interface ReportRequest {
  /** The folder of the study. */
  readonly study: string;
  /** The JSON of a comparison of the same runs, whose metrics are set beside what people say. */
  readonly metrics?: string;
  /** The time of the report. */
  readonly made: Date;
}

/** What the answers show, and the page that says so. */
export interface StudyReport {
  readonly page: string;
  readonly results: StudyResults;
}

/**
 * Analyses the answers of a study and writes `report.html`.
 * @throws UserError if there are no answers yet, or what is read is damaged or of something else
 */
export async function reportStudy({ study: folder, metrics, made }: ReportRequest): Promise<StudyReport> {
  const study = await readStudy(folder, 'study report');
  const key = await readKey(folder, study);
  const { report: page } = studyPaths(folder);
  await expectOutput('study report', page, { kind: 'page', named: false });
  const values = metrics === undefined ? [] : await readMetrics(metrics, key);
  const results = await analyseAnswers('study report', folder, { study, key, metrics: values });
  const flag = metrics === undefined ? '' : ` --metrics ${shellWord(metrics)}`;
  await writeAtomic(page, studyPage(results, { made, command: `tessera study report ${shellWord(folder)}${flag}` }));
  return { page, results };
}

/** What a study found, for the page of a comparison of its runs. */
export interface StudyOfRuns {
  readonly folder: string;
  readonly section: Section;
  readonly results: StudyResults;
  /** Runs of the comparison that nobody was asked about. */
  readonly unasked: readonly string[];
}

/**
 * What people said of runs.
 * @param runs folders of a comparison
 * @throws UserError if the study asked about none of them, there are no answers yet, or what is read is damaged
 */
export async function studyOfRuns(folder: string, runs: readonly string[]): Promise<StudyOfRuns> {
  const where = 'compare: --study';
  const study = await readStudy(folder, where);
  const key = await readKey(folder, study);
  const asked = new Set(key.systems.flatMap(({ run }) => (run === null ? [] : [resolve(run)])));
  const unasked = runs.filter(run => !asked.has(resolve(run)));
  if (unasked.length === runs.length) {
    throw new UserError(where, `${folder} asked people about none of these runs`, 'compare the runs of the study');
  }
  const results = await analyseAnswers(where, folder, { study, key, metrics: [] });
  return { folder, section: studySection(results), results, unasked };
}

/** @param where for errors */
async function analyseAnswers(
  where: string,
  folder: string,
  { study, key, metrics }: { readonly study: Study; readonly key: StudyKey; readonly metrics: readonly MetricValues[] },
): Promise<StudyResults> {
  const book = await AnswerBook.open(folder, study);
  if (book.count.raters === 0) {
    throw new UserError(
      where,
      `there are no answers in ${folder} yet`,
      `files of answers are taken by \`tessera study collect ${shellWord(folder)} answers-*.jsonl\``,
    );
  }
  const shown = Object.values(key.pictures).filter(({ control }) => control === null);
  const { hash, seed, questions, threshold, trials, images, cannotTell, exposureMs, wording } = study;
  const { systems, heldOut } = key;
  const captions = [...new Set(shown.map(({ caption }) => caption))];
  return analyseStudy(
    {
      ...{ hash, seed, questions, threshold, trials, images, cannotTell, exposureMs, wording },
      captions,
      systems,
      heldOut,
    },
    resolveVotes(book.answers, { study, key }),
    { metrics },
  );
}

/** What of a comparison is read. */
const comparisonSchema = z.object({
  format: z.literal('tessera-comparison-1'),
  runs: z.array(
    z.object({
      run: z.string(),
      name: z.string(),
      metrics: z.array(
        z.object({
          metric: z.string(),
          value: z.number().nullable(),
          row: z.enum(['samples', 'floor', 'reconstruction']),
          features: z.string().nullable(),
        }),
      ),
    }),
  ),
});

/**
 * The metrics of the study's systems: those of a run's samples, of other real images for `real` (the floor), and of
 * reconstructions for `copy`.
 */
async function readMetrics(path: string, key: StudyKey): Promise<MetricValues[]> {
  const parsed = comparisonSchema.safeParse(await readJson(path));
  if (!parsed.success) {
    throw new UserError(
      'study report: --metrics',
      `expected the JSON that \`tessera compare\` writes, got ${path}`,
      'it lies beside the page of the comparison',
    );
  }
  const found = new Map<string, { metric: string; features: string | null; values: Record<string, number> }>();
  let known = 0;
  for (const { name, run, family } of key.systems) {
    const row = name === 'real' ? 'floor' : family === null ? 'reconstruction' : 'samples';
    const compared = parsed.data.runs.find(
      other =>
        name === 'real' ||
        (run !== null && resolve(other.run) === resolve(run)) ||
        (family !== null && other.name === name),
    );
    if (compared === undefined) continue;
    if (row === 'samples') known++;
    for (const { metric, value, features, row: of } of compared.metrics) {
      if (of !== row || value === null) continue;
      const entry = found.get(`${metric} ${features}`) ?? { metric, features, values: {} };
      found.set(`${metric} ${features}`, entry);
      entry.values[name] ??= value;
    }
  }
  if (known > 0) return [...found.values()];
  throw new UserError(
    'study report: --metrics',
    `${path} compares none of the study's runs`,
    'compare the same runs: `tessera compare`',
  );
}
