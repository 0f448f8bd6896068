/**
 * @file Records calls of native kernels as they happen: name, numbers, and every buffer's bytes before and after. replay.cc
 * makes the same calls without Node: under sanitizers, for other instruction sets, on other processors.
 *
 * Memory that a kernel is to fill is set to 0xff bytes first (a NaN that no arithmetic gives). So an element that still
 * has them afterwards was never written, and a kernel that reads what nobody wrote spoils its test here. Arrays that a
 * kernel updates in place need no mark: the replay starts from the bytes that were there.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { declaredCalls, numberPlaces } from '../../src/device/native/calls.ts';
import { NativeBackend } from '../../src/device/native/native.ts';
import { DecoderRecorder, isDecoding } from './decoding.ts';
import { type CallRecord, contentBytes, encode } from './format.ts';
import { bytesOf, firstLike, type RunKernel, shapeOf, snapshot, withResult } from './snapshot.ts';

/** Which number says that operands are bf16, if one does. */
function precisionAt(kernel: string): number | undefined {
  const call = declaredCalls().get(kernel);
  return call && numberPlaces(call.numbers).places.get('precision');
}

/** Of one kernel and precision. */
export interface RecordLimits {
  readonly chains: number;
  /** Bytes of a chain's buffers before the calls. */
  readonly chainBytes: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

const standardLimits: RecordLimits = { chains: 60, chainBytes: 4 << 20, bytes: 16 << 20 };

/**
 * Records into a folder from now on, beside what is there: calls of equal kernel, numbers, sizes and precision once. Where
 * the processor has bf16, every call in fp32 that could round its operands is made and recorded in bf16 as well.
 * @returns a function that ends it
 */
export function recordCalls(folder: string, limits: RecordLimits = standardLimits): () => void {
  const store = openStore(folder, limits);
  const { callPacked: originalCall, output: originalOutput } = NativeBackend.prototype;

  /** Keeps a chain, and its twin in bf16. */
  const keep = (chain: readonly CallRecord[], run: RunKernel | undefined): void => {
    store.add(chain);
    const rounded = chain.map(round);
    if (run !== undefined && !chain[0].bf16 && precisionAt(chain[0].kernel) !== undefined && store.wants(rounded)) {
      store.add(makeAgain(rounded, run));
    }
  };
  const decoders = new DecoderRecorder(limits.chainBytes);

  NativeBackend.prototype.output = function (this: NativeBackend, shape, dtype) {
    const info = originalOutput.call(this, shape, dtype);
    bytesOf(this.values(info)).fill(0xff);
    return info;
  };
  NativeBackend.prototype.callPacked = function (
    this: NativeBackend,
    kernel: string,
    views: readonly (ArrayBufferView | null)[],
    numbers: readonly number[],
  ) {
    const run: RunKernel = (...call) => originalCall.apply(this, call);
    const runTwin = this.supportsBf16 ? run : undefined;
    if (this.name === 'wasm') return run(kernel, views, numbers); // native builds are made again from native results
    const bf16 = numbers[precisionAt(kernel) ?? -1] === 1;
    if (isDecoding(kernel)) {
      decoders.record({ kernel, views, numbers, bf16 }, run, chain => keep(chain, runTwin));
      return;
    }
    const call = { kernel, numbers, bf16, buffers: views.map(shapeOf) };
    if (!store.wants([call])) {
      run(kernel, views, numbers);
      return;
    }
    const earlier = views.map((view, i) => {
      const record = snapshot(view);
      return { ...record, before: firstLike(views, i) ?? record.before };
    });
    run(kernel, views, numbers);
    keep([{ ...call, buffers: earlier.map((record, i) => withResult(record, views[i])) }], runTwin);
  };
  return () => {
    decoders.finish();
    Object.assign(NativeBackend.prototype, { callPacked: originalCall, output: originalOutput });
  };
}

/** Files in a folder, one a chain, up to the limits. */
function openStore(folder: string, limits: RecordLimits) {
  mkdirSync(folder, { recursive: true });
  const sizesOf = new Map<string, number[]>();
  const take = (name: string, bytes: number) => {
    sizesOf.set(groupOf(name), [...(sizesOf.get(groupOf(name)) ?? []), bytes]);
  };
  for (const name of readdirSync(folder)) take(name, statSync(join(folder, name)).size);
  const wants = (chain: readonly CallRecord[]): boolean => {
    const name = nameOf(chain);
    const sizes = sizesOf.get(groupOf(name)) ?? [];
    const bytes = contentBytes(chain);
    const room = sizes.length < limits.chains && bytes <= limits.chainBytes;
    return room && sizes.reduce((sum, x) => sum + x, 2 * bytes) <= limits.bytes && !existsSync(join(folder, name));
  };
  const add = (chain: readonly CallRecord[]): void => {
    if (!wants(chain)) return;
    const content = encode(chain);
    writeFileSync(join(folder, nameOf(chain)), content);
    take(nameOf(chain), content.length);
  };
  return { wants, add };
}

/** Kernel (the last, of a chain), precision, and a hash of everything but the content. */
function nameOf(chain: readonly CallRecord[]): string {
  const { kernel, bf16 } = chain[chain.length - 1];
  const key = chain.map(({ kernel, numbers, buffers }) => [
    kernel,
    numbers,
    buffers.map(({ kind, bytes }) => (kind === 'none' ? null : bytes)),
  ]);
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
  return `${kernel}.${bf16 ? 'bf16' : 'fp32'}.${hash}`;
}

/** Kernel and precision of a file. */
function groupOf(name: string): string {
  return name.slice(0, name.lastIndexOf('.'));
}

function round(call: CallRecord): CallRecord {
  const at = precisionAt(call.kernel);
  return { ...call, bf16: true, numbers: call.numbers.map((x, i) => (i === at ? 1 : x)) };
}

/** Makes the calls of a chain in memory of its own, and records what they give. */
function makeAgain(chain: readonly CallRecord[], run: RunKernel): CallRecord[] {
  const memory: (Uint8Array | null)[] = [];
  let layout = new Float64Array(0);
  return chain.map(call => {
    const views = call.buffers.map(({ kind, bytes, which = 0, before }) => {
      const size = kind === 'packed' ? bytes * layout[which] * Float32Array.BYTES_PER_ELEMENT : bytes;
      const own = () => (before instanceof Uint8Array ? Uint8Array.from(before) : new Uint8Array(size).fill(0xff));
      memory.push(kind === 'none' ? null : typeof before === 'number' ? memory[before] : own());
      return memory[memory.length - 1];
    });
    run(call.kernel, views, call.numbers);
    const told = call.buffers.findIndex(({ kind }) => kind === 'layout');
    // A layout is never absent, and fills its memory.
    if (told >= 0) layout = Float64Array.from(new Float64Array((views[told] as Uint8Array).buffer));
    return { ...call, buffers: call.buffers.map((buffer, i) => withResult(buffer, views[i])) };
  });
}
