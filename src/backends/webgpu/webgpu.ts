/**
 * @file The WebGPU backend: tfjs's own on a device that we open (dawn.ts), with kernels of ours beside its. Ours bind as
 * many outputs as they like, also in place; their numbers lie in one buffer that is written once a submission; a freed
 * buffer is used again at once, because commands run in order. Counts dispatches, times kernels, and turns a full or lost
 * GPU into an error that says what to do. Works on internals of tfjs-backend-webgpu 4.22.0, the pinned version.
 */
import * as webgpu from '@tensorflow/tfjs-backend-webgpu';
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../errors.ts';
import { type AdapterSummary, type MatrixShape, type OpenedDevice, openDevice, withNavigator } from './dawn.ts';
import { type Access, assemble, type Dispatch, programKey, uniformType } from './program.ts';
import { KernelTimer, type KernelTimes } from './timer.ts';

/** What we use of the parent beyond its public types. */
interface Internals {
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  commandQueueOwnedIds: { has(id: object): boolean; add(id: object): void };
  dispatchCountInPass: number;
  tensorDataPendingDisposal: object[];
  stagingPendingDisposal: GPUBuffer[];
  uniformPendingDisposal: GPUBuffer[];
}

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Bytes of a kernel's numbers; offsets into a uniform buffer must be multiples of 256. */
const SLOT_BYTES = 256;
const SLOTS = 512;
/** Dispatches of one submission. Larger ones let the CPU run ahead for longer before the GPU starts. */
const DISPATCHES = 128;
const MOST_GROUPS = 65535;
/** Bind groups kept for the next step, which binds the same buffers again. */
const BIND_GROUPS = 8192;

/** Owns nothing: commands run in order, so a buffer may be used again while those that read it wait. */
const owningNothing = { has: () => false, add: () => {} };

export class GpuBackend extends webgpu.WebGPUBackend {
  readonly summary: AdapterSummary;
  /** Operands of matrix products; sums, norms, softmax and parameters stay fp32. */
  precision: 'fp32' | 'f16' = 'fp32';
  /** Kernels sent to the GPU so far, tfjs's own included. */
  dispatches = 0;
  /** How the matrix units multiply, once checked (matrixunits.ts); undefined leaves products to plain fp32. */
  matrixUnits: MatrixShape | undefined;
  private readonly pipelines = new Map<string, Pipeline>();
  private readonly bindGroups = new Map<string, GPUBindGroup>();
  private readonly bufferNumbers = new WeakMap<GPUBuffer, number>();
  private readonly uniforms: GPUBuffer;
  private readonly uniformBytes = new ArrayBuffer(SLOT_BYTES * SLOTS);
  private readonly uniformWords = {
    u32: new Uint32Array(this.uniformBytes),
    i32: new Int32Array(this.uniformBytes),
    f32: new Float32Array(this.uniformBytes),
  };
  private slot = 0;
  private buffersMade = 0;
  private failure: UserError | undefined;
  private timer: KernelTimer | undefined;

  constructor({ device, info, summary }: OpenedDevice) {
    super(device, info);
    this.summary = summary;
    this.internals.commandQueueOwnedIds = owningNothing;
    this.watchStockKernels();
    this.uniforms = device.createBuffer({
      size: SLOT_BYTES * SLOTS,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    device.addEventListener('uncapturederror', event => this.fail(event as GPUUncapturedErrorEvent));
    void device.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.failure ??= lostDevice(summary.name, message);
    });
  }

  private get internals(): Internals {
    return this as unknown as Internals; // private members of the parent
  }

  private fail(event: GPUUncapturedErrorEvent): void {
    event.preventDefault?.();
    const { error } = event;
    if (this.failure !== undefined) return;
    if (error instanceof GPUOutOfMemoryError) this.failure = outOfMemory(this.memory().numBytesAllocatedInGPU);
    else
      this.failure = new UserError(
        'webgpu',
        error.message.trim(),
        'this is a mistake in a kernel or a driver; --backend native does without',
      );
  }

  /** Throws what went wrong on the GPU since the last look: it tells only when something is waited for. */
  private check(): void {
    const { failure } = this;
    if (failure === undefined) return;
    if (failure.hint?.startsWith('this is') === true) this.failure = undefined;
    throw failure;
  }

  /** A tensor of undefined content for a kernel to fill. */
  output(shape: number[], dtype: 'float32' | 'int32' = 'float32'): TensorInfo {
    const bytes = 4 * tf.util.sizeFromShape(shape);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    if (bytes > Math.min(maxBufferSize, maxStorageBufferBindingSize)) throw tooLarge(shape, bytes);
    // Nothing is ever sent for an empty tensor, which has no buffer: it is read from here.
    const values = dtype === 'int32' ? new Int32Array(0) : new Float32Array(0);
    return this.makeTensorInfo(shape, dtype, bytes === 0 ? values : undefined);
  }

  /** The buffer behind a tensor; uploads what is still on the CPU. */
  private bufferOf(tensor: TensorInfo, access: Access): GPUBuffer {
    this.uploadToGPU(tensor.dataId);
    const data = this.tensorMap.get(tensor.dataId);
    // A copy that was read before would be stale.
    if (access !== 'read') data.values = null as unknown as backend_util.BackendValues;
    return data.resource as GPUBuffer;
  }

  /** Sends one kernel. All tensors must have elements. */
  dispatch(program: Dispatch): void {
    const { bindings, uniforms = {}, groups } = program;
    const key = programKey(program);
    const { pipeline, layout } = this.pipelines.get(key) ?? this.compile(key, program);
    const internals = this.internals;
    const fields = Object.entries(uniforms);
    if (this.slot === SLOTS) this.submitQueue();
    const offset = this.slot * SLOT_BYTES;
    if (fields.length > 0) {
      this.slot++;
      fields.forEach(([, value], i) => {
        const plain = typeof value === 'number' ? value : 'f32' in value ? value.f32 : value.i32;
        this.uniformWords[uniformType(value)][offset / 4 + i] = plain;
      });
    }
    const buffers = bindings.map(({ tensor, access }) => this.bufferOf(tensor, access));
    const group = this.bindGroup(key, layout, buffers, fields.length > 0);

    this.ensureCommandEncoderReady();
    if (this.timer !== undefined) this.beginTimed(program.name);
    internals.computePassEncoder ??= (internals.commandEncoder as GPUCommandEncoder).beginComputePass();
    const pass = internals.computePassEncoder;
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, fields.length > 0 ? [offset] : []);
    if (typeof groups === 'number') {
      // A line of groups, wrapped where it is longer than an axis may be; kernels see its number as `block`.
      const lines = Math.ceil(groups / MOST_GROUPS);
      pass.dispatchWorkgroups(Math.ceil(groups / lines), lines);
    } else {
      pass.dispatchWorkgroups(...(groups as [number, number, number]));
    }
    this.dispatches++;
    internals.dispatchCountInPass++;
    if (this.timer !== undefined) this.endComputePassEncoder();
    if (internals.dispatchCountInPass >= DISPATCHES) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
  }

  private compile(key: string, program: Dispatch): Pipeline {
    const { device } = this;
    const entries: GPUBindGroupLayoutEntry[] = program.bindings.map(({ access }, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }));
    if (Object.keys(program.uniforms ?? {}).length > 0) {
      entries.push({
        binding: entries.length,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: 'uniform', hasDynamicOffset: true },
      });
    }
    const layout = device.createBindGroupLayout({ entries });
    const module = device.createShaderModule({ label: program.name, code: assemble(program) });
    const pipeline = device.createComputePipeline({
      label: program.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
    const made = { pipeline, layout };
    this.pipelines.set(key, made);
    return made;
  }

  private bindGroup(key: string, layout: GPUBindGroupLayout, buffers: GPUBuffer[], numbers: boolean): GPUBindGroup {
    let name = key;
    for (const buffer of buffers) {
      let number = this.bufferNumbers.get(buffer);
      if (number === undefined) {
        number = this.buffersMade++;
        this.bufferNumbers.set(buffer, number);
      }
      name += `,${number}`;
    }
    const known = this.bindGroups.get(name);
    if (known !== undefined) return known;
    const entries: GPUBindGroupEntry[] = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    if (numbers) entries.push({ binding: entries.length, resource: { buffer: this.uniforms, size: SLOT_BYTES } });
    const made = this.device.createBindGroup({ layout, entries });
    if (this.bindGroups.size >= BIND_GROUPS) this.bindGroups.clear();
    this.bindGroups.set(name, made);
    return made;
  }

  override submitQueue(): void {
    const internals = this.internals;
    this.endComputePassEncoder();
    if (this.slot > 0) this.queue.writeBuffer(this.uniforms, 0, this.uniformBytes, 0, this.slot * SLOT_BYTES);
    this.slot = 0;
    this.timer?.resolve(internals.commandEncoder as GPUCommandEncoder);
    super.submitQueue();
    internals.commandQueueOwnedIds = owningNothing;
  }

  /** Counts and times tfjs's own kernels, which all pass through one private method of the parent. */
  private watchStockKernels(): void {
    const own = this as unknown as { recordAndSubmit(program: object, ...rest: unknown[]): void };
    const send = own.recordAndSubmit.bind(this);
    own.recordAndSubmit = (program, ...rest) => {
      this.dispatches++;
      if (this.timer !== undefined) this.beginTimed(`tfjs ${program.constructor.name}`);
      send(program, ...rest);
      if (this.timer !== undefined) this.endComputePassEncoder();
    };
  }

  private beginTimed(name: string): void {
    this.endComputePassEncoder();
    if (this.timer?.full === true) this.submitQueue();
    this.ensureCommandEncoderReady();
    const { internals, timer } = this;
    const timestampWrites = (timer as KernelTimer).next(name);
    internals.computePassEncoder = (internals.commandEncoder as GPUCommandEncoder).beginComputePass({
      timestampWrites,
    });
  }

  /**
   * The time that each kernel takes on the GPU during `body`, by its name. Each then runs in a pass of its own, so that
   * the sum is somewhat more than the time without measuring.
   * @throws Error if the device has no timestamps
   */
  async timeKernels(body: () => Promise<void>): Promise<KernelTimes> {
    if (!this.device.features.has('timestamp-query')) throw new Error('webgpu: this adapter has no timestamps');
    await this.finish();
    const timer = new KernelTimer(this.device);
    this.timer = timer;
    try {
      await body();
      await this.finish();
    } finally {
      this.timer = undefined;
    }
    return timer.collect();
  }

  /** Waits until the GPU has done everything that was sent. @throws UserError if something failed there */
  async finish(): Promise<void> {
    if (this.internals.commandEncoder !== null) this.submitQueue();
    await this.queue.onSubmittedWorkDone();
    await new Promise(resolve => setImmediate(resolve)); // errors come as events
    this.check();
  }

  override async read(dataId: object): Promise<backend_util.BackendValues> {
    this.check();
    try {
      const values = await super.read(dataId);
      this.check();
      return values;
    } catch (error) {
      await new Promise(resolve => setImmediate(resolve)); // what is behind it may come as an event
      this.check();
      throw error;
    }
  }

  /** Frees the buffers that nobody uses. */
  trim(): void {
    const manager = this.bufferManager as unknown as {
      freeBuffers: Map<string, GPUBuffer[]>;
      numFreeBuffers: number;
      numBytesAllocated: number;
    };
    this.bindGroups.clear();
    for (const buffers of manager.freeBuffers.values()) {
      for (const buffer of buffers.splice(0)) {
        manager.numFreeBuffers--;
        manager.numBytesAllocated -= buffer.size;
        buffer.destroy();
      }
    }
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20).toLocaleString('en')} MiB`;
}

const smaller =
  'use a smaller --batch-size, or --accumulate 2; what was saved last is whole, and the same command goes on from it';

function outOfMemory(allocated: number): UserError {
  return new UserError('webgpu', `the GPU is out of memory (${mebibytes(allocated)} were in use)`, smaller);
}

function tooLarge(shape: readonly number[], bytes: number): UserError {
  return new UserError(
    'webgpu',
    `[${shape.join(', ')}] is ${mebibytes(bytes)}, more than one buffer of this GPU holds`,
    smaller,
  );
}

function lostDevice(name: string, message: string): UserError {
  return new UserError(
    'webgpu',
    `lost ${name}: ${message.trim().split('\n')[0]}`,
    'what was saved last is whole, and the same command goes on from it; a smaller --batch-size if it happens again',
  );
}

/** The active backend if it is the WebGPU one. */
export function activeGpu(): GpuBackend | undefined {
  const backend = tf.backend();
  return backend instanceof GpuBackend ? backend : undefined;
}

/**
 * Opens the device and makes `webgpu` the active backend.
 * @throws UserError saying what is missing
 */
export async function activateWebgpu(): Promise<GpuBackend> {
  if (tf.findBackendFactory('webgpu') === null) {
    const opened = await openDevice();
    const backend = await withNavigator(() => new GpuBackend(opened));
    tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', DISPATCHES);
    tf.env().set('WEBGPU_CPU_FORWARD', false); // small tensors stay where the others are
    tf.registerBackend('webgpu', () => backend);
  }
  if (!(await tf.setBackend('webgpu')))
    throw new UserError('backend webgpu', 'it registered but did not start', 'use --backend native');
  return tf.backend() as GpuBackend;
}
