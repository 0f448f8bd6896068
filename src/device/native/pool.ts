/**
 * @file Memory of the native backend: blocks of aligned, uninitialised memory that are used again as soon as no tensor
 * refers to them. Node frees external ArrayBuffers only between turns of the event loop, which a training step never
 * reaches, and a fresh 16 MiB array costs ten times a used one. References are counted per block, because some kernels
 * return views of their input's memory.
 */

/** Where blocks come from. */
export interface BlockSource {
  /** Fresh memory of that many bytes, content undefined. @throws UserError where there is none left */
  allocate(bytes: number): Uint8Array;
  /** Takes memory back; where it is absent the garbage collector does. */
  free?(memory: Uint8Array): void;
  /** How the block of a view is found. */
  readonly blocks: BlockIndex;
}

/** A piece of memory, and how many tensors use it. */
export interface Block {
  readonly memory: Uint8Array;
  references: number;
}

/** Finds the block that a view lies in. */
export interface BlockIndex {
  add(block: Block): void;
  remove(block: Block): void;
  find(view: ArrayBufferView): Block | undefined;
}

/** Four size classes an octave: at most a quarter of a block is wasted. */
export function sizeClass(bytes: number): number {
  if (bytes <= 4096) return 4096;
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - 2);
  return Math.ceil(bytes / step) * step;
}

/** Blocks that are an ArrayBuffer each. */
export class BlocksByBuffer implements BlockIndex {
  private readonly blocks = new WeakMap<ArrayBufferLike, Block>();

  add(block: Block): void {
    this.blocks.set(block.memory.buffer, block);
  }

  remove({ memory }: Block): void {
    this.blocks.delete(memory.buffer);
  }

  find({ buffer }: ArrayBufferView): Block | undefined {
    return this.blocks.get(buffer);
  }
}

/** Blocks of one memory, whose views all begin at address 0. */
export class BlocksByAddress implements BlockIndex {
  private readonly contains: (buffer: ArrayBufferLike) => boolean;
  private readonly byStart = new Map<number, Block>();
  /** In the order of their addresses. */
  private readonly starts: number[] = [];

  /** @param contains whether a buffer is of the memory */
  constructor(contains: (buffer: ArrayBufferLike) => boolean) {
    this.contains = contains;
  }

  add(block: Block): void {
    const start = block.memory.byteOffset;
    this.byStart.set(start, block);
    this.starts.splice(this.after(start), 0, start);
  }

  remove({ memory }: Block): void {
    this.byStart.delete(memory.byteOffset);
    this.starts.splice(this.after(memory.byteOffset) - 1, 1);
  }

  find({ buffer, byteOffset }: ArrayBufferView): Block | undefined {
    if (!this.contains(buffer)) return undefined;
    const exact = this.byStart.get(byteOffset);
    if (exact !== undefined) return exact;
    const block = this.byStart.get(this.starts[this.after(byteOffset) - 1]);
    return block !== undefined && byteOffset < block.memory.byteOffset + block.memory.byteLength ? block : undefined;
  }

  /** The place of the first block that begins after an address. */
  private after(address: number): number {
    let [low, high] = [0, this.starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Recycles blocks by size class. */
export class MemoryPool {
  private readonly source: BlockSource;
  private readonly free = new Map<number, Block[]>();
  private heldBytes = 0;
  private usedBytes = 0;
  private peakBytes = 0;

  constructor(source: BlockSource) {
    this.source = source;
  }

  /** Memory of at least `bytes` bytes with no reference yet: `retain` must follow. @throws UserError if there is none left */
  take(bytes: number): Uint8Array {
    const size = sizeClass(bytes);
    const block = this.free.get(size)?.pop() ?? this.make(size);
    this.usedBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
    return block.memory;
  }

  private make(size: number): Block {
    const block = { memory: this.allocate(size), references: 0 };
    this.source.blocks.add(block);
    this.heldBytes += size;
    return block;
  }

  /** Unused blocks of other sizes are given up for one that cannot be had otherwise. */
  private allocate(size: number): Uint8Array {
    try {
      return this.source.allocate(size);
    } catch (error) {
      if (this.source.free === undefined || this.heldBytes === this.usedBytes) throw error;
      this.trim();
      return this.source.allocate(size);
    }
  }

  /** Whether a view is of this pool's memory. */
  owns(view: ArrayBufferView): boolean {
    return this.source.blocks.find(view) !== undefined;
  }

  /** One more tensor uses the memory. Memory of other origin is ignored. */
  retain(view: ArrayBufferView): void {
    const block = this.source.blocks.find(view);
    if (block !== undefined) block.references++;
  }

  /** One tensor fewer uses it; the last one hands it back. */
  release(view: ArrayBufferView): void {
    const block = this.source.blocks.find(view);
    if (block === undefined || --block.references > 0) return;
    const size = block.memory.byteLength;
    this.usedBytes -= size;
    const list = this.free.get(size);
    if (list === undefined) this.free.set(size, [block]);
    else list.push(block);
  }

  /** Lets go of the blocks that nothing uses, e.g. between two stages with different shapes. */
  trim(): void {
    for (const [bytes, list] of this.free) {
      this.heldBytes -= bytes * list.length;
      for (const block of list) {
        this.source.blocks.remove(block);
        this.source.free?.(block.memory);
      }
    }
    this.free.clear();
  }

  /** Bytes in use, held in all, and the most in use at once. */
  statistics(): { readonly used: number; readonly held: number; readonly peak: number } {
    return { used: this.usedBytes, held: this.heldBytes, peak: this.peakBytes };
  }
}
