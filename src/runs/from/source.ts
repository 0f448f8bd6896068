/**
 * @file What a training can be started from: a model that comes with the package, by its name, or the folder of any run or
 * export, also of one that is being trained. All of it is read at once, so that the new run needs nothing of it later.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import type { FromConfig, RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { readRun } from '../../families/config.ts';
import { familyOf } from '../../families/families.ts';
import type { Parts, Start } from '../../families/family.ts';
import { companionsOf, partFiles, partsAmong } from '../../families/parts.ts';
import { readBytes } from '../../io/bytes.ts';
import { readSafetensors } from '../../io/files.ts';
import { parseJson } from '../../io/json.ts';
import { readJsonLines } from '../../io/jsonlines.ts';
import { packageRoot } from '../../io/package-root.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import { expectTrained, expectTrainedWith, fingerprint, runPaths } from '../../io/runfolder.ts';
import { loadState } from '../../io/state.ts';
import type { NamedValues } from '../../nn/module.ts';
import { namedValues } from '../../training/named-values.ts';
import { readLearntWords } from '../learnt/record.ts';
import { stepOf } from '../open-painter.ts';

/** A trained run, read. */
export interface Source extends Start {
  /** What the new run remembers of it. */
  readonly from: FromConfig;
  /** How it is called in messages. */
  readonly said: string;
  /** Whether it came with the package. */
  readonly shipped: boolean;
  readonly captions: BpeTokenizer;
  /** The files of its tokenizers and text encoder, as they are. */
  readonly parts: Readonly<Partial<Record<keyof Parts, Uint8Array>>>;
  /** What it knows of its captions' words, and what the run knew that it was started from itself; undefined of an older run. */
  readonly words: ReadonlySet<string> | undefined;
  /** What its patch tokenizer reached on its own held-out images, in dB; undefined where its log does not say. */
  readonly psnr: number | undefined;
  /** What a training would go on with and it has not, as a few words; undefined where it has all. */
  readonly lacks: string | undefined;
}

/** Tried in this order where nobody asks for others: a start that has not learnt its own data by heart is the better one. */
const KINDS: readonly WeightKind[] = ['best', 'ema', 'last'];

/** Folder of the models that come with the package. */
const models = () => join(packageRoot(), 'models');

/** Names of the models that come with the package. */
function shippedNames(): string[] {
  if (!existsSync(models())) return [];
  return readdirSync(models()).filter(name => existsSync(runPaths(join(models(), name)).config));
}

/** The name by which a run remembers what it was started from. */
export function nameOfSource(named: string): string {
  return basename(resolve(named));
}

/** The folder of a run, or of a shipped model; undefined if it is neither. */
function findFolder(named: string): string | undefined {
  if (existsSync(runPaths(named).config)) return named;
  return shippedNames().includes(named) ? join(models(), named) : undefined;
}

/**
 * Whether something is what a run was started from: its weights are. Where it is there no more, its name is all that is left to
 * compare.
 */
export async function isSourceOf(from: FromConfig, named: string): Promise<boolean> {
  const folder = findFolder(named);
  if (folder === undefined) return from.name === nameOfSource(named);
  const path = runPaths(folder).weights[from.weights];
  return existsSync(path) && (await fingerprint(path)) === from.fingerprint;
}

/** The folder of a run, or of a shipped model. @throws UserError if it is neither */
function folderOf(named: string): string {
  const folder = findFolder(named);
  if (folder !== undefined) return folder;
  const shipped = shippedNames();
  const known = shipped.length === 0 ? 'no model came with this copy' : `or a model by name: ${shipped.join(', ')}`;
  throw new UserError('train: --from', `expected the folder of a run, ${known}; got ${named}, which is neither`);
}

/**
 * Reads a source.
 * @param named a folder, or the name of a shipped model; @param wanted which of its weights; default best, else averaged, else last
 * @throws UserError if it is not trained yet, lacks the weights, or is damaged
 */
export async function readSource(named: string, wanted?: WeightKind): Promise<Source> {
  const folder = folderOf(named);
  const config = await readRun(folder, 'train: --from');
  const family = familyOf(config.family);
  const paths = runPaths(folder);
  const weights = chooseKind(folder, wanted);
  const path = paths.weights[weights];
  expectTrained(folder, [...partFiles(family.stages, paths), [path, family.name]]);
  const { tensors, metadata } = await readSafetensors(path);
  await expectTrainedWith(path, companionsOf(family.stages, paths, metadata));
  const files = partsAmong(family.stages).map(async part => [part, await readBytes(paths[part])] as const);
  const parts: Source['parts'] = Object.fromEntries(await Promise.all(files));
  const captions = captionsOf(parts, paths.captions);
  const painting = namedValues(tensors, path);
  const others = family.game === true ? await othersOf(paths.modelState, painting) : undefined;
  return {
    config,
    values: others === undefined ? painting : new Map([...others, ...painting]),
    vocabulary: captions.vocabSize,
    from: { name: nameOfSource(named), fingerprint: await fingerprint(path), weights, step: stepOf(metadata, path) },
    said: named,
    shipped: folder !== named,
    captions,
    parts,
    psnr: existsSync(paths.metrics) ? lastPsnr(readJsonLines(paths.metrics)) : undefined,
    words: await wordsOf(paths.learnt),
    lacks: family.game === true && others === undefined ? 'the weights of the player that does not paint' : undefined,
  };
}

/** @throws UserError if the file is damaged */
async function wordsOf(path: string): Promise<Source['words']> {
  const learnt = await readLearntWords(path);
  return learnt && new Set([...learnt.words.keys(), ...(learnt.source ?? [])]);
}

function captionsOf(parts: Source['parts'], path: string): BpeTokenizer {
  if (parts.captions === undefined) throw new UserError(path, 'expected a run of a family that reads captions');
  return BpeTokenizer.fromJSON(parseJson(new TextDecoder().decode(parts.captions), path), path);
}

/** @throws UserError if there are none, or none of the kind that is wanted */
function chooseKind(folder: string, wanted: WeightKind | undefined): WeightKind {
  const { weights } = runPaths(folder);
  const there = KINDS.filter(kind => existsSync(weights[kind]));
  if (wanted === undefined || there.length === 0 || there.includes(wanted)) return wanted ?? there[0] ?? 'last';
  throw new UserError('train: --from-weights', `expected ${there.join(' or ')}, which ${folder} has, got ${wanted}`);
}

/** Tries to read a state that a training replaces meanwhile. */
const TRIES = 5;

/** Weights of a training that are not among those that paint; undefined where its state is not there. */
async function othersOf(state: string, painting: NamedValues): Promise<NamedValues | undefined> {
  for (let tries = 1; ; tries++) {
    try {
      const saved = await loadState(state);
      if (saved === undefined) return undefined;
      const path = join(saved.path, 'weights.safetensors');
      const values = namedValues((await readSafetensors(path)).tensors, path);
      return new Map([...values].filter(([name]) => !painting.has(name)));
    } catch (error) {
      if (tries === TRIES) throw error; // the next save removes what `loadState` has found
    }
  }
}

/** What the patch tokenizer reached last by a log. */
export function lastPsnr(records: readonly unknown[]): number | undefined {
  const measured = records.filter(record => {
    const { stage, val_psnr: psnr } = record as { stage?: unknown; val_psnr?: unknown };
    return stage === 'patch' && typeof psnr === 'number';
  });
  return (measured.at(-1) as { val_psnr: number } | undefined)?.val_psnr;
}

/** Sections of a source that its successors begin with; how it was trained is the rule's matter. */
export function inheritedFields(config: RunConfig): Record<string, unknown> {
  const { sections } = familyOf(config.family);
  const names = ['family', 'images', 'caption', ...Object.keys(sections), 'train', 'sampling'];
  const { split: _, ...images } = config.images; // published splits are of its own data
  const kept = Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));
  return { ...kept, images };
}
