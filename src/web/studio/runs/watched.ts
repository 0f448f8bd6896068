/** @file The runs that are looked at: their configs, and their logs as far as they were read. A few; who is looked at again is read again. */
import { stat } from 'node:fs/promises';
import type { RunConfig } from '../../../config/run.ts';
import { readRun } from '../../../families/config.ts';
import { runPaths } from '../../../io/runfolder.ts';
import type { Library, Place } from '../library.ts';
import { RunLog } from './log.ts';

/** A run that is looked at. */
export interface Watched {
  readonly place: Place;
  readonly config: RunConfig;
  /** Read to its end as it was a moment ago. */
  readonly log: RunLog;
}

/** Logs that are kept at once. */
const KEPT = 12;

export class WatchedRuns {
  private readonly library: Library;
  private readonly logs = new Map<string, RunLog>();
  private readonly configs = new Map<string, { readonly changed: number; readonly config: RunConfig }>();

  constructor(library: Library) {
    this.library = library;
  }

  /**
   * A run with its log read to the end.
   * @throws Refusal if there is no such run
   * @throws UserError if its config cannot be read, or its log is too long
   */
  async of(id: string): Promise<Watched> {
    const place = await this.library.run(id);
    const config = await this.config(place);
    const log = this.log(place);
    await log.update();
    return { place, config, log };
  }

  private async config({ folder }: Place): Promise<RunConfig> {
    const { mtimeMs: changed = 0 } = (await stat(runPaths(folder).config).catch(() => undefined)) ?? {};
    const known = this.configs.get(folder);
    if (known?.changed === changed) return known.config;
    const config = await readRun(folder, 'studio');
    this.configs.set(folder, { changed, config });
    return config;
  }

  private log(place: Place): RunLog {
    const { metrics } = runPaths(place.folder);
    const log = this.logs.get(place.folder) ?? new RunLog(() => this.library.real(place, metrics));
    this.logs.delete(place.folder);
    this.logs.set(place.folder, log); // the newest last
    const [oldest] = this.logs.keys();
    if (this.logs.size > KEPT) this.logs.delete(oldest);
    return log;
  }
}
