/**
 * @file The native backend: every kernel of tfjs's cpu backend, in memory that is pooled, with the hot ones replaced by
 * C++ (src/kernels registers those). Tensors are plain typed arrays on this side, so a call costs a fraction of a
 * microsecond and nothing is copied. Built for WebAssembly the same is the backend `wasm`: its tensors live in the
 * kernels' own memory, where what tfjs has made elsewhere moves when a kernel first asks for it. Knows no platform.
 */
import * as cpu from '@tensorflow/tfjs-backend-cpu';
import type { backend_util, DataType, TensorInfo, TypedArray } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Device } from '../device.ts';
import { keepQuiet } from '../tfjs.ts';
import type { Addon, InstructionSet, LoadedAddon } from './addon.ts';
import {
  type BufferSpec,
  type GivenBuffers,
  type GivenNumbers,
  type GivenSlot,
  type NativeCall,
  type NumberSpec,
  namesOf,
  packNumbers,
} from './calls.ts';
import { BlocksByBuffer, MemoryPool } from './pool.ts';

export type Precision = 'fp32' | 'bf16';

/** A native tensor's values. */
export type NativeArray = Float32Array | Int32Array | Uint8Array;

type ArrayKind = Float32ArrayConstructor | Int32ArrayConstructor | Uint8ArrayConstructor;

/** One call of a C++ kernel, in the order of its declaration (calls.ts); null where an optional buffer is absent. */
export interface KernelCall {
  readonly kernel: string;
  readonly buffers: readonly (ArrayBufferView | null)[];
  readonly numbers: readonly number[];
}

/** Sees every kernel call; must call `run` once, and no kernel before that. */
export type KernelObserver = (call: KernelCall, run: () => void) => void;

/** Most threads of the kernels: kMaxThreads of native/kernels.h. */
const MOST_THREADS = 64;

export class NativeBackend extends cpu.MathBackendCPU implements Device {
  readonly name: 'native' | 'wasm';
  readonly lossScaling = false;
  readonly decidesSteps = false;
  readonly readsWait = false;
  readonly rowsApart = true;
  readonly instructionSet: InstructionSet;
  readonly memoryPool: MemoryPool;
  /** What `auto` is. */
  readonly fastest: Precision;
  /** Operands of matrix products; sums, norms, softmax and parameters stay fp32. */
  precision: Precision;
  private readonly addon: Addon;
  private readonly indexOf: ReadonlyMap<string, number>;
  private readonly numbers = new Float64Array(64);
  private observer: KernelObserver | undefined;
  /** How many more threads the system would give this process, up to the 8 that decoding and lettering may need. */
  get spareThreads(): number {
    return this.addon.spareThreads();
  }

  /** How many of the threads that were asked for last the system has refused. */
  refusedThreads = 0;
  /** Threads of the kernels. */
  threads: number;
  /** Whether kernels read no memory but the pool's. */
  private readonly hasOwnMemory: boolean;
  /** Copies there of arrays that never change; a copy is given up once neither it nor what it was made of is in use. */
  private readonly residents = new WeakMap<ArrayBufferView, NativeArray>();
  private readonly forgotten = new FinalizationRegistry<Uint8Array>(memory => this.memoryPool.release(memory));

  constructor({ addon, instructionSet, fastest, threads, memory }: LoadedAddon) {
    super();
    this.name = backendOf(instructionSet);
    keepQuiet(this); // the faster backend that it tells of is this
    this.addon = addon;
    this.instructionSet = instructionSet;
    this.fastest = fastest;
    this.precision = fastest;
    this.indexOf = new Map(addon.kernelNames().map((name, index) => [name, index]));
    this.hasOwnMemory = memory !== undefined;
    const anywhere = {
      allocate: (bytes: number) => new Uint8Array(addon.allocate(bytes)),
      blocks: new BlocksByBuffer(),
    };
    this.memoryPool = new MemoryPool(memory ?? anywhere);
    this.threads = threads;
    this.setThreads(threads);
  }

  /** Whether this processor multiplies bf16 pairs in hardware. */
  get supportsBf16(): boolean {
    return this.instructionSet === 'amx' || this.instructionSet === 'avx512bf16';
  }

  get precisions(): readonly Precision[] {
    return this.supportsBf16 ? ['fp32', 'bf16'] : ['fp32'];
  }

  trim(): void {
    this.memoryPool.trim();
  }

  memoryUse(): { readonly used: number; readonly peak: number } {
    return this.memoryPool.statistics();
  }

  /** Sets the number of threads of the kernels; there are fewer then where the system refuses some. */
  setThreads(count: number): void {
    this.threads = this.addon.setThreads(count);
    this.refusedThreads = Math.min(count, MOST_THREADS) - this.threads;
  }

  /** A tensor of undefined content for a kernel to fill. */
  output(shape: number[], dtype: 'float32' | 'int32' | 'bool' = 'float32'): TensorInfo {
    const length = tf.util.sizeFromShape(shape);
    return this.makeTensorInfo(
      shape,
      dtype,
      this.take(length, { bool: Uint8Array, int32: Int32Array, float32: Float32Array }[dtype]),
    );
  }

  /** An array of undefined content in the pool's memory, with no reference yet. */
  private take(length: number, kind: ArrayKind): NativeArray {
    const { buffer, byteOffset } = this.memoryPool.take(Math.max(1, length) * kind.BYTES_PER_ELEMENT);
    return new kind(buffer as ArrayBuffer, byteOffset, length);
  }

  /** Its copy in the pool's memory. */
  private copy(values: NativeArray): NativeArray {
    const copy = this.take(values.length, values.constructor as ArrayKind);
    copy.set(values);
    this.memoryPool.retain(copy);
    return copy;
  }

  /** A tensor's values as the kernels see them: shared, not a copy. */
  values(tensor: TensorInfo): NativeArray {
    const data = this.data.get(tensor.dataId);
    const values = data.values as NativeArray;
    if (!this.hasOwnMemory || !ArrayBuffer.isView(values) || this.memoryPool.owns(values)) return values;
    const moved = this.copy(values);
    data.values = moved;
    return moved;
  }

  /**
   * An array where kernels read it without a copy.
   * @param values must never change
   * @returns they, or a copy, whose memory is the caller's as long as either array is referred to
   */
  resident<A extends NativeArray>(values: A): A {
    if (!this.hasOwnMemory || this.memoryPool.owns(values)) return values;
    let copy = this.residents.get(values);
    if (copy === undefined) {
      copy = this.copy(values);
      this.residents.set(values, copy);
      this.forgotten.register(copy, new Uint8Array(copy.buffer, copy.byteOffset, 1));
    }
    return copy as A; // of its kind
  }

  /**
   * Calls a C++ kernel.
   * @param call as declared beside the kernel
   * @param buffers tensors or typed arrays by name
   * @param numbers sizes and constants by name
   * @param slots what comes again and again, where the declaration has slots
   * @throws Error if a buffer is shorter than the numbers say
   */
  call<
    B extends Readonly<Record<string, BufferSpec>>,
    N extends Readonly<Record<string, NumberSpec>>,
    SB extends Readonly<Record<string, BufferSpec>>,
    SN extends Readonly<Record<string, NumberSpec>>,
  >(
    call: NativeCall<B, N, SB, SN>,
    buffers: GivenBuffers<B>,
    numbers: GivenNumbers<N>,
    slots: readonly GivenSlot<SB, SN>[] = [],
  ): void {
    const views: (ArrayBufferView | null)[] = [];
    const packed: number[] = [];
    this.pack(call, { buffers, numbers }, views, packed);
    if (call.slots !== undefined) for (const slot of slots) this.pack(call.slots, slot, views, packed);
    this.callPacked(call.kernel, views, packed);
  }

  /** Appends the buffers and numbers of a call or a slot in the order of its declaration. */
  private pack(
    group: Pick<NativeCall, 'buffers' | 'numbers'>,
    given: {
      readonly buffers: Readonly<Record<string, TensorInfo | ArrayBufferView | null | undefined>>;
      readonly numbers: Readonly<Record<string, unknown>>;
    },
    views: (ArrayBufferView | null)[],
    packed: number[],
  ): void {
    const names = namesOf(group);
    for (const name of names.buffers) views.push(this.viewOf(given.buffers[name]));
    packNumbers(names.numbers, group.numbers, given.numbers, packed);
  }

  private viewOf(buffer: TensorInfo | ArrayBufferView | null | undefined): ArrayBufferView | null {
    if (buffer === null || buffer === undefined) return null;
    return ArrayBuffer.isView(buffer) ? buffer : this.values(buffer);
  }

  /**
   * Calls a C++ kernel with buffers and numbers in the order of its declaration.
   * @param kernel its name
   */
  callPacked(kernel: string, views: readonly (ArrayBufferView | null)[], numbers: readonly number[]): void {
    const index = this.indexOf.get(kernel);
    if (index === undefined) throw new Error(`native: no kernel ${kernel}; rebuild with npx tesserae build-native`);
    for (let i = 0; i < numbers.length; i++) this.numbers[i] = numbers[i];
    if (this.observer === undefined) this.addon.call(index, views, this.numbers, numbers.length);
    else {
      const run = () => this.addon.call(index, views, this.numbers, numbers.length);
      this.observer({ kernel, buffers: views, numbers }, run);
    }
  }

  /** Puts `observer` around every kernel call from now on, for measuring; undefined ends it. */
  observe(observer: KernelObserver | undefined): void {
    this.observer = observer;
  }

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): object {
    if (ArrayBuffer.isView(values)) this.memoryPool.retain(values);
    return super.write(values, shape, dtype);
  }

  override move(
    dataId: object,
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    if (ArrayBuffer.isView(values)) this.memoryPool.retain(values);
    super.move(dataId, values, shape, dtype, refCount);
  }

  override disposeData(dataId: object, force = false): boolean {
    const data = this.data.has(dataId) ? this.data.get(dataId) : undefined;
    const freed = super.disposeData(dataId, force);
    if (freed && data !== undefined && ArrayBuffer.isView(data.values)) this.memoryPool.release(data.values);
    return freed;
  }

  /** Callers get a copy of pooled memory: the block is used again once the tensor is disposed. */
  override readSync(dataId: object): backend_util.BackendValues {
    const values = super.readSync(dataId);
    return ArrayBuffer.isView(values) && this.memoryPool.owns(values) ? (values as TypedArray).slice() : values;
  }

  override async read(dataId: object): Promise<backend_util.BackendValues> {
    return this.readSync(dataId);
  }
}

/** The name of the backend that a build is. */
function backendOf(instructionSet: InstructionSet): 'native' | 'wasm' {
  return instructionSet === 'wasm' ? 'wasm' : 'native';
}

/** Whether a build has been registered as a backend. */
export function isRegistered(backend: 'native' | 'wasm'): boolean {
  return tf.findBackendFactory(backend) !== null;
}

/** Registers a build as a backend, `native` or `wasm`, with every kernel of the cpu backend. */
export function registerNative(loaded: LoadedAddon): void {
  const name = backendOf(loaded.instructionSet);
  tf.registerBackend(name, () => new NativeBackend(loaded));
  tf.copyRegisteredKernels('cpu', name);
  for (const kernel of overrides.keys()) installOverride(kernel, name);
}

/**
 * Registers a build that has to be waited for, unless it is registered already.
 * @returns why it could not be, or undefined
 */
export async function registerOnce(
  backend: 'native' | 'wasm',
  load: () => Promise<LoadedAddon | { readonly reason: string }>,
): Promise<string | undefined> {
  if (isRegistered(backend)) return undefined;
  const loaded = await load();
  if ('reason' in loaded) return loaded.reason;
  registerNative(loaded);
  return undefined;
}

/** Makes a registered build the active backend. @returns undefined if it does not start */
export async function startKernels(backend: 'native' | 'wasm'): Promise<NativeBackend | undefined> {
  return (await tf.setBackend(backend)) ? activeNative() : undefined;
}

export type InputInfos = Readonly<Record<string, TensorInfo>>;

/** Fills the outputs of one of tfjs's own operations, or returns undefined to leave the call to the cpu backend. */
export type Override = (
  inputs: InputInfos,
  attributes: Readonly<Record<string, unknown>>,
  backend: NativeBackend,
) => TensorInfo[] | undefined;

const overrides = new Map<string, Override>();

/**
 * Replaces one of tfjs's own kernels on the native backend, and on the same in WebAssembly.
 * @param kernelName tfjs's name, e.g. `BatchMatMul`
 */
export function overrideNative(kernelName: string, override: Override): void {
  overrides.set(kernelName, override);
  for (const backend of ['native', 'wasm'] as const) if (isRegistered(backend)) installOverride(kernelName, backend);
}

function installOverride(kernelName: string, backendName: 'native' | 'wasm'): void {
  const override = overrides.get(kernelName) as Override;
  const stock = tf.getKernel(kernelName, 'cpu');
  if (tf.getKernel(kernelName, backendName) !== undefined) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: parameters => {
      const { inputs, attrs, backend } = parameters;
      const outputs = override(
        inputs as InputInfos,
        (attrs ?? {}) as Record<string, unknown>,
        backend as NativeBackend,
      );
      if (outputs !== undefined) return outputs.length === 1 ? outputs[0] : outputs;
      if (stock === undefined) throw new Error(`native: no kernel ${kernelName} for these arguments`);
      return stock.kernelFunc(parameters);
    },
  });
}

/** The active backend if it is the native one, whatever it was built for. */
export function activeNative(): NativeBackend | undefined {
  const backend = tf.backend();
  return backend instanceof NativeBackend ? backend : undefined;
}
