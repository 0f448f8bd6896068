/**
 * @file Memory of the native backend: blocks of aligned, uninitialised memory that are used again as soon as no tensor
 * refers to them. Node frees external ArrayBuffers only between turns of the event loop, which a training step never
 * reaches, and a fresh 16 MiB array costs ten times a used one. References are counted per ArrayBuffer, because some
 * kernels return views of their input's buffer.
 */

interface Block {
  readonly buffer: ArrayBuffer;
  readonly bytes: number;
  references: number;
}

/** Four size classes an octave: at most a quarter of a block is wasted. */
export function sizeClass(bytes: number): number {
  if (bytes <= 4096) return 4096;
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - 2);
  return Math.ceil(bytes / step) * step;
}

/** Recycles ArrayBuffers by size class. */
export class MemoryPool {
  private readonly allocate: (bytes: number) => ArrayBuffer;
  private readonly free = new Map<number, Block[]>();
  private readonly blocks = new WeakMap<ArrayBufferLike, Block>();
  private heldBytes = 0;
  private usedBytes = 0;
  private peakBytes = 0;

  /** @param allocate makes a fresh buffer of that many bytes, content undefined */
  constructor(allocate: (bytes: number) => ArrayBuffer) {
    this.allocate = allocate;
  }

  /** A buffer of at least `bytes` bytes with no reference yet: `retain` must follow. */
  take(bytes: number): ArrayBuffer {
    const size = sizeClass(bytes);
    let block = this.free.get(size)?.pop();
    if (block === undefined) {
      block = { buffer: this.allocate(size), bytes: size, references: 0 };
      this.blocks.set(block.buffer, block);
      this.heldBytes += size;
    }
    this.usedBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
    return block.buffer;
  }

  /** Whether the buffer came from this pool. */
  owns(buffer: ArrayBufferLike): boolean {
    return this.blocks.has(buffer);
  }

  /** One more tensor uses the buffer. Buffers of other origin are ignored. */
  retain(buffer: ArrayBufferLike): void {
    const block = this.blocks.get(buffer);
    if (block !== undefined) block.references++;
  }

  /** One tensor fewer uses it; the last one hands it back. */
  release(buffer: ArrayBufferLike): void {
    const block = this.blocks.get(buffer);
    if (block === undefined || --block.references > 0) return;
    this.usedBytes -= block.bytes;
    const list = this.free.get(block.bytes);
    if (list === undefined) this.free.set(block.bytes, [block]);
    else list.push(block);
  }

  /** Lets go of the blocks that nothing uses, e.g. between two stages with different shapes. */
  trim(): void {
    for (const [bytes, list] of this.free) this.heldBytes -= bytes * list.length;
    this.free.clear();
  }

  /** Bytes in use, held in all, and the most in use at once. */
  statistics(): { readonly used: number; readonly held: number; readonly peak: number } {
    return { used: this.usedBytes, held: this.heldBytes, peak: this.peakBytes };
  }
}
