/**
 * @file A trained run on a page: loaded from an address or files, painted in a worker that this sets up and ends. Small runs
 * are painted by WebAssembly, large ones on a GPU; where that fails or is lost, WebAssembly takes over by itself.
 */
import {
  type Check,
  checkOptions,
  checkValue,
  choiceCheck,
  functionCheck,
  signalCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { firstLine, UserError } from '../core/errors.ts';
import { samplingChecks } from '../families/checks.ts';
import type { RunSource } from '../io/runfiles.ts';
import type { LearntCaptions } from '../runs/learnt/parse.ts';
import { type UnseenWord, unseenWords } from '../runs/learnt/unseen.ts';
import { chooseEngine } from './choose.ts';
import { EngineLost, WorkerLine } from './line.ts';
import type { EngineName, OpenedRun, PaintAsk, PaintedPart, Pixels } from './messages.ts';
import { PartStream } from './part-stream.ts';
import { pictureOf } from './pictures.ts';
import { captionsOf, type LoadProgress, type ReadRun, readKnown, readRun } from './read-run.ts';
import { baseAddress, sourceOf } from './sources.ts';

export interface LoadOptions {
  /** Default `auto`: WebAssembly for runs below 30 M parameters, above WebGPU, where the browser offers a GPU. */
  readonly backend?: 'auto' | EngineName;
  /** Hears of the bytes of the run's files. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Hears which engine paints, and why, when it starts and whenever another takes over. */
  readonly onBackend?: (backend: EngineName, why: string) => void;
  readonly signal?: AbortSignal;
  /** Where tessera.wasm is; default beside this module. */
  readonly wasmUrl?: string | URL;
  /** Where worker.js is, and beside it worker-webgpu.js; default beside this module. */
  readonly workerUrl?: string | URL;
}

/** What is known of a run. */
export interface RunInfo extends OpenedRun {
  /** What it was trained on, those of the most images first; empty where it keeps none. */
  readonly captions: readonly string[];
}

/** Codes of a picture, of which some stay. */
export interface Kept {
  /** [grid * grid], as of `encode`, row by row. */
  readonly codes: Int32Array;
  /** Which of them stay. */
  readonly mask: readonly boolean[];
}

/** Settings that are left out are the run's own (`info.sampling`). */
export interface PaintOptions {
  /** From 0 to 2^32 - 1; default 0. The same seed paints the same codes as in Node, in fp32. */
  readonly seed?: number;
  /** 0 takes the likeliest code. */
  readonly temperature?: number;
  /** Of interlaced codes: the temperature of all but the coarse ones over that of these. */
  readonly fineTemperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  /** How closely to follow the caption; 1 is no guidance. */
  readonly guidance?: number;
  /** Pictures at once; default 1. */
  readonly count?: number;
  /** What of a picture stays; the rest is painted. */
  readonly kept?: Kept;
  /** Codes between two yields; default a row of the grid. */
  readonly every?: number;
  /** Ends the painting, with its reason. */
  readonly signal?: AbortSignal;
}

/** Pictures as far as they have been painted. */
export interface Painted {
  /** [count, grid * grid] row by row; -1 where nothing has been painted yet. */
  readonly codes: Int32Array;
  /** Codes of each picture that are there, of `total`. */
  readonly done: number;
  readonly total: number;
  /** The first of `pictures`. */
  readonly picture: ImageData;
  /** What is not painted yet is light grey. */
  readonly pictures: readonly ImageData[];
}

const urlCheck: Check = {
  expected: 'an address',
  fits: value => (typeof value === 'string' && value !== '') || value instanceof URL,
};

const loadChecks = {
  backend: choiceCheck(['auto', 'wasm', 'webgpu']),
  onProgress: functionCheck,
  onBackend: functionCheck,
  signal: signalCheck,
  wasmUrl: urlCheck,
  workerUrl: urlCheck,
};

const { cfgScale: guidance, ...drawing } = samplingChecks;
const paintChecks = {
  ...drawing,
  guidance,
  count: wholeCheck({ least: 1, most: 64 }),
  every: wholeCheck({ least: 1 }),
  kept: { expected: '{ codes, mask }', fits: (value: unknown) => typeof value === 'object' && value !== null },
  signal: signalCheck,
};

/** The worker that paints now. */
interface Engine {
  readonly name: EngineName;
  readonly line: WorkerLine;
  readonly opened: OpenedRun;
  /** Why it is this one. */
  readonly why: string;
}

/** What another engine can be started with. */
interface Start {
  readonly name: string;
  readonly options: LoadOptions;
  /** The run's files, again. */
  readonly read: () => Promise<ReadRun>;
}

/** A trained run of the transformer. */
export class Tessera {
  readonly info: RunInfo;
  private engine: Engine;
  private readonly start: Start;
  private readonly known: LearntCaptions | undefined;
  private replacing: Promise<void> | undefined;
  private disposed = false;

  private constructor(engine: Engine, start: Start, known: LearntCaptions | undefined) {
    this.engine = engine;
    this.start = start;
    this.known = known;
    this.info = { ...engine.opened, captions: captionsOf(known) };
  }

  /**
   * Loads a run.
   * @param source the address of its folder; its files, as a folder is chosen or dropped; or what reads them otherwise
   * @throws UserError if something is missing, damaged or of another run; the signal's reason once it is aborted
   */
  static async load(source: string | URL | readonly File[] | RunSource, options: LoadOptions = {}): Promise<Tessera> {
    checkOptions('load', options, loadChecks);
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const from = sourceOf(source);
    const [read, known] = await Promise.all([readRun(from, { onProgress, signal }), readKnown(from)]);
    signal?.throwIfAborted();
    const start: Start = { name: from.name, options, read: () => readRun(from) };
    const engine = await startEngine(read, start);
    return new Tessera(engine, start, known);
  }

  /** Which engine paints: `wasm` or `webgpu`. */
  get backend(): EngineName {
    return this.engine.name;
  }

  /** Why it is this one, in a sentence. */
  get backendReason(): string {
    return this.engine.why;
  }

  /**
   * Paints a caption, yielding the pictures as they appear; the last yield is finished. Paintings of a run wait for one
   * another, in the order in which they were begun. Leaving the loop ends the painting.
   * @param caption any text; '' paints without a caption
   * @throws UserError naming the first argument that does not fit; the signal's reason once it is aborted
   */
  paint(caption: string, options: PaintOptions = {}): AsyncGenerator<Painted, void> {
    this.expectOpen();
    checkValue('paint: caption', caption, textCheck);
    checkOptions('paint', options, paintChecks);
    const { seed = 0, count = 1, kept, signal, ...rest } = options;
    const given = kept === undefined ? undefined : givenCodes(kept, this.info);
    return this.parts({ kind: 'paint', caption, seed, count, given, ...rest }, signal);
  }

  /** Paints what is not kept of a picture: `paint` with `kept`. */
  complete(caption: string, kept: Kept, options: Omit<PaintOptions, 'kept'> = {}): AsyncGenerator<Painted, void> {
    return this.paint(caption, { ...options, kept });
  }

  private async *parts(ask: PaintAsk, signal: AbortSignal | undefined): AsyncGenerator<Painted, void> {
    let done = 0;
    for (;;) {
      const { engine } = this;
      const stream = new PartStream(engine.line, ask, signal);
      try {
        for await (const part of stream) {
          if (part.done <= done) continue; // seen before its engine was lost
          done = part.done;
          yield this.painted(part);
        }
        return;
      } catch (error) {
        if (!(error instanceof EngineLost)) throw error;
        await this.replace(engine, error);
      }
    }
  }

  private painted({ pictures, ...part }: PaintedPart): Painted {
    const shown = pictures.map(pixels => this.imageOf(pixels));
    return { ...part, pictures: shown, picture: shown[0] };
  }

  private imageOf(pixels: Pixels): ImageData {
    return new ImageData(pixels, this.info.imageSize);
  }

  /**
   * The codes of a picture, which is scaled to the run's size; what is transparent becomes white.
   * @returns [grid * grid], row by row
   */
  async encode(picture: ImageData | ImageBitmap): Promise<Int32Array> {
    this.expectOpen();
    return this.again(line => line.ask({ kind: 'encode', picture: pictureOf(picture, this.info.imageSize) }));
  }

  /**
   * The picture of codes.
   * @param codes [grid * grid]; what is -1 becomes light grey
   * @throws UserError if they are not a picture's, or not of the run's codebook
   */
  async decode(codes: Int32Array): Promise<ImageData> {
    this.expectOpen();
    checkCodes('decode: codes', codes, this.info);
    return this.imageOf(await this.again(line => line.ask({ kind: 'decode', codes })));
  }

  /** The words of a caption that the run was never trained on; undefined where it does not know its captions. */
  async unseenWords(caption: string): Promise<UnseenWord[] | undefined> {
    checkValue('unseenWords: caption', caption, textCheck);
    return this.known && unseenWords(caption, this.known);
  }

  /** Ends the worker. What it was asked for is refused, and so is whatever is asked for afterwards. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.engine.line.end(disposedError(this.start.name));
  }

  private expectOpen(): void {
    if (this.disposed) throw disposedError(this.start.name);
  }

  /** Does something, again where the engine was lost meanwhile. */
  private async again<T>(work: (line: WorkerLine) => Promise<T>): Promise<T> {
    const { engine } = this;
    try {
      return await work(engine.line);
    } catch (error) {
      if (!(error instanceof EngineLost)) throw error;
      await this.replace(engine, error);
      return this.again(work);
    }
  }

  /** Lets WebAssembly take the place of an engine that was lost; all who waited for it call this. */
  private async replace(lost: Engine, { message }: EngineLost): Promise<void> {
    if (this.engine !== lost) return;
    this.replacing ??= (async () => {
      const read = await this.start.read();
      const engine = await openEngine('wasm', read, this.start, `${message}; WebAssembly paints instead`);
      this.engine = engine;
      this.start.options.onBackend?.(engine.name, engine.why);
      if (this.disposed) engine.line.end(disposedError(this.start.name));
    })().finally(() => {
      this.replacing = undefined;
    });
    await this.replacing;
  }
}

function disposedError(name: string): UserError {
  return new UserError('Tessera', `${name} was disposed of`, 'load it again');
}

/** Starts the engine that is asked for, or WebAssembly where there is none. */
async function startEngine(read: ReadRun, start: Start): Promise<Engine> {
  const { backend = 'auto', onBackend } = start.options;
  const chosen = chooseEngine(backend, read.parameters);
  const engine = await (async () => {
    if (chosen.engine === 'wasm') return openEngine('wasm', read, start, `WebAssembly paints: ${chosen.because}`);
    try {
      return await openEngine('webgpu', read, start, `WebGPU paints: ${chosen.because}`);
    } catch (error) {
      if (!(error instanceof EngineUnavailable)) throw error;
      return openEngine('wasm', read, start, `WebAssembly paints: ${error.message}`);
    }
  })();
  onBackend?.(engine.name, engine.why);
  return engine;
}

/** A browser without the engine that was asked for. */
class EngineUnavailable extends Error {
  override readonly name = 'EngineUnavailable';
}

async function openEngine(name: EngineName, read: ReadRun, start: Start, why: string): Promise<Engine> {
  const { backend, signal } = start.options;
  const { worker, wasm } = addresses(name, start.options);
  if (name === 'webgpu' && !('gpu' in navigator)) throw new EngineUnavailable('this browser has no WebGPU');
  const line = new WorkerLine(worker);
  try {
    const software = backend === 'webgpu'; // whoever asks for it may test it
    // After WebAssembly no other engine needs them: they are handed over, not copied.
    const files = Object.values(read.bytes).filter(each => typeof each !== 'string');
    const transfer = name === 'wasm' ? [...new Set(files.map(({ buffer }) => buffer as ArrayBuffer))] : [];
    const ask = { kind: 'open', name: start.name, bytes: read.bytes, wasm, software } as const;
    const opened = await line.ask(ask, { signal, transfer });
    return { name, line, opened, why: `${why} (${opened.device})` };
  } catch (error) {
    line.end(error);
    if (name === 'webgpu' && isOfBackend(error)) throw new EngineUnavailable(firstLine(error));
    throw error;
  }
}

function isOfBackend(error: unknown): boolean {
  return error instanceof EngineLost || (error instanceof UserError && /^backend webgpu: /.test(error.message));
}

/** The worker's script, and the kernels. */
function addresses(engine: EngineName, { workerUrl, wasmUrl }: LoadOptions): { worker: string; wasm: string } {
  const own = {
    wasm: new URL('./worker.js', import.meta.url),
    webgpu: new URL('./worker-webgpu.js', import.meta.url),
    kernels: new URL('./tessera.wasm', import.meta.url),
  };
  const base = workerUrl === undefined ? undefined : new URL(workerUrl, baseAddress());
  const worker =
    engine === 'wasm' ? (base ?? own.wasm) : base === undefined ? own.webgpu : new URL('worker-webgpu.js', base);
  const wasm = wasmUrl === undefined ? own.kernels : new URL(wasmUrl, baseAddress());
  return { worker: worker.href, wasm: wasm.href };
}

/** @throws UserError unless these are the codes of one picture */
function checkCodes(where: string, codes: unknown, { grid, codebookSize }: RunInfo): asserts codes is Int32Array {
  const length = grid ** 2;
  checkValue(where, codes, {
    expected: `an Int32Array of ${length} codes`,
    fits: value => value instanceof Int32Array && (value.length === length || `${value.length || 'none'}`),
  });
  const wrong = (codes as Int32Array).find(code => code < -1 || code >= codebookSize);
  if (wrong !== undefined) throw new UserError(where, `expected numbers from -1 to ${codebookSize - 1}, got ${wrong}`);
}

/** @throws UserError unless some codes of a picture stay, and some are to be painted */
function givenCodes({ codes, mask }: Kept, info: RunInfo): Int32Array {
  checkCodes('paint: kept: codes', codes, info);
  checkValue('paint: kept: mask', mask, {
    expected: `${codes.length} of true and false, some of them false`,
    fits: value => Array.isArray(value) && value.length === codes.length && value.includes(false),
  });
  return codes.map((code, i) => (mask[i] ? code : -1));
}
