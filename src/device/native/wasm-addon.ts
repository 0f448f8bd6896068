/**
 * @file The kernels in WebAssembly (scripts/build-wasm.mjs), for Node without a compiler and for pages: a build like any
 * other, whose kernels read one memory of their own. Tensors live in it. It is shared, which every engine that knows
 * threads allows wherever it runs, so that it grows without detaching the views of it; threads need a page that is
 * isolated besides. Arrays of JavaScript's own are copied in for a call, and out if it writes them. Knows no platform.
 */
import { UserError } from '../../core/errors.ts';
import { type Addon, isCurrent, type LoadedAddon } from './addon.ts';
import { declaredCalls } from './calls.ts';
import { BlocksByAddress } from './pool.ts';
import { pageThreads, type StartThread, type ThreadStart } from './wasm-threads.ts';
import { page, type WasmGlobal, type WasmMemory, type WasmModule, wasm } from './wasm-types.ts';

export interface WasmOptions {
  /** How many threads compute at first; default what the place has, 1 where it has no threads. */
  readonly threads?: number;
  /** How a thread is started; default as in a page, if it may. */
  readonly startThread?: StartThread;
  /** The most memory, in MiB; default 4096, or what the engine allows. */
  readonly mostMemory?: number;
}

/** What native/wasm_addon.cc exports, and the linker. */
interface Exports {
  argumentsAt(): number;
  call(kernel: number, buffers: number, numbers: number): number;
  kernelCount(): number;
  kernelName(kernel: number): number;
  signature(): number;
  take(bytes: number): number;
  give(address: number): void;
  setThreads(count: number): number;
  generationNow(): number;
  helped(): number;
  mayWait(allowed: number): void;
  abandonCall(): void;
  __wasm_call_ctors(): void;
  readonly __stack_pointer: WasmGlobal;
  readonly __tls_size: WasmGlobal;
}

const PAGE_BYTES = 65536;
/** As scripts/build-wasm.mjs links it. */
const FIRST_PAGES = 32;
/** As in native/wasm_addon.cc. */
const MOST_NUMBERS = 64;
const MOST_BUFFERS = 32;
const MOST_THREADS = 64;
const STACK_BYTES = 1 << 19;
const ALIGNMENT = 64;
/** Room for copies that is kept between calls. */
const KEPT_BYTES = 16 << 20;
/** Why C++ throws, where it is not a mistake. */
const NO_MEMORY = 1;

/**
 * Opens the kernels.
 * @param source the file tessera.wasm, or what was compiled of it
 * @throws UserError if it was built from other sources, or the engine lacks what it needs
 */
export async function openWasm(
  source: ArrayBuffer | ArrayBufferView | WasmModule,
  options: WasmOptions = {},
): Promise<LoadedAddon & { readonly addon: WasmAddon }> {
  const { startThread = pageThreads() } = options;
  const module = source instanceof wasm.Module ? source : await compile(source);
  const memory = makeMemory(options.mostMemory);
  const { exports } = await wasm.instantiate(module, importsOf(memory));
  if (!isOurs(exports)) throw new UserError('wasm', 'it has other functions than these kernels have');
  exports.__wasm_call_ctors();
  const addon = new WasmAddon(module, memory, exports, startThread);
  if (!isCurrent(addon)) throw new UserError('wasm', 'it was built from the sources of another version');
  const threads = startThread === undefined ? 1 : (options.threads ?? page.navigator?.hardwareConcurrency ?? 1);
  return { addon, instructionSet: 'wasm', fastest: 'fp32', threads, memory: addon.source };
}

function isOurs(exports: object): exports is Exports {
  return 'argumentsAt' in exports && 'signature' in exports;
}

async function compile(source: ArrayBuffer | ArrayBufferView): Promise<WasmModule> {
  try {
    return await wasm.compile(source);
  } catch (error) {
    throw new UserError('wasm', `this engine does not take it: ${(error as Error).message}`, 'a newer browser does');
  }
}

/** What the module asks for; the C library would print to files that are not there (8 is that there is no such file). */
function importsOf(memory: WasmMemory) {
  const raise = (reason: number): never => {
    throw reason;
  };
  const none = () => 8;
  return { env: { memory, raise }, wasi_snapshot_preview1: { fd_close: none, fd_seek: none, fd_write: none } };
}

/** As much as the engine lets grow: some reserve addresses for all of it. */
function makeMemory(mostMemory = 4096): WasmMemory {
  for (let maximum = Math.floor((mostMemory * 2 ** 20) / PAGE_BYTES); ; maximum >>= 1) {
    try {
      return new wasm.Memory({ initial: FIRST_PAGES, maximum, shared: true });
    } catch (error) {
      if (maximum / 2 < FIRST_PAGES) throw new UserError('wasm', (error as Error).message, 'a newer browser does it');
    }
  }
}

/** The kernels of one memory. */
export class WasmAddon implements Addon {
  readonly source;
  private readonly module: WasmModule;
  private readonly memory: WasmMemory;
  private readonly exports: Exports;
  private readonly startThread: StartThread | undefined;
  /** Every buffer that the memory has been seen as: growing makes a new one, and the old ones stay good. */
  private readonly buffers = new WeakSet<ArrayBufferLike>();
  private readonly numbers: Float64Array;
  /** Addresses of a call's buffers, and their lengths. */
  private readonly places: Uint32Array;
  private readonly names: string[];
  /** For which buffers of a kernel what it has made of a copy must be copied back. */
  private readonly written = new Map<number, (buffer: number) => boolean>();
  private room = { address: 0, bytes: 0 };
  private threads = 1;
  /** Stacks that no thread uses any more. */
  private readonly stacks: number[] = [];

  constructor(module: WasmModule, memory: WasmMemory, exports: Exports, startThread: StartThread | undefined) {
    this.module = module;
    this.memory = memory;
    this.exports = exports;
    this.startThread = startThread;
    const at = exports.argumentsAt();
    this.numbers = new Float64Array(this.buffer(), at, MOST_NUMBERS);
    this.places = new Uint32Array(this.buffer(), at + 8 * MOST_NUMBERS, 2 * MOST_BUFFERS);
    this.names = Array.from({ length: exports.kernelCount() }, (_, i) => this.text(exports.kernelName(i)));
    exports.mayWait(mayWait(this.buffer()) ? 1 : 0);
    this.source = {
      allocate: (bytes: number) => this.take(bytes),
      free: ({ byteOffset }: Uint8Array) => exports.give(byteOffset),
      blocks: new BlocksByAddress(buffer => this.buffers.has(buffer)),
    };
  }

  /** The memory as it is now. */
  private buffer(): ArrayBuffer {
    const { buffer } = this.memory;
    this.buffers.add(buffer);
    return buffer;
  }

  private text(address: number): string {
    const bytes = new Uint8Array(this.buffer());
    return new TextDecoder().decode(bytes.slice(address, bytes.indexOf(0, address))); // it decodes no shared memory
  }

  private take(bytes: number): Uint8Array {
    const address = this.exports.take(bytes) >>> 0;
    if (address === 0) throw this.exhausted(bytes);
    return new Uint8Array(this.buffer(), address, bytes);
  }

  private exhausted(bytes?: number): UserError {
    const mib = (x: number) => `${Math.ceil(x / 2 ** 20)} MiB`;
    const wanted = bytes === undefined ? 'more' : mib(bytes);
    return new UserError(
      'memory',
      `WebAssembly has no room for ${wanted} beside the ${mib(this.buffer().byteLength)} in use`,
      'take a smaller batch or model, or another backend (native, webgpu)',
    );
  }

  kernelNames(): string[] {
    return this.names;
  }

  signature(): string {
    return this.text(this.exports.signature());
  }

  /** Memory beside its own: what lies there is copied for calls. */
  allocate(bytes: number): ArrayBuffer {
    return new ArrayBuffer(bytes);
  }

  /** How often a thread beside the caller's has taken part in a call. */
  timesHelped(): number {
    return this.exports.helped() >>> 0;
  }

  spareThreads(): number {
    return 8;
  }

  call(kernel: number, buffers: readonly (ArrayBufferView | null)[], numbers: Float64Array, count: number): void {
    if (buffers.length > MOST_BUFFERS) throw new Error('native: too many buffers in one call');
    if (count > MOST_NUMBERS) throw new Error('native: too many numbers in one call');
    const strangers = this.place(buffers);
    for (let i = 0; i < count; i++) this.numbers[i] = numbers[i];
    const problem = this.make(kernel, buffers.length, count);
    if (strangers.length > 0) this.fetchBack(kernel, buffers, strangers);
    if (problem !== undefined) throw new Error(problem);
  }

  /** Writes down where a call's buffers lie, with copies of those that lie elsewhere. @returns which these are */
  private place(buffers: readonly (ArrayBufferView | null)[]): number[] {
    const { places } = this;
    const strangers: number[] = [];
    let bytes = 0;
    for (let i = 0; i < buffers.length; i++) {
      const view = buffers[i];
      places[i] = 0;
      places[MOST_BUFFERS + i] = view === null ? 0 : view.byteLength;
      if (view === null) continue;
      if (this.buffers.has(view.buffer)) {
        places[i] = view.byteOffset;
        continue;
      }
      strangers.push(i);
      bytes += roundUp(view.byteLength);
    }
    if (strangers.length === 0) return strangers;
    let address = this.roomFor(bytes);
    for (const i of strangers) {
      const view = buffers[i] as ArrayBufferView;
      const before = buffers.indexOf(view); // the same array twice is the same memory
      places[i] = before < i ? places[before] : address;
      bytesAt(this.buffer(), places[i], view).set(bytesOf(view));
      address += roundUp(view.byteLength);
    }
    return strangers;
  }

  private roomFor(bytes: number): number {
    if (this.room.bytes < bytes) {
      this.giveRoom();
      const size = Math.max(PAGE_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
      this.room = { address: this.take(size).byteOffset, bytes: size };
    }
    return this.room.address;
  }

  private giveRoom(): void {
    if (this.room.bytes > 0) this.exports.give(this.room.address);
    this.room = { address: 0, bytes: 0 };
  }

  private fetchBack(kernel: number, buffers: readonly (ArrayBufferView | null)[], strangers: readonly number[]): void {
    const isWritten = this.writes(kernel);
    for (const i of strangers) {
      const view = buffers[i] as ArrayBufferView;
      if (isWritten(i)) bytesOf(view).set(bytesAt(this.buffer(), this.places[i], view));
    }
    if (this.room.bytes > KEPT_BYTES) this.giveRoom();
  }

  /** By the kernel's declaration. */
  private writes(kernel: number): (buffer: number) => boolean {
    let isWritten = this.written.get(kernel);
    if (isWritten === undefined) {
      const declaration = declaredCalls().get(this.names[kernel]);
      const own = Object.values(declaration?.buffers ?? {}).map(({ written }) => written);
      const again = Object.values(declaration?.slots?.buffers ?? {}).map(({ written }) => written);
      isWritten = i => (i < own.length ? own[i] : (again[(i - own.length) % again.length] ?? true));
      this.written.set(kernel, isWritten);
    }
    return isWritten;
  }

  /** @returns what is wrong with the call */
  private make(kernel: number, buffers: number, numbers: number): string | undefined {
    const { exports } = this;
    const stack = exports.__stack_pointer.value;
    try {
      const problem = exports.call(kernel, buffers, numbers);
      return problem === 0 ? undefined : this.text(problem);
    } catch (error) {
      exports.__stack_pointer.value = stack;
      exports.abandonCall();
      if (error === NO_MEMORY) throw this.exhausted();
      throw typeof error === 'number' ? new Error(`native: ${this.names[kernel]} broke down on a thread`) : error;
    }
  }

  setThreads(count: number): number {
    const wanted = this.startThread === undefined ? 1 : Math.min(Math.max(1, count), MOST_THREADS);
    if (wanted === this.threads) return wanted;
    this.threads = this.exports.setThreads(wanted);
    for (let worker = 1; worker < this.threads; worker++) this.start(worker);
    return this.threads;
  }

  private start(worker: number): void {
    const { module, memory, exports } = this;
    const tls = roundUp(exports.__tls_size.value);
    const block = this.stacks.pop() ?? this.take(tls + STACK_BYTES).byteOffset;
    const start: ThreadStart = {
      module,
      memory,
      worker,
      generation: exports.generationNow(),
      variables: block,
      stack: block + tls + STACK_BYTES,
    };
    this.startThread?.(start, () => this.stacks.push(block));
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function bytesAt(memory: ArrayBuffer, address: number, { byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(memory, address, byteLength);
}

/** Whether this thread may sleep: a page's own may not. @param memory shared */
function mayWait(memory: ArrayBuffer): boolean {
  try {
    Atomics.wait(new Int32Array(memory, 0, 1), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}
