/** @file Whether metrics say what people say: rank correlations over the systems that have both. */
import type { Random } from '../../core/random.ts';
import { kendall, rankTest, spearman } from '../../metrics/rank-correlation.ts';
import { measureOf } from '../../report/measures.ts';
import type { MetricCorrelation, MetricValues, QuestionResults } from './results.ts';

/** Two systems agree or they do not: no correlation. */
const FEWEST_SYSTEMS = 3;

/** Correlations of every question with every metric that three of its systems or more have a value of. */
export function correlate(
  questions: readonly QuestionResults[],
  metrics: readonly MetricValues[],
  random: Random,
): MetricCorrelation[] {
  return questions.flatMap(results => {
    const people = scoresOf(results);
    return metrics.flatMap(({ metric, features, values }): MetricCorrelation[] => {
      const systems = people.flatMap(({ name, score }) =>
        Object.hasOwn(values, name) && Number.isFinite(values[name])
          ? [{ name, people: score, value: values[name] }]
          : [],
      );
      if (systems.length < FEWEST_SYSTEMS) return [];
      const sign = measureOf(metric).better === 'lower' ? -1 : 1;
      const pairs = systems.map(each => [each.people, sign * each.value] as const);
      const p = rankTest(pairs, { random: random.fork(`${results.question}/${metric}`) });
      return [
        {
          question: results.question,
          metric,
          features,
          systems,
          spearman: spearman(pairs, FEWEST_SYSTEMS),
          kendall: kendall(pairs),
          p,
        },
      ];
    });
  });
}

/** What people made of each system: its strength, or how often its pictures were taken for real. */
function scoresOf({ strengths, singles }: QuestionResults): { readonly name: string; readonly score: number }[] {
  if (strengths !== null) return strengths.systems.map(({ system, log }) => ({ name: system, score: log }));
  return singles.map(({ system, share }) => ({ name: system, score: share }));
}
