/** @file A data set through the eyes of a run: the sides on which it has the items, and how it reads captions. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Split } from '../../../../data/dataset.ts';
import type { BpeTokenizer } from '../../../../tokenizer/bpe.ts';
import type { RunConfig } from '../../../config/run.ts';
import { UserError } from '../../../core/errors.ts';
import { readRun } from '../../../families/config.ts';
import { familyOf } from '../../../families/families.ts';
import { readDataName, readDataRecord } from '../../../io/datarecord.ts';
import { runPaths } from '../../../io/runfolder.ts';
import type { Place } from '../library.ts';
import type { CaptionPieces, DataFacts } from './messages.ts';

/** What of a run is needed to look at data. */
export interface RunEyes {
  readonly config: RunConfig;
  /** By the items' ids; undefined where it remembers no data. */
  readonly sides: ReadonlyMap<string, Split> | undefined;
  readonly tokenizer: BpeTokenizer;
}

/** Runs that are kept. */
const MOST = 4;

export class RunsEyes {
  private readonly kept = new Map<string, { readonly state: string; readonly eyes: Promise<RunEyes> }>();

  /** @throws UserError if it has no caption tokenizer yet */
  async open({ id, folder }: Place): Promise<RunEyes> {
    const { captions, dataRecord } = runPaths(folder);
    const stats = await Promise.all([captions, dataRecord].map(path => stat(path).catch(() => undefined)));
    const state = stats.map(found => `${found?.mtimeMs}/${found?.size}`).join();
    const there = this.kept.get(id);
    this.kept.delete(id);
    const eyes = there?.state === state ? there.eyes : openEyes(folder);
    this.kept.set(id, { state, eyes });
    eyes.catch(() => this.kept.delete(id));
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST) this.kept.delete(oldest);
    return eyes;
  }
}

async function openEyes(folder: string): Promise<RunEyes> {
  const config = await readRun(folder, 'studio');
  const { openCaptionTokenizer } = await import('../../../runs/open-tokenizers.ts'); // what computes is not loaded at the start
  const tokenizer = await openCaptionTokenizer(folder);
  const { dataRecord } = runPaths(folder);
  const record = existsSync(dataRecord) ? await readDataRecord(dataRecord) : undefined;
  const sides = record?.map(({ id, heldOut }): [string, Split] => [id, heldOut ? 'validation' : 'train']);
  return { config, tokenizer, sides: sides && new Map(sides) };
}

/** Runs that a data set can be looked at through; first those that remember data of its name. */
export async function runsFor(data: Place, runs: readonly Place[]): Promise<DataFacts['runs']> {
  const found = await Promise.all(
    runs.map(async ({ id, name, folder }) => {
      const { captions, patch, dataRecord } = runPaths(folder);
      if (!existsSync(captions)) return [];
      const called = existsSync(dataRecord) ? await readDataName(dataRecord).catch(orNothing) : undefined;
      return [{ id, name, knows: called === basename(data.folder), copies: existsSync(patch) }];
    }),
  );
  return found.flat().sort((a, b) => Number(b.knows) - Number(a.knows));
}

/** A caption as a run reads it: pieces of a byte or more each. */
export function piecesOf(caption: string, { tokenizer, config }: RunEyes): CaptionPieces {
  const ids = tokenizer.encode(caption);
  const length = familyOf(config.family).stages.includes('text') ? config.text.length : config.model.captionLength;
  const before = tokenizer.encode('a'); // at the beginning of a text a tokenizer may drop a space
  const least = tokenizer.decode(before).length;
  const pieces = Array.from(ids, (id, i) => ({
    id,
    text: i === 0 ? tokenizer.decode([id]) : tokenizer.decode([...before, id]).slice(least),
  }));
  return { pieces, read: Math.min(ids.length, length) };
}

function orNothing(error: unknown): undefined {
  if (!(error instanceof UserError)) throw error;
  return undefined;
}
