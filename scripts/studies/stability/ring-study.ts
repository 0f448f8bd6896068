/**
 * @file Tier T1: trains every family at all rates and seeds, looks at its samples on the way, and writes the page. A
 * family that has been finished under the same settings is kept, so an interrupted study goes on where it stood.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { show } from '../../../src/config/schema.ts';
import { UserError } from '../../../src/core/errors.ts';
import { encodePng } from '../../../src/image/png.ts';
import { writeAtomic } from '../../../src/io/atomic.ts';
import { readJson, writeJson } from '../../../src/io/files.ts';
import { claimFolder } from '../../../src/io/ownfolder.ts';
import type { Session } from '../../../src/runs/session.ts';
import { Lanes } from './lanes.ts';
import { judge } from './ring.ts';
import { samplePanels, stabilityMap } from './ring-drawings.ts';
import type { Family } from './ring-families.ts';
import { ringPage } from './ring-page.ts';
import { type FamilyResult, familySchema, type RunResult, type Settings } from './ring-results.ts';

export interface RingOptions {
  /** In the order of the table. */
  readonly families: readonly Family[];
  readonly settings: Settings;
  /** A folder: README.md, map.png, samples.png, results.json, and a file for each family. */
  readonly out: string;
}

/** Shares of the training at which samples are looked at. */
const LOOKS = [0.125, 0.25, 0.5, 0.75, 1];
/** Samples at a look before the last. */
const GLANCE = 1000;
/** Samples of a run that are kept to be drawn. */
const KEPT = 400;

/** @returns whether all families are finished, rather than interrupted */
export async function runRing(session: Session, { families, settings, out }: RingOptions): Promise<boolean> {
  const { reporter } = session;
  await claimFolder(out, 'study.json', 'npm run stability, ring');
  await mkdir(join(out, 'families'), { recursive: true });
  const finished: FamilyResult[] = [];
  for (const [i, family] of families.entries()) {
    const path = join(out, 'families', `${family.name}.json`);
    const place = { index: i + 1, of: families.length };
    const before = await readFamily(path, settings);
    if (before !== undefined) {
      finished.push(before);
      reporter.skip(family.name, 'done before', place);
      continue;
    }
    reporter.stage(family.name, { ...place, total: settings.steps });
    const result = await runFamily(session, family, settings);
    if (result === undefined) break;
    await writeJson(path, result);
    finished.push(result);
    reporter.done(`${result.runs.filter(({ success }) => success).length} of ${result.runs.length} runs succeeded`);
    await writePage(finished, settings, out);
  }
  if (finished.length > 0) await writePage(finished, settings, out);
  return finished.length === families.length;
}

/** @throws UserError if the family was trained under other settings */
async function readFamily(path: string, settings: Settings): Promise<FamilyResult | undefined> {
  if (!existsSync(path)) return undefined;
  const result = familySchema.parse(await readJson(path));
  const names = Object.keys(settings) as (keyof Settings)[];
  const other = names.find(name => JSON.stringify(result.settings[name]) !== JSON.stringify(settings[name]));
  if (other === undefined) return result;
  throw new UserError(
    `stability: ${path}`,
    `expected a result with ${other} ${show(settings[other])}, got one with ${show(result.settings[other])}`,
    'give another --out, or take that folder away',
  );
}

/** Trains one family in all lanes. @returns undefined if interrupted */
async function runFamily(
  session: Pick<Session, 'reporter' | 'signal' | 'now'>,
  family: Family,
  settings: Settings,
): Promise<FamilyResult | undefined> {
  const { steps, batch, width, samples } = settings;
  const started = session.now();
  const lanes = Lanes.grid(settings.lrs, settings.seeds);
  const learner = family.make({ lanes, batch, width });
  const looks = [...new Set(LOOKS.map(share => Math.max(1, Math.round(share * steps))))];
  const histories = lanes.all.map((): RunResult['history'] => []);
  let last: RunResult[] = [];
  let points: FamilyResult['points'] = [];
  try {
    for (let step = 1; step <= steps; step++) {
      if (session.signal.aborted) return undefined;
      await learner.train(step - 1);
      session.reporter.update({ step });
      // Steps are synchronous: without this a signal would only be seen at the end.
      if (step % 20 === 0) await new Promise(resolve => setImmediate(resolve));
      if (!looks.includes(step)) continue;
      const count = step === steps ? samples : Math.min(GLANCE, samples);
      const made = await learner.sample(count);
      const values = (await made.data()) as Float32Array;
      made.dispose();
      const ofLane = (r: number) => values.subarray(r * count * 2, (r + 1) * count * 2);
      last = lanes.all.map(({ lr, seed }, r) => {
        const { finite, ...judged } = judge(ofLane(r));
        const { success, ...course } = judged;
        histories[r].push({ step, ...course });
        const finiteSoFar = finite && (last[r]?.finite ?? true);
        return { lr, seed, ...judged, finite: finiteSoFar, history: histories[r] };
      });
      points = lanes.all.flatMap(({ lr, seed }, r) =>
        seed === settings.seeds[0] ? [{ lr, xy: thousandths(ofLane(r).subarray(0, 2 * KEPT)) }] : [],
      );
    }
  } finally {
    learner.dispose();
    lanes.dispose();
  }
  const { name, label, kind, gan } = family;
  const game = gan && { loss: gan.loss, bend: gan.bend, r1: gan.r1, r2: gan.r2, predict: gan.predict };
  const seconds = (session.now() - started) / 1000;
  return { family: name, label, kind, gan: game, settings, seconds, runs: last, points };
}

/** Whole numbers; points that are not finite are left out. */
function thousandths(values: Float32Array): number[] {
  const xy: number[] = [];
  for (let i = 0; i < values.length; i += 2) {
    const pair = [Math.round(values[i] * 1000), Math.round(values[i + 1] * 1000)];
    if (pair.every(Number.isFinite)) xy.push(...pair);
  }
  return xy;
}

/** What was found, as JSON with a line for each run. */
export function resultsText(results: readonly FamilyResult[], settings: Settings): string {
  const lines = results.map(({ points: _, settings: __, runs, ...family }) => {
    const about = JSON.stringify(family).slice(0, -1); // open for the runs
    return `${about},"runs":[\n${runs.map(run => JSON.stringify(run)).join(',\n')}\n]}`;
  });
  return `{"settings":${JSON.stringify(settings)},"families":[\n${lines.join(',\n')}\n]}\n`;
}

async function writePage(results: readonly FamilyResult[], settings: Settings, out: string): Promise<void> {
  await writeAtomic(join(out, 'results.json'), resultsText(results, settings));
  await writeAtomic(join(out, 'map.png'), await encodePng(await stabilityMap(results, settings)));
  await writeAtomic(join(out, 'samples.png'), await encodePng(await samplePanels(results, settings)));
  await writeAtomic(join(out, 'README.md'), ringPage(results, settings));
}
