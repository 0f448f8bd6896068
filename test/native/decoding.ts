/**
 * @file Records decoding as chains of calls. Packed weights and caches lie differently in each build, so a step by itself
 * says nothing to another one. A chain begins where weights are packed and goes on through the steps of all decoders that
 * use them; what is compared is the logits.
 */
import { absent, type BufferRecord, type CallRecord, contentBytes } from './format.ts';
import { bytesOf, type Call, type RunKernel, snapshot, withResult } from './snapshot.ts';

/** Which buffers are packed, and which entry of the layout says how large they are: 0 weights, 1 one row of a cache. */
const packed: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  decoderSizes: {},
  decoderPackLayer: { 10: 0 },
  decoderPackEnds: { 3: 0 },
  decoderStep: { 0: 0, 1: 1, 2: 1 },
};

/** The numbers of every call here begin with those that decoderSizes takes, the first of which is how many rows. */
const SIZE_NUMBERS = 14;

export function isDecoding(kernel: string): boolean {
  return kernel in packed;
}

type End = (chain: readonly CallRecord[]) => void;

interface Chain {
  readonly calls: CallRecord[];
  /** The number that an array has as a buffer of this chain. */
  readonly numberOf: Map<ArrayBufferView, number>;
  /** What plain arrays held when they were numbered. */
  readonly contents: Map<ArrayBufferView, Buffer>;
  readonly end: End;
  buffers: number;
}

/** Follows the packed weights of every decoder. */
export class DecoderRecorder {
  private readonly mostBytes: number;
  private readonly chains = new Map<ArrayBufferView, Chain>();

  constructor(mostBytes: number) {
    this.mostBytes = mostBytes;
  }

  /** Makes the call, and records it if its chain has room. @param end receives the chain when that is over */
  record(call: Call, run: RunKernel, end: End): void {
    const { kernel, views, numbers, bf16 } = call;
    const [position] = Object.entries(packed[kernel]).find(([, which]) => which === 0) ?? [];
    const weights = position === undefined ? null : views[Number(position)];
    if (weights !== null && kernel === 'decoderPackLayer' && numbers[SIZE_NUMBERS] === 0) this.begin(weights, end);
    const chain = weights === null ? undefined : this.chains.get(weights);
    if (weights === null || chain === undefined) {
      run(kernel, views, numbers);
      return;
    }
    const fresh = views.some((view, i) => i in packed[kernel] && view !== null && !chain.numberOf.has(view));
    if (fresh) {
      const layout: BufferRecord = { kind: 'layout', bytes: 16, which: 0, before: 'unwritten' };
      add(chain, { kernel: 'decoderSizes', numbers: numbers.slice(0, SIZE_NUMBERS), buffers: [layout], bf16 }, [null]);
    }
    const earlier = views.map((view, i) => describe(chain, view, { which: packed[kernel][i], rows: numbers[0] }));
    run(kernel, views, numbers);
    const buffers = earlier.map((buffer, i) => withResult(buffer, views[i]));
    add(chain, { kernel, numbers, buffers, bf16 }, views);
    // A chain that has no room left is over: later steps build on the one that does not fit.
    if (contentBytes(chain.calls) > this.mostBytes) {
      chain.calls.pop();
      this.close(weights);
    }
  }

  /** Ends all chains. */
  finish(): void {
    for (const weights of [...this.chains.keys()]) this.close(weights);
  }

  private begin(weights: ArrayBufferView, end: End): void {
    this.close(weights);
    this.chains.set(weights, { calls: [], numberOf: new Map(), contents: new Map(), end, buffers: 0 });
  }

  private close(weights: ArrayBufferView): void {
    const chain = this.chains.get(weights);
    this.chains.delete(weights);
    const last = chain?.calls.findLastIndex(({ kernel }) => kernel === 'decoderStep') ?? -1;
    if (last >= 0) chain?.end(chain.calls.slice(0, last + 1));
  }
}

/** A buffer before its call: memory of the chain where that is what it holds. */
function describe(
  { numberOf, contents }: Chain,
  view: ArrayBufferView | null,
  { which, rows }: { readonly which: number | undefined; readonly rows: number },
): BufferRecord {
  if (view === null) return absent;
  const before = numberOf.get(view);
  if (which !== undefined)
    return { kind: 'packed', bytes: which === 0 ? 1 : rows, which, before: before ?? 'unwritten' };
  const record = snapshot(view);
  return before !== undefined && contents.get(view)?.equals(bytesOf(view)) ? { ...record, before } : record;
}

function add(chain: Chain, call: CallRecord, views: readonly (ArrayBufferView | null)[]): void {
  chain.calls.push(call);
  views.forEach((view, i) => {
    const number = chain.buffers++;
    if (view === null || typeof call.buffers[i].before === 'number') return;
    chain.numberOf.set(view, number);
    if (call.buffers[i].kind !== 'packed') chain.contents.set(view, Buffer.from(bytesOf(view)));
  });
}
