/** @file Times of kernels on the GPU by timestamp queries, one pass a kernel. */

/** Milliseconds and calls by kernel. */
export type KernelTimes = ReadonlyMap<string, { readonly ms: number; readonly calls: number }>;

/** Passes timed between two submissions; a query set holds two numbers of each. */
const PASSES = 512;

export class KernelTimer {
  private readonly device: GPUDevice;
  private readonly queries: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private names: string[] = [];
  private readonly batches: { readonly names: readonly string[]; readonly values: GPUBuffer }[] = [];

  constructor(device: GPUDevice) {
    this.device = device;
    this.queries = device.createQuerySet({ type: 'timestamp', count: 2 * PASSES });
    this.resolved = device.createBuffer({
      size: 16 * PASSES,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Whether the passes so far must be resolved before the next. */
  get full(): boolean {
    return this.names.length === PASSES;
  }

  /** Where the next pass writes its times. */
  next(name: string): GPUComputePassTimestampWrites {
    const index = 2 * this.names.length;
    this.names.push(name);
    return { querySet: this.queries, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 };
  }

  /** Copies the times of the passes so far to where the CPU can read them; part of the submission that makes them. */
  resolve(encoder: GPUCommandEncoder): void {
    const { names, queries, resolved, device } = this;
    if (names.length === 0) return;
    const bytes = 16 * names.length;
    const values = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.resolveQuerySet(queries, 0, 2 * names.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, values, 0, bytes);
    this.batches.push({ names, values });
    this.names = [];
  }

  /** Sums by kernel, the longest first. Everything sent must have been submitted. */
  async collect(): Promise<KernelTimes> {
    const times = new Map<string, { ms: number; calls: number }>();
    for (const { names, values } of this.batches) {
      await values.mapAsync(GPUMapMode.READ);
      const stamps = new BigUint64Array(values.getMappedRange());
      names.forEach((name, i) => {
        const sum = times.get(name) ?? { ms: 0, calls: 0 };
        const ms = Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6;
        times.set(name, { ms: sum.ms + Math.max(0, ms), calls: sum.calls + 1 });
      });
      values.destroy();
    }
    this.queries.destroy();
    this.resolved.destroy();
    return new Map([...times].sort(([, a], [, b]) => b.ms - a.ms));
  }
}
