/**
 * @file The painting children that are alive: one for each run and its weights, few at a time, the one that was not used for longest
 * closed first, and each after some idle minutes. A run whose files have changed since is opened anew.
 */
import { stat } from 'node:fs/promises';
import type { WeightKind } from '../../../io/runfiles.ts';
import { runPaths } from '../../../io/runfolder.ts';
import { PainterProcess } from './painter-process.ts';

/** Which model, and how it computes. */
export interface WantedPainter {
  readonly run: string;
  readonly weights: WeightKind;
  readonly threads?: number;
  readonly sparesGpu: boolean;
}

export interface PaintersOptions {
  /** Children alive at a time; default 2. */
  readonly most?: number;
  /** Milliseconds after which an idle one is closed; default five minutes. */
  readonly idleMs?: number;
}

interface Kept {
  readonly painter: PainterProcess;
  /** How it was opened, and the state of its files then. */
  readonly manner: string;
  uses: number;
  idle?: NodeJS.Timeout;
}

/** See the file's doc. */
export class Painters {
  private readonly most: number;
  private readonly idleMs: number;
  /** By run and weights, the one that was used last at the end. */
  private readonly kept = new Map<string, Kept>();
  private closed = false;

  constructor({ most = 2, idleMs = 5 * 60_000 }: PaintersOptions = {}) {
    this.most = most;
    this.idleMs = idleMs;
  }

  /** Process numbers of those alive. */
  get pids(): readonly number[] {
    return [...this.kept.values()].flatMap(({ painter }) => painter.pid ?? []);
  }

  /** Works with a run's painter, which stays open afterwards. @throws what opening or the work throws */
  async use<T>(wanted: WantedPainter, work: (painter: PainterProcess) => Promise<T>): Promise<T> {
    const kept = await this.open(wanted);
    kept.uses++;
    clearTimeout(kept.idle);
    try {
      await kept.painter.opened;
      return await work(kept.painter);
    } finally {
      kept.uses--;
      await this.rest(wanted, kept);
    }
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.kept.keys()].map(key => this.drop(key)));
  }

  private async open(wanted: WantedPainter): Promise<Kept> {
    const key = keyOf(wanted);
    const manner = JSON.stringify([wanted, await stateOf(wanted)]); // before it is opened: what is newer then is seen next time
    const there = this.kept.get(key);
    if (there !== undefined && there.manner === manner && there.painter.isAlive) {
      this.kept.delete(key);
      this.kept.set(key, there);
      return there;
    }
    if (there !== undefined) await this.drop(key);
    for (const [other, { uses }] of this.kept) {
      if (this.kept.size < this.most) break;
      if (uses === 0) await this.drop(other);
    }
    if (this.closed) throw new Error('painters: closed');
    const kept: Kept = { painter: new PainterProcess({ kind: 'open', ...wanted }), manner, uses: 0 };
    this.kept.set(key, kept);
    return kept;
  }

  /** Keeps a painter for the next work for a while; one that could not be opened, or died, is no use. */
  private async rest(wanted: WantedPainter, kept: Kept): Promise<void> {
    const key = keyOf(wanted);
    if (this.kept.get(key) !== kept || kept.uses > 0) return;
    const isOpen = await kept.painter.opened.then(
      () => true,
      () => false,
    );
    if (!isOpen || !kept.painter.isAlive) {
      await this.drop(key);
      return;
    }
    kept.idle = setTimeout(() => void this.drop(key), this.idleMs);
    kept.idle.unref();
  }

  private async drop(key: string): Promise<void> {
    const kept = this.kept.get(key);
    this.kept.delete(key);
    clearTimeout(kept?.idle);
    await kept?.painter.close();
  }
}

function keyOf({ run, weights }: WantedPainter): string {
  return JSON.stringify([run, weights]);
}

/** What tells whether a run's files are still those that were loaded. */
async function stateOf({ run, weights }: WantedPainter): Promise<readonly string[]> {
  const { config, captions, patch, text, weights: files } = runPaths(run);
  return Promise.all(
    [config, captions, patch, text, files[weights]].map(path =>
      stat(path).then(
        ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
        () => 'none',
      ),
    ),
  );
}
