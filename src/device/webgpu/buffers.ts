/**
 * @file Memory on the GPU: buffers that nobody uses any more are kept for the next tensor of the same size. Takes the place
 * of tfjs's BufferManager, which never lets go of any, so that sizes which change from step to step would fill the GPU.
 */
import type { FailureWatch } from './failures.ts';

interface FreeBuffer {
  readonly buffer: GPUBuffer;
  /** The pool's clock when it was given back. */
  readonly since: number;
}

/** A buffer that so many others were taken since is not waited for: some ten steps of a training. */
const AGE = 8192;

export class BufferPool {
  private readonly device: Pick<GPUDevice, 'createBuffer'>;
  private readonly watch: Pick<FailureWatch, 'tryMemory'>;
  private readonly flush: () => void;
  private readonly age: number;
  private readonly free = new Map<string, FreeBuffer[]>();
  private readonly used = new Set<GPUBuffer>();
  /** Counts what was taken. */
  private clock = 0;
  private swept = 0;
  numBytesUsed = 0;
  numBytesAllocated = 0;
  /** The most bytes that were allocated at a time. */
  peakBytes = 0;

  /** @param options.flush sends the commands that are waiting, after which buffers that they read may be destroyed */
  constructor(
    device: Pick<GPUDevice, 'createBuffer'>,
    options: { readonly watch: Pick<FailureWatch, 'tryMemory'>; readonly flush: () => void; readonly age?: number },
  ) {
    this.device = device;
    this.watch = options.watch;
    this.flush = options.flush;
    this.age = options.age ?? AGE;
  }

  /** @param reuse whether a buffer that was used before will do, in which case it is not mapped */
  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    this.clock++;
    const kept = reuse ? this.free.get(keyOf(size, usage))?.pop() : undefined;
    const buffer = kept?.buffer ?? this.create({ size, usage, mappedAtCreation });
    this.used.add(buffer);
    this.numBytesUsed += size;
    return buffer;
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    if (!this.used.delete(buffer)) throw new Error('webgpu: a buffer was given back twice');
    this.numBytesUsed -= buffer.size;
    if (!reuse) {
      this.destroy(buffer);
      return;
    }
    const key = keyOf(buffer.size, buffer.usage);
    const others = this.free.get(key);
    const entry = { buffer, since: this.clock };
    if (others === undefined) this.free.set(key, [entry]);
    else others.push(entry);
  }

  private create(descriptor: GPUBufferDescriptor): GPUBuffer {
    if (this.clock - this.swept > this.age / 8) this.sweep(this.clock - this.age);
    const { made, enough } = this.watch.tryMemory(() => this.device.createBuffer(descriptor));
    let buffer = made;
    if (!enough) {
      made.destroy();
      this.trim(); // what is kept may be of sizes that nobody asks for
      buffer = this.device.createBuffer(descriptor);
    }
    this.numBytesAllocated += descriptor.size;
    this.peakBytes = Math.max(this.peakBytes, this.numBytesAllocated);
    return buffer;
  }

  private destroy(buffer: GPUBuffer): void {
    this.numBytesAllocated -= buffer.size;
    buffer.destroy();
  }

  /** Destroys the free buffers that were given back at `until` or before. */
  private sweep(until: number): void {
    this.swept = this.clock;
    let flushed = false;
    for (const [key, entries] of this.free) {
      const fresh = entries.findIndex(({ since }) => since > until); // the oldest come first
      const old = entries.splice(0, fresh < 0 ? entries.length : fresh);
      if (entries.length === 0) this.free.delete(key);
      if (old.length > 0 && !flushed) this.flush();
      flushed ||= old.length > 0;
      for (const { buffer } of old) this.destroy(buffer);
    }
  }

  /** Destroys the buffers that nobody uses. */
  trim(): void {
    this.sweep(this.clock);
  }

  getNumUsedBuffers(): number {
    return this.used.size;
  }

  getNumFreeBuffers(): number {
    return [...this.free.values()].reduce((sum, { length }) => sum + length, 0);
  }

  dispose(): void {
    this.trim();
    for (const buffer of this.used) buffer.destroy();
    this.used.clear();
    this.numBytesUsed = 0;
    this.numBytesAllocated = 0;
  }
}

function keyOf(size: number, usage: number): string {
  return `${size} ${usage}`;
}
