/**
 * @file `npx tsx scripts/studies/preference-coverage.ts [RUNS]`: simulates human studies whose truth is known, and counts how often
 * the intervals of docs/metrics.md hold it, and how often the test finds what is not there. Prints a line a design.
 */
import { Random } from '../../src/core/random.ts';
import { binomialTest, clopperPearson } from '../../src/metrics/preference/binomial.ts';
import { clusterShare } from '../../src/metrics/preference/share.ts';

/** Raters, captions, captions that each rater judges; spread of tastes and of merits, in log-odds; log-odds of the mean. */
const DESIGNS: readonly (readonly [number, number, number, number, number, number])[] = [
  [10, 30, 30, 0, 0, 0.5],
  [10, 30, 30, 0.5, 0.5, 0.5],
  [10, 30, 30, 1, 1, 0.5],
  [20, 40, 40, 0.7, 0.7, 0.5],
  [20, 40, 10, 0.5, 0.7, 0.5],
  [5, 20, 4, 0.5, 0.7, 0.5],
  [5, 20, 20, 0.5, 0.7, 0.5],
  [30, 20, 20, 0.5, 1, 0.5],
  [8, 20, 5, 0.5, 0.7, 1.5],
  [12, 60, 20, 0.3, 0.3, 0.5],
  [1, 60, 60, 0, 0.7, 0.5],
  [3, 60, 60, 0.5, 0.7, 0.5],
];

/** Fewer than a report has: what is simulated often need not be resampled often. */
const RESAMPLES = 400;

interface Design {
  readonly raters: number;
  readonly captions: number;
  readonly each: number;
  readonly taste: number;
  readonly merit: number;
}

/** Votes of one study. @param mean log-odds of the first of two systems, of an average rater on an average caption */
function simulate({ raters, captions, each, taste, merit }: Design, mean: number, random: Random) {
  const tastes = random.normals(raters, taste);
  const merits = random.normals(captions, merit);
  const order = random.permutation(captions);
  const votes = { values: [] as number[], raters: [] as string[], items: [] as string[] };
  for (let vote = 0; vote < raters * each; vote++) {
    const [rater, item] = [Math.floor(vote / each), order[vote % captions]];
    const share = 1 / (1 + Math.exp(-(mean + tastes[rater] + merits[item])));
    votes.values.push(random.uniform() < share ? 1 : 0);
    votes.raters.push(String(rater));
    votes.items.push(String(item));
  }
  return votes;
}

/** The share over all raters and captions that there might be. */
function truth({ taste, merit }: Design, mean: number): number {
  let [sum, weights] = [0, 0];
  for (let z = -8; z <= 8; z += 0.005) {
    const density = Math.exp((-z * z) / 2);
    sum += density / (1 + Math.exp(-(mean + Math.hypot(taste, merit) * z)));
    weights += density;
  }
  return sum / weights;
}

const runs = Number(process.argv[2] ?? 600);
const percent = (count: number) => `${((100 * count) / runs).toFixed(1)}%`;
for (const [index, [raters, captions, each, taste, merit, mean]] of DESIGNS.entries()) {
  const design = { raters, captions, each, taste, merit };
  const share = truth(design, mean);
  const counts = { held: 0, heldExact: 0, alarms: 0, alarmsExact: 0 };
  for (let run = 0; run < runs; run++) {
    const random = new Random(1).fork(`design ${index}`, run);
    const votes = simulate(design, mean, random);
    const found = clusterShare(votes.values, votes, { random, resamples: RESAMPLES });
    const wins = votes.values.reduce((sum, value) => sum + value, 0);
    const exact = clopperPearson(wins, votes.values.length);
    if (found.low <= share && share <= found.high) counts.held++;
    if (exact[0] <= share && share <= exact[1]) counts.heldExact++;
    const none = simulate(design, 0, random);
    const exactP = binomialTest(none.values.filter(value => value === 1).length, none.values.length);
    if ((clusterShare(none.values, none, { random, resamples: RESAMPLES }).p ?? exactP) < 0.05) counts.alarms++;
    if (exactP < 0.05) counts.alarmsExact++;
  }
  console.log(
    `${raters} raters, ${each} of ${captions} captions each, spreads ${taste} and ${merit}: ` +
      `held ${percent(counts.held)} (independent ${percent(counts.heldExact)}), ` +
      `false alarms ${percent(counts.alarms)} (${percent(counts.alarmsExact)})`,
  );
}
