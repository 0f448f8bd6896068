/** @file What the page of a run tells beside its curves: settings, plan, engine, who trains it, what it paints with, and a verdict. */
import { existsSync } from 'node:fs';
import type { RunConfig } from '../../../config/run.ts';
import { fieldsOf, flattenConfig } from '../../../config/schema.ts';
import { shellWord } from '../../../core/shell.ts';
import { ownSections, runSchema } from '../../../families/config.ts';
import { familyOf } from '../../../families/families.ts';
import { type StageName, stageTitles } from '../../../families/family.ts';
import { holderOf } from '../../../io/lock.ts';
import { readMark } from '../../../io/ownfolder.ts';
import { weightKinds } from '../../../io/runfiles.ts';
import { chooseWeights, runPaths } from '../../../io/runfolder.ts';
import { readHistory } from '../../../report/history.ts';
import { verdictOf } from '../../../report/verdicts.ts';
import { readPlan } from '../../../runs/plan/kept.ts';
import type { Place } from '../library.ts';
import type { Judgement, PaintSettings, RunCard, RunDetail, RunState, Setting } from '../messages.ts';
import { isPreparing } from './card.ts';
import { judgementOf } from './judgement.ts';
import type { RunLog } from './log.ts';
import type { Watched } from './watched.ts';

/** @throws UserError if its config cannot be read */
export async function detailOf({ place, config, log }: Watched, card: RunCard): Promise<RunDetail> {
  const paths = runPaths(place.folder);
  const family = familyOf(config.family);
  const plan = await readPlan(paths.plan).catch(() => undefined);
  const names = [...family.stages.filter(stage => stage !== 'captions'), family.name];
  const stages = names.map(name => {
    const planned = plan?.stages[name === family.name ? 'model' : (name as StageName)];
    return { name, title: titleOf(name), seconds: planned?.seconds ?? null };
  });
  const engine = await readMark(paths.engine);
  const notes = log.records().flatMap(({ note }) => (typeof note === 'string' ? [note] : []));
  return {
    ...(await stateOf({ place, config, log }, card)),
    path: place.path,
    settings: settingsOf(config),
    command:
      place.isShipped === true
        ? `tessera train --from ${shellWord(place.name)} --data DATA --out RUN`
        : `tessera train --data DATA --out ${shellWord(place.path)}`,
    stages,
    engine: engine === undefined ? null : { backend: String(engine.backend), precision: String(engine.precision) },
    notes: [...new Set(notes)],
    paint: card.canPaint ? paintSettings(place, config) : null,
    loss: family.words.loss,
  };
}

/** What a stage is called. */
export function titleOf(stage: string): string {
  return stageTitles[stage as StageName] ?? familyOf(stage).words.title;
}

/** What of a run changes while it is trained. */
export async function stateOf({ place, config, log }: Watched, card: RunCard): Promise<RunState> {
  const paths = runPaths(place.folder);
  const holder = card.live ? await holderOf(paths.lock).catch(() => undefined) : undefined;
  const stage = card.stage === null ? undefined : log.stages.get(card.stage);
  const [first, last] = [stage?.pace[0], stage?.pace.at(-1)];
  const paced = first !== undefined && last !== undefined && last.step > first.step;
  const pace = paced ? (last.seconds - first.seconds) / (last.step - first.step) : null;
  const left = holder === undefined || pace === null ? null : Math.max(0, card.steps - card.step) * pace;
  return {
    card,
    judgement: judge(config, log),
    trainer: holder === undefined ? null : { pid: holder.pid, host: holder.host },
    left,
    after: await plannedAfter(place, config, card.stage),
  };
}

/** Seconds that the stages after one were planned to take; null where that is not known. */
async function plannedAfter(place: Place, config: RunConfig, stage: string | null): Promise<number | null> {
  const family = familyOf(config.family);
  if (stage === family.name) return 0;
  const plan = await readPlan(runPaths(place.folder).plan).catch(() => undefined);
  if (plan === undefined || stage === null) return null;
  const later = family.stages.slice(family.stages.indexOf(stage as StageName) + 1);
  const seconds = [...later, 'model' as const].map(name => plan.stages[name]?.seconds);
  return seconds.reduce<number | null>((sum, each) => (sum === null || each === undefined ? null : sum + each), 0);
}

/** Verdicts on logs as they were read so far. */
const judged = new WeakMap<RunLog, { readonly end: string; readonly judgement: Judgement | null }>();

function judge(config: RunConfig, log: RunLog): Judgement | null {
  if (![...log.stages.keys()].some(name => !isPreparing(name))) return null;
  const end = `${log.epoch}:${log.end}`;
  const known = judged.get(log);
  if (known?.end === end) return known.judgement;
  const judgement = judgementOf(verdictOf(readHistory(log.records(), config, { weights: 'ema' }), config));
  judged.set(log, { end, judgement });
  return judgement;
}

function settingsOf(config: RunConfig): Setting[] {
  const described = new Map(fieldsOf(runSchema()).fields.map(field => [field.path.join('.'), field]));
  return Object.entries(flattenConfig(ownSections(config))).map(([name, value]) => {
    const field = described.get(name);
    const isChosen = JSON.stringify(value) !== JSON.stringify(field?.default);
    return { name, value, description: field?.description ?? '', isChosen };
  });
}

function paintSettings({ folder }: Place, config: RunConfig): PaintSettings {
  const { weights } = runPaths(folder);
  const { sampling, piecewise = false } = familyOf(config.family);
  return {
    sampling: sampling(config),
    weights: weightKinds.filter(kind => existsSync(weights[kind])),
    chosen: chooseWeights(folder),
    imageSize: config.images.imageSize,
    grid: piecewise ? gridOf(config) : null,
    piecewise,
    ...(hasGuidance(config) ? {} : { noGuidance: 'it was trained without leaving captions out (captionDrop 0)' }),
  };
}

/** Whether captions were left out in training, without which nothing is known of a picture of no caption. */
function hasGuidance(config: RunConfig): boolean {
  const drops = Object.entries(flattenConfig(ownSections(config))).filter(([name]) => name.endsWith('.captionDrop'));
  return drops.every(([, share]) => share !== 0);
}

/** Codes along a side, where the config has them. */
function gridOf(config: object): number | null {
  const { patch } = config as { readonly patch?: { readonly grid?: unknown } };
  return typeof patch?.grid === 'number' ? patch.grid : null;
}
