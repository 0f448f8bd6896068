/**
 * @file The WebGPU backend: tfjs's own on a device that we open (dawn.ts), with kernels of ours beside its. Ours bind as
 * many outputs as they like, also in place; their numbers lie in one buffer that is written once a submission; a freed
 * buffer is used again at once (buffers.ts), because commands run in order. Counts dispatches, times kernels, and turns a
 * full or lost GPU into an error that says what to do (failures.ts).
 */
import * as webgpu from '@tensorflow/tfjs-backend-webgpu';
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import { turnOfEventLoop } from '../../core/platform/platform.ts';
import type { Device } from '../device.ts';
import { forgetValues, type WebgpuInternals, watchWebgpuKernels, webgpuInternals } from '../tfjs.ts';
import type { AdapterSummary, MatrixShape, OpenedDevice } from './adapter.ts';
import { BufferPool } from './buffers.ts';
import { openDevice, withNavigator } from './dawn.ts';
import { FailureWatch, tooLarge } from './failures.ts';
import { type Access, assemble, type Dispatch, programKey, uniformType } from './program.ts';
import { KernelTimer, type KernelTimes } from './timer.ts';

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

// In a browser tfjs registers its own when it is imported.
if (tf.findBackendFactory('webgpu') !== null) tf.removeBackend('webgpu');

/** Owns nothing: commands run in order, so a buffer may be used again while those that read it wait. */
const owningNothing = { has: () => false, add: () => {} };

export class GpuBackend extends webgpu.WebGPUBackend implements Device {
  readonly name = 'webgpu';
  readonly decidesSteps = true;
  readonly readsWait = true;
  readonly rowsApart = false;
  readonly summary: AdapterSummary;
  /** Operands of matrix products; sums, norms, softmax and parameters stay fp32. */
  precision: 'fp32' | 'f16' = 'fp32';
  /** Kernels sent to the GPU so far, tfjs's own included. */
  dispatches = 0;
  /** How the matrix units multiply, once checked (matrixunits.ts); undefined leaves products to plain fp32. */
  matrixUnits: MatrixShape | undefined;
  /** Why there are none, once checked. */
  noMatrixUnits: string | undefined;
  private readonly watch: FailureWatch;
  private readonly pool: BufferPool;
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
    this.watch = new FailureWatch(device, summary.name, () => this.memory().numBytesAllocatedInGPU);
    this.pool = new BufferPool(device, { watch: this.watch, flush: () => this.submitQueue() });
    this.internals.bufferManager = this.pool;
  }

  private get internals(): WebgpuInternals {
    return webgpuInternals(this);
  }

  /** A tensor of undefined content for a kernel to fill. */
  output(shape: number[], dtype: 'float32' | 'int32' = 'float32'): TensorInfo {
    const nothing = tf.util.sizeFromShape(shape) === 0 ? tf.util.getTypedArrayFromDType(dtype, 0) : undefined;
    return this.makeTensorInfo(shape, dtype, nothing as tf.TypedArray | undefined);
  }

  /** Bytes of the largest tensor that a kernel can read or write. */
  get largestTensor(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  get precisions(): readonly ('fp32' | 'f16')[] {
    return this.matrixUnits === undefined ? ['fp32'] : ['fp32', 'f16'];
  }

  /** Gradients below 6e-8 are zero in f16. */
  get lossScaling(): boolean {
    return this.precision === 'f16';
  }

  memoryUse(): { readonly used: number; readonly peak: number } {
    return { used: this.pool.numBytesAllocated, peak: this.pool.peakBytes };
  }

  override uploadToGPU(dataId: object): void {
    const data = this.tensorMap.get(dataId);
    if (data.resource !== undefined && data.resource !== null) return;
    const size = tf.util.sizeFromShape(data.shape);
    if (size === 0) {
      // A kernel of tfjs may be given nothing to read, but it must be bound.
      data.resource = this.pool.acquireBuffer(4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
      return;
    }
    if (4 * size > this.largestTensor) throw tooLarge(data.shape, { bytes: 4 * size, most: this.largestTensor });
    super.uploadToGPU(dataId);
  }

  /** The buffer behind a tensor; uploads what is still on the CPU. */
  private bufferOf(tensor: TensorInfo, access: Access): GPUBuffer {
    this.uploadToGPU(tensor.dataId);
    const data = this.tensorMap.get(tensor.dataId);
    if (access !== 'read') forgetValues(data);
    return data.resource as GPUBuffer;
  }

  /** Sends one kernel. All tensors must have elements. */
  dispatch(program: Dispatch): void {
    const { bindings, uniforms = {}, groups } = program;
    const key = programKey(program);
    const { pipeline, layout } = this.pipelines.get(key) ?? this.compile(key, program);
    const internals = this.internals;
    const fields = Object.entries(uniforms);
    // Before the numbers: taking memory may submit what was sent so far, and the numbers with it.
    const buffers = bindings.map(({ tensor, access }) => this.bufferOf(tensor, access));
    if (this.slot === SLOTS) this.submitQueue();
    const offset = this.slot * SLOT_BYTES;
    if (fields.length > 0) {
      this.slot++;
      fields.forEach(([, value], i) => {
        const plain = typeof value === 'number' ? value : 'f32' in value ? value.f32 : value.i32;
        this.uniformWords[uniformType(value)][offset / 4 + i] = plain;
      });
    }
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
    if (4 * Object.keys(program.uniforms ?? {}).length > SLOT_BYTES)
      throw new Error(`webgpu: ${program.name}: too many numbers`);
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

  /** Sends the commands that are waiting, if there are any. */
  override submitQueue(): void {
    const internals = this.internals;
    if (internals.commandEncoder === null) return;
    this.endComputePassEncoder();
    if (this.slot > 0) this.queue.writeBuffer(this.uniforms, 0, this.uniformBytes, 0, this.slot * SLOT_BYTES);
    this.slot = 0;
    this.timer?.resolve(internals.commandEncoder);
    super.submitQueue();
    internals.commandQueueOwnedIds = owningNothing;
  }

  /** Counts and times tfjs's own kernels. */
  private watchStockKernels(): void {
    watchWebgpuKernels(this, (name, send) => {
      this.dispatches++;
      if (this.timer !== undefined) this.beginTimed(`tfjs ${name}`);
      send();
      if (this.timer !== undefined) this.endComputePassEncoder();
    });
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
    this.submitQueue();
    try {
      await this.queue.onSubmittedWorkDone(); // also where the device is lost
      await turnOfEventLoop(); // of which it is told later
    } catch (error) {
      await this.watch.explain(error);
    }
    this.watch.check();
  }

  override async read(dataId: object): Promise<backend_util.BackendValues> {
    this.watch.check();
    try {
      const values = await super.read(dataId);
      this.watch.check();
      return values;
    } catch (error) {
      if (error instanceof UserError) throw error;
      return this.watch.explain(error);
    }
  }

  trim(): void {
    this.bindGroups.clear();
    this.pool.trim();
  }
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
  const backend = (await tf.setBackend('webgpu')) ? activeGpu() : undefined;
  if (backend === undefined) {
    throw new UserError('backend webgpu', 'it registered but did not start', 'use --backend native');
  }
  return backend;
}
