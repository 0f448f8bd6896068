/** @file Runs ONNX networks by onnxruntime, which is here as a part of what reads CLIPs, and says why where it does not start. */
import { createRequire } from 'node:module';

interface OnnxTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface Session {
  readonly inputMetadata: readonly { readonly name: string; readonly shape: readonly (number | string)[] }[];
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, OnnxTensor>>>;
}

/** As much of onnxruntime as the tests use. */
interface Runtime {
  readonly InferenceSession: {
    create(
      bytes: Uint8Array,
      options: { readonly intraOpNumThreads: number; readonly logSeverityLevel: number },
    ): Promise<Session>;
  };
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => unknown;
}

let runtime: Runtime | undefined;

/** Why networks cannot be run here, or undefined. */
export const noOnnx: string | undefined = (() => {
  try {
    runtime = createRequire(import.meta.url)('onnxruntime-node') as Runtime;
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
})();

/** A network of a file's bytes, in parts or whole. */
export async function openNetwork(file: Uint8Array | readonly Uint8Array[]): Promise<Session> {
  const bytes = file instanceof Uint8Array ? file : Buffer.concat(file);
  return (runtime as Runtime).InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
}

export function int64(values: Iterable<number>, dims: readonly number[]): unknown {
  return new (runtime as Runtime).Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

/** Reads a sequence in pieces, with the caches that the network gives back. */
export class Reader {
  private readonly session: Session;
  private readonly rows: number;
  private past: Record<string, unknown> = {};
  private read = 0;

  constructor(session: Session, rows: number) {
    this.session = session;
    this.rows = rows;
    for (const { name, shape } of session.inputMetadata.slice(2)) {
      const dims = [rows, ...shape.slice(1).map(Number)];
      const zeros = new Float32Array(dims.reduce((a, b) => a * b));
      this.past[name] = new (runtime as Runtime).Tensor('float32', zeros, dims);
    }
  }

  /** @param ids row by row, as many of each; @returns logits [rows, K] */
  async next(ids: readonly number[]): Promise<Float32Array> {
    const n = ids.length / this.rows;
    const positions = int64(
      Array.from({ length: n }, (_, i) => this.read + i),
      [n],
    );
    const { logits, ...present } = await this.session.run({ ids: int64(ids, [this.rows, n]), positions, ...this.past });
    this.past = Object.fromEntries(
      Object.entries(present).map(([name, cache]) => [name.replace('present', 'past'), cache]),
    );
    this.read += n;
    return logits.data;
  }
}
