/**
 * @file Tier T2: trains families on the thousand scenes over learning rates and seeds, each run for the same time or
 * the same images, reads what they paint with the oracle, and writes the page. Every stage leaves a file by which the
 * next start knows that it is done, so an interrupted study goes on where it stood.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { captionOf, drawMode, makeModes } from '../../../data/generators/modes.ts';
import type { RunConfig } from '../../../src/config/run.ts';
import { mergeConfig, show } from '../../../src/config/schema.ts';
import { UserError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import type { BackendName } from '../../../src/device/backends.ts';
import type { Precision } from '../../../src/device/native/native.ts';
import { loadPatchTokenizer } from '../../../src/families/transformer/patch-file.ts';
import { decodePicture } from '../../../src/image/decode.ts';
import { type Picture, paste } from '../../../src/image/images.ts';
import { encodePng } from '../../../src/image/png.ts';
import { writeAtomic } from '../../../src/io/atomic.ts';
import { readJson, writeJson } from '../../../src/io/files.ts';
import { readJsonLines } from '../../../src/io/jsonlines.ts';
import { claimFolder } from '../../../src/io/ownfolder.ts';
import { runPaths } from '../../../src/io/runfolder.ts';
import { openPainter } from '../../../src/runs/open-painter.ts';
import type { Session } from '../../../src/runs/session.ts';
import { trainRun } from '../../../src/runs/train.ts';
import { reconstructPictures } from '../../../tokenizer/codec.ts';
import { copyFirstStage, type FirstStage, firstBatch, measureSteps, secondsOf, stepsWithin } from '../../stages.ts';
import { type ModesFamily, modesConfig, SIDE } from './modes-families.ts';
import { modesPage, sampleSheet } from './modes-page.ts';
import {
  type ModesResult,
  type ModesSettings,
  type References,
  referencesSchema,
  resultSchema,
  stands,
} from './modes-results.ts';
import { K, scorePictures, wantedModes } from './modes-score.ts';
import { formatRate } from './ring-words.ts';

export interface ModesOptions {
  /** In the order of the table. */
  readonly families: readonly ModesFamily[];
  readonly settings: ModesSettings;
  readonly seeds: readonly number[];
  /** Learning rates of every family; or else its own, times each of `factors`. */
  readonly lrs?: readonly number[];
  readonly factors?: readonly number[];
  /** Where the scenes are drawn. */
  readonly data: string;
  /** Where the runs are trained. */
  readonly runs: string;
  /** Where the results go: README.md, a JSON file for each run, and a sheet of samples for each family. */
  readonly out: string;
  readonly backend: BackendName;
  readonly precision: 'auto' | Precision;
  /** Fields over the config of every family. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Pictures in a row of the sheet. */
const SHOWN = 16;

/** A norm that no gradient has. */
const UNCLIPPED = 1e6;

/** The seed of all painting. */
const PAINTING = 3;

/** @returns whether all runs are finished, rather than interrupted */
export async function runModes(session: Session, options: ModesOptions): Promise<boolean> {
  await claimFolder(options.out, 'study.json', 'npm run stability, modes');
  await claimFolder(options.runs, 'study.json', 'npm run stability, runs of modes');
  await mkdir(join(options.out, 'runs'), { recursive: true });
  const study = new Study(session, options);
  session.reporter.stage('scenes', { unit: 'images' });
  const onProgress = (step: number, total: number) => session.reporter.update({ step, total, amount: step });
  await makeModes({ out: options.data, perMode: options.settings.perMode, size: SIDE, onProgress });
  session.reporter.done();
  return study.run();
}

/** Steps of everything, settled before the first run and kept: a resumed study must not measure again. */
interface Plan {
  readonly budget: ModesSettings['budget'];
  readonly first: Partial<Record<FirstStage, number>>;
  readonly steps: Record<string, number>;
}

class Study {
  private readonly session: Session;
  private readonly options: ModesOptions;
  private readonly results: ModesResult[] = [];
  private references: References | undefined;

  constructor(session: Session, options: ModesOptions) {
    this.session = session;
    this.options = options;
  }

  async run(): Promise<boolean> {
    const { families, seeds, out } = this.options;
    for (const family of families) {
      const [steps, firstSeconds] = (await this.prepare(family)) ?? [];
      if (steps === undefined || firstSeconds === undefined) return false;
      this.references ??= await this.readReferences();
      for (const lr of this.rates(family)) {
        for (const seed of seeds) {
          const result = await this.one(family, { lr, seed, steps, firstSeconds });
          if (result === undefined) return false;
          this.results.push(result);
          await this.writePage();
        }
      }
    }
    this.session.print(join(out, 'README.md'));
    return true;
  }

  private config(family: ModesFamily, fields: Readonly<Record<string, unknown>> = {}): RunConfig {
    return modesConfig(modesConfigured(family, this.options.fields), fields);
  }

  private rates(family: ModesFamily): readonly number[] {
    const { lrs, factors = [1] } = this.options;
    const { lr } = this.config(family).train;
    return lrs ?? factors.map(factor => Number((lr * factor).toPrecision(3)));
  }

  /** Trains the stage that the family's runs share and settles their steps. @returns also the seconds of that stage */
  private async prepare(family: ModesFamily): Promise<[steps: number, firstSeconds: number] | undefined> {
    const { session, options } = this;
    const { runs, data, settings } = options;
    const { budget } = settings;
    const path = join(runs, 'plan.json');
    const plan: Plan = existsSync(path) ? ((await readJson(path)) as Plan) : { budget, first: {}, steps: {} };
    if (JSON.stringify(plan.budget) !== JSON.stringify(budget)) {
      throw new UserError(
        `stability: ${runs}`,
        `its runs were planned for ${JSON.stringify(plan.budget)}, not ${JSON.stringify(budget)}`,
        'give another --runs, or take that folder away',
      );
    }
    const { first, firstShare } = family;
    const shared = this.shared(first);
    const config = this.config(family);
    const field = first === 'patch' ? 'patchTrain' : 'textTrain';
    if (plan.first[first] === undefined) {
      const seconds = 'images' in budget ? 0 : (await this.measure(family, `probe-${first}`))?.[first];
      if (seconds === undefined) return undefined;
      plan.first[first] = stepsWithin(budget, firstShare, { seconds, images: firstBatch(config, first) });
      await writeJson(path, plan);
    }
    const firstSteps = { [field]: { steps: plan.first[first] } };
    if (!existsSync(runPaths(shared).weights.last)) {
      // Of the model itself one step, which nobody looks at: the stage before it is what is wanted.
      const brief = this.config(family, { ...firstSteps, train: { steps: 1 } });
      if (!(await trainRun(session, { data, out: shared, config: brief }))) return undefined;
    }
    if (plan.steps[family.name] === undefined) {
      const { family: stage } = config;
      const seconds =
        'images' in budget ? 0 : (await this.measure(family, `probe-${family.name}`, firstSteps))?.[stage];
      if (seconds === undefined) return undefined;
      plan.steps[family.name] = stepsWithin(budget, 1 - firstShare, { seconds, images: config.train.batchSize });
      await writeJson(path, plan);
    }
    return [plan.steps[family.name], secondsOf(runPaths(shared).metrics, first)];
  }

  /** Seconds a step. @param steps of a first stage that is trained: it is taken over, not measured */
  private async measure(family: ModesFamily, name: string, steps?: Readonly<Record<string, unknown>>) {
    const folder = join(this.options.runs, name);
    const config = this.config(family, steps);
    const trained = steps === undefined ? undefined : { first: family.first, from: this.shared(family.first) };
    return measureSteps(this.session, { config, data: this.options.data, folder, trained });
  }

  private shared(first: FirstStage): string {
    return join(this.options.runs, `shared-${first}`);
  }

  /** Trains and reads one run. @returns undefined if it was stopped */
  private async one(
    family: ModesFamily,
    { lr, seed, steps, firstSeconds }: { lr: number; seed: number; steps: number; firstSeconds: number },
  ): Promise<ModesResult | undefined> {
    const { options, session } = this;
    const name = `${family.name}-lr${formatRate(lr)}-seed${seed}`;
    const path = join(options.out, 'runs', `${name}.json`);
    const before = await readResult(path, options.settings);
    if (before !== undefined) {
      session.reporter.skip(name, 'done before');
      return before;
    }
    const out = join(options.runs, name);
    const checkEvery = Math.ceil(steps / options.settings.checks);
    const plan = (await readJson(join(options.runs, 'plan.json'))) as Plan;
    const config = this.config(family, {
      seed,
      [family.first === 'patch' ? 'patchTrain' : 'textTrain']: { steps: plan.first[family.first] },
      train: { steps, lr, evalEvery: checkEvery, saveEvery: checkEvery, sampleEvery: steps },
    });
    if (!existsSync(runPaths(out).config)) await copyFirstStage(family.first, this.shared(family.first), out);
    session.reporter.message(`${name}: ${steps} steps`);
    const looks = new Looks(out, options, steps);
    const finite = await this.train(out, config, looks);
    if (finite === undefined) return undefined;
    const checks = await looks.read();
    const { parameters, passes } = await looks.facts();
    const result: ModesResult = {
      ...{ family: family.name, label: family.label, kind: family.kind, without: family.without },
      ...{ lr, seed, settings: options.settings, steps, firstSeconds, parameters, passes, finite },
      seconds: secondsOf(runPaths(out).metrics, config.family),
      seen: steps * config.train.batchSize,
      checks,
      score: checks.at(-1)?.score ?? null,
    };
    await writeJson(path, result);
    const { score } = result;
    session.reporter.message(
      `${name}: ${score === null ? 'no look at it' : `${score.hit} of ${K} scenes, ${score.right} of ${score.images} as asked`}${finite ? '' : ', not finite'}, ${stands(result) ? 'stands' : 'does not stand'}`,
    );
    return result;
  }

  /** @returns whether all was finite; undefined if it was stopped */
  private async train(out: string, config: RunConfig, looks: Looks): Promise<boolean | undefined> {
    const { session, options } = this;
    const broken = () =>
      readJsonLines(runPaths(out).metrics).some(record => (record as { nonfinite?: number }).nonfinite !== undefined);
    if (broken()) return false; // interrupted after it
    const request = { data: options.data, out, config, onSave: (step: number) => looks.look(step) };
    try {
      return (await trainRun(session, request)) ? true : undefined;
    } catch (error) {
      // What stops for this stays stopped: it is a result.
      if (error instanceof UserError && broken()) return false;
      throw error;
    }
  }

  /** Real pictures through the oracle, and through the patch tokenizer and the oracle. */
  private async readReferences(): Promise<References> {
    const { out, settings, families } = this.options;
    const path = join(out, 'references.json');
    const first = families.find(family => family.first === 'patch');
    const folder = this.shared('patch');
    const possible = first !== undefined && existsSync(runPaths(folder).patch);
    if (existsSync(path)) {
      const known = referencesSchema.parse(await readJson(path));
      if (known.reconstruction !== null || !possible) return known;
    }
    const wanted = wantedModes(settings.images);
    const pictures = wanted.map(
      (mode, i): Picture => ({
        width: SIDE,
        height: SIDE,
        data: drawMode(mode, SIDE, new Random(PAINTING).fork('real', i)),
      }),
    );
    let reconstruction: References['reconstruction'] = null;
    if (possible) {
      const tokenizer = await loadPatchTokenizer(this.config(first), runPaths(folder).patch);
      const again = await reconstructPictures(tokenizer, pictures);
      tokenizer.dispose();
      reconstruction = scorePictures(again, wanted);
    }
    const references = { real: scorePictures(pictures, wanted), reconstruction };
    await writeJson(path, references);
    return references;
  }

  private async writePage(): Promise<void> {
    const { options, results, references } = this;
    const pictures: string[] = [];
    for (const family of options.families) {
      const own = results.filter(result => result.family === family.name);
      const rows = await Promise.all(
        own.map(async ({ lr, seed }) => {
          const strip = join(options.runs, `${family.name}-lr${formatRate(lr)}-seed${seed}`, 'strip.png');
          return existsSync(strip)
            ? [{ name: `${formatRate(lr)}, seed ${seed}`, pictures: await readStrip(strip) }]
            : [];
        }),
      );
      if (rows.flat().length === 0) continue;
      const name = `samples-${family.name}.png`;
      await writeAtomic(join(options.out, name), await encodePng(await sampleSheet(family.label, rows.flat())));
      pictures.push(name);
    }
    const { settings, families } = options;
    const clipped = families.filter(family => this.config(family).train.clip < UNCLIPPED).map(({ label }) => label);
    await writeAtomic(join(options.out, 'README.md'), modesPage(results, { settings, references, pictures, clipped }));
    await writeJson(join(options.out, 'results.json'), { settings, references, runs: results });
  }
}

/** Looks at a run while it trains: with every saved state it paints, reads and writes down what it saw. */
class Looks {
  private readonly run: string;
  private readonly options: ModesOptions;
  private readonly steps: number;

  constructor(run: string, options: ModesOptions, steps: number) {
    this.run = run;
    this.options = options;
    this.steps = steps;
  }

  async look(step: number): Promise<void> {
    const { settings, backend, precision } = this.options;
    const wanted = wantedModes(step === this.steps ? settings.images : settings.glance);
    const painter = await openPainter(this.run, { backend, precision });
    const pictures = await painter.paint(wanted.map(captionOf), { seed: PAINTING });
    const { parameters, passes } = painter;
    painter.dispose();
    // A resumed run makes steps again that it had looked at.
    const before = (await this.read()).filter(check => check.step < step);
    await writeJson(this.path, {
      parameters,
      passes,
      checks: [...before, { step, score: scorePictures(pictures, wanted) }],
    });
    await writeAtomic(join(this.run, 'strip.png'), await encodePng(strip(pictures.slice(0, SHOWN))));
  }

  async read(): Promise<ModesResult['checks']> {
    if (!existsSync(this.path)) return [];
    return resultSchema.pick({ checks: true }).parse(await readJson(this.path)).checks;
  }

  async facts(): Promise<Pick<ModesResult, 'parameters' | 'passes'>> {
    if (!existsSync(this.path)) return { parameters: null, passes: null };
    return resultSchema.pick({ parameters: true, passes: true }).parse(await readJson(this.path));
  }

  private get path(): string {
    return join(this.run, 'looks.json');
  }
}

/** The family with the study's own fields over the family's. */
function modesConfigured(family: ModesFamily, fields: ModesOptions['fields']): ModesFamily {
  // What the schema of the config takes apart again.
  return { ...family, fields: mergeConfig(family.fields, fields) as ModesFamily['fields'] };
}

/** @throws UserError if the run was trained or read under other settings */
async function readResult(path: string, settings: ModesSettings): Promise<ModesResult | undefined> {
  if (!existsSync(path)) return undefined;
  const result = resultSchema.parse(await readJson(path));
  const names = Object.keys(settings) as (keyof ModesSettings)[]; // of its own type
  const other = names.find(name => JSON.stringify(result.settings[name]) !== JSON.stringify(settings[name]));
  if (other === undefined) return result;
  throw new UserError(
    `stability: ${path}`,
    `expected a result with ${other} ${show(settings[other])}, got one with ${show(result.settings[other])}`,
    'give another --out, or take that folder away',
  );
}

/** Pictures side by side, without loss. */
function strip(pictures: readonly Picture[]): Picture {
  const row = { width: SIDE * pictures.length, height: SIDE, data: new Uint8Array(SIDE * SIDE * 3 * pictures.length) };
  for (const [i, picture] of pictures.entries()) paste(row, picture, i * SIDE, 0);
  return row;
}

async function readStrip(path: string): Promise<Picture[]> {
  const row = await decodePicture(await readFile(path), path);
  return Array.from({ length: row.width / SIDE }, (_, i) => {
    const picture = { width: SIDE, height: SIDE, data: new Uint8Array(SIDE * SIDE * 3) };
    paste(picture, row, -i * SIDE, 0);
    return picture;
  });
}
