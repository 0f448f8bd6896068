/**
 * @file `npm run combinations`: how much of 200 captions a run paints whose words are common and whose combination no emoji has: a
 * colour and a thing, a person's work, hair and tone, a thing in a style that has not drawn it (combinations.txt). A picture counts as right
 * if a network of `tessera features`, which must not have chosen it, finds its own caption nearer than those of all others of its kind. All
 * pictures go onto one sheet, none left out.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { runProgram } from '../../src/cli.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { encodePng } from '../../src/image/png.ts';
import { type Cell, drawSheet } from '../../src/image/sheet.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { wilson } from '../../src/metrics/intervals.ts';
import { matrix } from '../../src/metrics/matrix.ts';
import { rPrecision } from '../../src/metrics/rprecision.ts';
import { expectOtherJudge } from '../../src/runs/evaluate.ts';
import { paintCaptions } from '../../src/runs/evaluation/gather.ts';
import { openNamedFeatures } from '../../src/runs/open-features.ts';
import { openPainter } from '../../src/runs/open-painter.ts';
import { chosenRanker, loadRanker } from '../../src/runs/rerank.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { type Session, startEngine } from '../../src/runs/session.ts';

/** How many lines of the file are of which kind, in its order. */
const kinds = [
  { name: 'colour and thing', count: 110 },
  { name: 'work, hair and tone', count: 50 },
  { name: 'thing and style', count: 40 },
] as const;

const flags = z.object({
  run: z.string().optional().describe('default: the model that comes with Tessera').meta({ title: 'folder' }),
  judge: z.string().describe('of `tessera features`: looks at the pictures').meta({ title: 'folder' }),
  out: z.string().default('combinations.png').describe('the sheet').meta({ title: 'file' }),
  seed: z.number().int().min(0).default(0),
  temperature: z.number().min(0).optional().describe("default: the run's"),
  cfgScale: z.number().min(0).optional().describe("default: the run's"),
  bestOf: z.number().int().positive().optional().describe('paint so many of each and keep the one that fits best'),
  rerank: z.string().optional().describe('what chooses it; default: what came with the run').meta({ title: 'folder' }),
});

/** The 200 captions. */
function combinations(): string[] {
  return readFileSync(join(packageRoot(), 'scripts', 'studies', 'combinations.txt'), 'utf8')
    .trimEnd()
    .split('\n');
}

async function study(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { run = shippedModel(), judge: folder, out, seed, temperature, cfgScale, bestOf } = values;
  await startEngine(session, { backend: 'auto', precision: 'auto' });
  const rankedBy = chosenRanker({ ...values, run }, 'combinations');
  await expectOtherJudge({ run, features: [folder] }, rankedBy);
  const judge = await openNamedFeatures(folder);
  if (judge.text === undefined)
    throw new UserError('--judge', `expected a folder of \`tessera features\`, got ${folder}`);
  const captions = combinations();
  const painter = await openPainter(run);
  const ranker = rankedBy === undefined ? undefined : await loadRanker(rankedBy);
  const settings = { temperature, cfgScale };
  const how = { count: captions.length, seed, settings, bestOf, ranker };
  const { pictures } = await paintCaptions(session, painter, captions, how);
  const d = judge.dimension;
  const [rows, texts] = [await judge.images(pictures), await judge.text(captions)];
  const isRight = new Array<boolean>(captions.length);
  let from = 0;
  for (const { name, count } of kinds) {
    const own = captions.slice(from, from + count);
    const part = (values: Float64Array) => matrix(values.slice(from * d, (from + count) * d), d);
    const pool = { captions: own, features: part(texts) };
    const right = rPrecision(part(rows), own, pool, { random: new Random(0), distractors: count - 1 });
    right.forEach((r, i) => {
      isRight[from + i] = r === 1;
    });
    say(session, name, [...right]);
    from += count;
  }
  say(session, 'all', isRight.map(Number));
  const cells = captions.map(
    (caption, i): Cell => ({ picture: pictures[i], label: `${isRight[i] ? '+ ' : ''}${caption}` }),
  );
  const headings = kinds.map(({ name }, i) => ({
    before: kinds.slice(0, i).reduce((sum, { count }) => sum + count, 0),
    text: name,
  }));
  const asked = Object.entries({ temperature, guidance: cfgScale, 'best of': bestOf }).filter(
    ([, value]) => value !== undefined,
  );
  const otherwise = asked.map(([name, value]) => `, ${name} ${value}`).join('');
  const note = `step ${painter.step}, ${painter.settings}${otherwise}, seed ${seed}; +: found nearest to its own caption`;
  const sheet = await drawSheet(cells, {
    columns: 20,
    title: 'Combinations that nothing was trained on',
    note,
    headings,
  });
  await writeAtomic(out, await encodePng(sheet));
  session.print(out);
  painter.dispose();
  await ranker?.dispose();
  await judge.dispose();
}

function say(session: Session, name: string, right: readonly number[]): void {
  const hits = right.reduce((sum, r) => sum + r, 0);
  const [low, high] = wilson(hits, right.length);
  const shares = [hits / right.length, low, high].map(share => share.toFixed(2));
  session.print(`${name.padEnd(20)} ${hits} of ${right.length}  ${shares[0]} [${shares[1]}, ${shares[2]}]`);
}

await runProgram(
  {
    name: 'combinations',
    summary: 'paint 200 combinations that no emoji has, and count those that can be told',
    examples: ['npm run combinations -- --judge features/emoji --best-of 8'],
    flags: () => flags,
    run: (session, { values }) => study(session, values),
  },
  process.argv.slice(2),
);
