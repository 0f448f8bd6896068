/**
 * @file A training in a worker of a browser: the program's own (src/runs/training), whose files are in the tree. One at a time:
 * its pictures and its run are kept under one folder of the browser's own disk.
 */
import { openDataset } from '../../data/open.ts';
import { mergeConfig } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { findGpu } from '../device/webgpu/dawn.ts';
import { readRun } from '../families/config.ts';
import { runPaths } from '../io/runfolder.ts';
import { openSession, type ProgressEvent } from '../library/progress.ts';
import { describePlan } from '../runs/plan/describe.ts';
import type { Plan } from '../runs/plan/plan.ts';
import { startEngine } from '../runs/session.ts';
import { trainRun } from '../runs/train.ts';
import { type AskedTraining, prepareTraining } from '../runs/training/prepare.ts';
import { isTrained } from '../training/saved-training.ts';
import type { Place } from '../web/studio/library.ts';
import { Cards } from '../web/studio/runs/card.ts';
import { curvesOf } from '../web/studio/runs/curves.ts';
import { detailOf } from '../web/studio/runs/detail.ts';
import { RunLog } from '../web/studio/runs/log.ts';
import { openTree } from './keeper.ts';
import type { Begun, DroppedFile, Planned, Tell, There, TrainerBackend, Unused } from './messages.ts';
import { bytesOf, mount, type Tree, type TreeEntry } from './node/tree.ts';
import { mountPictures, type Pictures, takePictures } from './pictures.ts';
import { type Member, writeZip } from './zip.ts';

const RUN = '/run';
/** Without a graphics processor: networks that some dozens of pictures are learnt with in minutes, where nothing else is asked for. */
const SMALL = {
  patch: { width: 24, maxWidth: 64 },
  model: { width: 128, layers: 4, heads: 4 },
  train: { batchSize: 16 },
} as const;
/** Points of a curve, about. */
const POINTS = 800;

/** What was settled by a plan. */
type Prepared = NonNullable<Awaited<ReturnType<typeof prepareTraining>>>;

export class BrowserTraining {
  private readonly folder: FileSystemDirectoryHandle;
  private readonly tell: (message: Tell) => void;
  private tree: Tree | undefined;
  private pictures: Pictures | undefined;
  private prepared: Prepared | undefined;
  private stop: AbortController | undefined;
  private log = new RunLog(async () => runPaths(RUN).metrics);
  /** Sheets and the log as they were told. */
  private readonly told = new Map<string, unknown>();
  private telling: Promise<void> = Promise.resolve();

  /** @param folder all that is kept; @param tell takes what is said to the page */
  constructor(folder: FileSystemDirectoryHandle, tell: (message: Tell) => void) {
    this.folder = folder;
    this.tell = tell;
  }

  /** Mounts what is kept. */
  async open(): Promise<void> {
    this.tree = await openTree(RUN, await this.folder.getDirectoryHandle('run', { create: true }));
    this.pictures = await mountPictures(await this.picturesFolder(), this.tree);
    mount(this.tree);
    this.prepared = undefined;
    this.log = new RunLog(async () => runPaths(RUN).metrics);
    this.told.clear();
  }

  private picturesFolder(): Promise<FileSystemDirectoryHandle> {
    return this.folder.getDirectoryHandle('pictures', { create: true });
  }

  async there(): Promise<There> {
    const { pictures } = this;
    const data = pictures && { name: pictures.name, files: pictures.files.length, bytes: pictures.bytes };
    return { data, run: await this.begun() };
  }

  /** The training that is there; undefined if none was begun. */
  private async begun(): Promise<Begun | undefined> {
    const { config: path, modelState } = runPaths(RUN);
    if (this.tree?.find(path) === undefined) return undefined;
    await this.log.update();
    const config = await readRun(RUN, 'train');
    const place: Place = { id: '', name: this.pictures?.name ?? 'run', path: RUN, folder: RUN };
    const card = await new Cards({ real: async (_, file) => file }).of(place);
    const detail = await detailOf({ place, config, log: this.log }, card);
    const isDone = await isTrained(modelState, config.train);
    return { detail, curves: curvesOf(this.log, config, { points: POINTS }), isDone };
  }

  async take(name: string, files: readonly DroppedFile[]): Promise<void> {
    if (this.tree?.find(runPaths(RUN).config) !== undefined) {
      throw new UserError('pictures', 'a training of other pictures is here', 'download it, then delete it');
    }
    const onProgress = (done: number, total: number) => this.tell({ type: 'taking', done, total });
    await takePictures(await this.picturesFolder(), { name, files }, onProgress);
    await this.open();
  }

  async plan(fields: Readonly<Record<string, unknown>>, backend: TrainerBackend): Promise<Planned | undefined> {
    return this.working(async asked => {
      let plan: Plan | undefined;
      let engine = '';
      const chosen = await chooseBackend(backend);
      const begin = async () => {
        engine = await startEngine(asked.session, { backend: chosen, precision: 'fp32' });
      };
      const isNew = this.tree?.find(runPaths(RUN).config) === undefined;
      const sized = isNew && chosen !== 'webgpu' ? mergeConfig(SMALL, fields) : fields;
      const request: AskedTraining = { ...asked.place, fields: sized, begin, onPlan: made => (plan = made) };
      const prepared = await prepareTraining(asked.session, request);
      const { signal } = asked.session;
      const opened = prepared?.opened ?? (isNew ? await openDataset(asked.place.data, { signal }) : undefined);
      this.prepared = prepared && { ...prepared, opened };
      return this.prepared && describe(this.prepared, { plan, engine, passed: this.pictures?.unused ?? [] });
    });
  }

  /** Trains what was planned, or what is there. @returns whether it came to its end */
  async train(backend: TrainerBackend): Promise<boolean> {
    if (this.prepared === undefined) await this.plan({}, backend);
    const { prepared } = this;
    if (prepared === undefined) return false;
    this.prepared = undefined; // its data is opened anew by whoever goes on
    const isDone = await this.working(({ session, place }) => trainRun(session, { ...place, ...prepared }));
    await this.tree?.settled();
    await this.tellFiles();
    return isDone;
  }

  pause(): void {
    this.stop?.abort();
  }

  /** The run as a folder in a ZIP file, without the lock of whoever trains it. */
  async pack(): Promise<{ readonly name: string; readonly zip: Blob }> {
    const name = `${this.pictures?.name ?? 'pictures'}-run`;
    const root = this.tree?.find(RUN);
    if (root === undefined) throw new UserError('download', 'there is no run yet');
    const members: Member[] = [];
    for (const [path, entry] of filesIn(root, name)) {
      if (/\/state\/lock[^/]*$/.test(path) || /\/\.[^/]*$/.test(path)) continue;
      members.push({ path, bytes: await bytesOf(entry) });
    }
    return { name: `${name}.zip`, zip: writeZip(members, new Date()) };
  }

  async discard(): Promise<void> {
    for (const name of ['run', 'pictures']) await this.folder.removeEntry(name, { recursive: true }).catch(() => {});
    await this.open();
  }

  private async working<T>(
    work: (asked: {
      readonly session: ReturnType<typeof openSession>;
      readonly place: { readonly data: string; readonly out: string };
    }) => Promise<T>,
  ): Promise<T> {
    const { pictures } = this;
    if (pictures === undefined) throw new UserError('train', 'there are no pictures yet', 'drop a folder of them');
    this.stop = new AbortController();
    const session = openSession({ signal: this.stop.signal, onProgress: event => this.onProgress(event) });
    return work({ session, place: { data: pictures.path, out: RUN } });
  }

  private onProgress(event: ProgressEvent): void {
    if (event.type === 'pictures') return; // they come as sheets
    // What is said of paths and commands is for terminals.
    if (event.type === 'message' && /go on with: tessera |: wrote \/run\//.test(event.text)) return;
    const said = event.type === 'message' ? { ...event, text: event.text.replace(/; --[\w-]+ [^;]*$/, '') } : event;
    this.tell({ type: 'progress', event: said });
    void this.tellFiles();
  }

  /** Tells the newest sheets, and what the log has. */
  async showFiles(): Promise<void> {
    this.told.clear();
    await this.tellFiles();
  }

  /** Tells what is new in the log, and new sheets; one after another. */
  private tellFiles(): Promise<void> {
    this.telling = this.telling.then(() => this.tellNew());
    return this.telling;
  }

  private async tellNew(): Promise<void> {
    const { metrics, samples, reconstructions } = runPaths(RUN);
    for (const [kind, path] of [
      ['samples', samples],
      ['reconstructions', reconstructions],
    ] as const) {
      const file = this.tree?.find(path);
      if (file?.kind !== 'file' || this.isTold(path, file.content)) continue;
      this.tell({ type: 'sheet', kind, png: (await bytesOf(file)).slice() });
    }
    const log = this.tree?.find(metrics);
    if (log?.kind !== 'file' || this.isTold(metrics, log.content)) return;
    const run = await this.begun();
    if (run !== undefined) this.tell({ type: 'run', run });
  }

  private isTold(path: string, content: unknown): boolean {
    if (this.told.get(path) === content) return true;
    this.told.set(path, content);
    return false;
  }
}

/** The graphics processor where there is a real one, else WebAssembly. */
async function chooseBackend(backend: TrainerBackend): Promise<Exclude<TrainerBackend, 'auto'>> {
  if (backend !== 'auto') return backend;
  return (await findGpu()).gpu === undefined ? 'wasm' : 'webgpu';
}

/** All files below an entry, by their paths. */
function* filesIn(entry: TreeEntry, path: string): Generator<readonly [string, TreeEntry & { readonly kind: 'file' }]> {
  if (entry.kind === 'file') yield [path, entry];
  else for (const [name, inner] of entry.entries) yield* filesIn(inner, `${path}/${name}`);
}

function describe(
  { opened }: Prepared,
  made: { readonly plan: Plan | undefined; readonly engine: string; readonly passed: readonly Unused[] },
): Planned {
  const { plan, engine, passed } = made;
  const { problems = [], unused = [] } = opened ?? {};
  return {
    lines: plan === undefined ? [] : describePlan(plan),
    minutes: plan?.minutes ?? 0,
    firstSamples: plan?.firstSamples ?? 0,
    training: plan?.sides.training ?? 0,
    heldOut: plan?.sides.heldOut ?? 0,
    problems,
    unused: [...passed, ...unused],
    backend: engine,
  };
}
