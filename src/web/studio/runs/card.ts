/**
 * @file The card of a run: from its config, the last lines of its log, and what its state remembers. Costs a few small reads,
 * however long the log is; kept until one of these files changes.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { familyOf } from '../../../families/families.ts';
import { type Family, type StageName, stageNames, stageTitles } from '../../../families/family.ts';
import { holderOf } from '../../../io/lock.ts';
import { readMark } from '../../../io/ownfolder.ts';
import { weightKinds } from '../../../io/runfiles.ts';
import { runPaths } from '../../../io/runfolder.ts';
import { loadState } from '../../../io/state.ts';
import { sectionOf as trainedBy } from '../../../runs/plan/costs.ts';
import type { Library, Place } from '../library.ts';
import type { RunCard } from '../messages.ts';
import { findLastRecord, linesBackTo } from './tail.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Cards by the runs' real paths, as they were at a state of their files. */
export class Cards {
  private readonly library: Pick<Library, 'real'>;
  private readonly kept = new Map<string, { readonly state: string; readonly card: RunCard }>();

  constructor(library: Pick<Library, 'real'>) {
    this.library = library;
  }

  async of(place: Place): Promise<RunCard> {
    const { config, metrics, modelState, lock } = runPaths(place.folder);
    const log = await this.library.real(place, metrics);
    const live = (await holderOf(lock).catch(() => undefined)) !== undefined;
    const looked = [config, log, join(modelState, 'current'), place.folder];
    const stats = await Promise.all(
      looked.map(async path => (path === undefined ? undefined : await stat(path).catch(() => undefined))),
    );
    const state = stats.map(found => `${found?.mtimeMs}/${found?.size}`).join();
    const kept = this.kept.get(place.folder);
    if (kept?.state === state) return { ...kept.card, live };
    const at = Math.max(...stats.slice(0, 3).map(found => found?.mtimeMs ?? 0));
    const logged = log === undefined ? undefined : { path: log, size: stats[1]?.size ?? 0 };
    const card = await makeCard(place, { live, at: new Date(at).toISOString(), logged });
    this.kept.set(place.folder, { state, card });
    return card;
  }
}

interface Seen {
  readonly live: boolean;
  readonly at: string;
  /** Its log; undefined where there is none. */
  readonly logged: { readonly path: string; readonly size: number } | undefined;
}

async function makeCard({ id, name, folder, isShipped }: Place, { live, at, logged }: Seen): Promise<RunCard> {
  const paths = runPaths(folder);
  const bare = {
    id,
    name,
    family: '',
    title: '',
    stage: null,
    stageTitle: '',
    step: 0,
    steps: 0,
    rate: null,
    live,
    best: null,
    at,
  };
  const nothing = {
    ...bare,
    isShipped,
    unit: 'images',
    judgedBy: 'held-out loss',
    hasSamples: false,
    canPaint: false,
  } as const;
  const config = await readMark(paths.config);
  if (config === undefined) return { ...nothing, problem: 'its config.json cannot be read' };
  const family = knownFamily(config.family);
  if (typeof family === 'string') return { ...nothing, family: String(config.family ?? ''), problem: family };
  const lines = logged === undefined ? [] : await linesBackTo(logged.path, logged.size, isOfTraining).catch(() => []);
  const last = findLastRecord(lines, isOfTraining);
  const stage = last === undefined ? null : String(last.stage);
  const saved = await savedState(stageState(paths, stage));
  const rates = findLastRecord(lines, record => record.stage === stage && 'lr' in record) ?? {};
  return {
    ...nothing,
    family: family.name,
    title: isFeatures(family, stage) ? 'network that judges pictures' : family.words.title,
    stage,
    stageTitle: stage === null ? '' : (stageTitles[stage as StageName] ?? family.words.title),
    step: Number(last?.step ?? 0),
    steps: numberOf(saved.steps) ?? stepsOf(config, stage) ?? 0,
    rate: numberOf(rates.tokensPerSecond) ?? numberOf(rates.imagesPerSecond),
    unit: 'tokensPerSecond' in rates ? 'tokens' : 'images',
    best: stage === null || isPreparing(stage) ? null : numberOf(saved.best),
    judgedBy: family.validation === undefined ? 'KID of samples' : 'held-out loss',
    hasSamples: existsSync(paths.samples),
    canPaint: weightKinds.some(kind => existsSync(paths.weights[kind])),
  };
}

/** Whether a record of a log is of a training. */
function isOfTraining({ stage, step }: Fields): boolean {
  return typeof stage === 'string' && stage !== 'eval' && Number(step) >= 0;
}

/** Whether it is no run of its family but what `tessera features` made, whose text encoder the family has no use for. */
function isFeatures({ stages }: Family, stage: string | null): boolean {
  return stage === 'text' && !stages.includes('text');
}

/** The family of a run, or why it is not known. */
function knownFamily(name: unknown): Family | string {
  if (typeof name !== 'string') return 'its config.json is no config of a run (it names no family)';
  try {
    return familyOf(name);
  } catch (error) {
    if (error instanceof UserError) return `its family ${name} is not known to this program`;
    throw error;
  }
}

export function isPreparing(stage: string): boolean {
  return (stageNames as readonly string[]).includes(stage);
}

/** The section of the config that a stage is trained by: what paints is called by its family. */
export function sectionOf(stage: string | null): (typeof trainedBy)[keyof typeof trainedBy] {
  return stage === 'patch' || stage === 'text' ? trainedBy[stage] : trainedBy.model;
}

function stepsOf(config: Fields, stage: string | null): number | null {
  return numberOf((config[sectionOf(stage)] as Fields | undefined)?.steps);
}

function stageState(paths: ReturnType<typeof runPaths>, stage: string | null): string {
  return stage === 'patch' ? paths.patchState : stage === 'text' ? paths.textState : paths.modelState;
}

/** What a training remembers beside weights; nothing of a state that is not whole. */
async function savedState(folder: string): Promise<Fields> {
  const saved = await loadState(folder).catch(() => undefined);
  return (saved && (await readMark(join(saved.path, 'state.json')))) ?? {};
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
