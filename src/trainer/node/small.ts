/**
 * @file What else training takes of Node, in a worker of a browser: `node:os`, `node:util`, `node:url`, `node:crypto`, `node:zlib`,
 * `node:buffer` and others, a few functions of each; the bundle has this file in the place of all of them. Of what a
 * browser has not (other processes, modules on a disk, archives that streams read) whoever asks hears so.
 */
import { Buffer } from 'buffer';
import { gunzipSync as gunzip, gzipSync as gzip, inflateSync as inflate } from 'fflate';
import { UserError } from '../../core/errors.ts';
import { sha256 } from '../../core/platform/sha256.ts';

/** `node:os`; `signals` is asked of its constants. */
export function availableParallelism(): number {
  return Math.max(1, navigator.hardwareConcurrency);
}

export function hostname(): string {
  return 'browser';
}

export function tmpdir(): string {
  return '/tmp';
}

export function homedir(): string {
  return '/';
}

/** What a browser says of the machine, 8 GiB at most, of which WebAssembly can have 4. */
export function totalmem(): number {
  const { deviceMemory = 4 } = navigator as { readonly deviceMemory?: number };
  return Math.min(4, deviceMemory) * 2 ** 30;
}

/** `node:buffer`, and of `node:os` nothing. */
export const constants = { MAX_STRING_LENGTH: 2 ** 29 - 24, MAX_LENGTH: 2 ** 32, signals: {} } as const;
export { Buffer };

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** `node:util`. */
export function stripVTControlCharacters(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replaceAll(/[\u001b\u009b][[\]()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]/g, '');
}

/** Asked for what is not there either. */
export function promisify(work: unknown): unknown {
  return work;
}

/** `node:url`. */
export function fileURLToPath(url: string | URL): string {
  return new URL(url).pathname;
}

/** `node:crypto`. */
export function randomUUID(): string {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0'));
  return hex.join('');
}

export function createHash(name: string) {
  if (name !== 'sha256') throw new Error(`createHash: expected sha256, got ${name}`);
  const parts: Buffer[] = [];
  const hash = {
    update: (content: string | Uint8Array) => {
      parts.push(Buffer.from(content as Uint8Array));
      return hash;
    },
    digest: (encoding?: 'hex' | 'base64'): string | Buffer => {
      const bytes = Buffer.from(sha256(Buffer.concat(parts)), 'hex');
      return encoding === undefined ? bytes : bytes.toString(encoding);
    },
  };
  return hash;
}

/** `node:zlib`. */
export function gunzipSync(bytes: Uint8Array, options: { readonly maxOutputLength?: number } = {}): Buffer {
  const whole = gunzip(bytes);
  const { maxOutputLength = Number.POSITIVE_INFINITY } = options;
  if (whole.length > maxOutputLength) throw new RangeError(`expected at most ${maxOutputLength} bytes`);
  return Buffer.from(whole.buffer, whole.byteOffset, whole.length);
}

export function gzipSync(content: string | Uint8Array): Buffer {
  return Buffer.from(gzip(typeof content === 'string' ? new TextEncoder().encode(content) : content, { mtime: 0 }));
}

export function inflateSync(bytes: Uint8Array): Buffer {
  return Buffer.from(inflate(bytes));
}

/** `node:timers/promises`; see core/platform for what waits for the event loop alone. */
export function setTimeout(milliseconds: number): Promise<void> {
  return new Promise(resolve => {
    globalThis.setTimeout(resolve, milliseconds);
  });
}

/** `node:module`: nothing can be required; a path is what it is called. */
export function createRequire() {
  const require = (id: string): never => {
    throw new Error(`${id}: not in a browser`);
  };
  return Object.assign(require, { resolve: (id: string) => id });
}

/** `node:child_process`. */
export function execFile(): never {
  throw new Error('execFile: not in a browser');
}

/** `tar-stream`, and of `node:zlib` and `node:stream` what reads tar archives. */
export function extract(): never {
  throw archives();
}

export function createGunzip(): never {
  throw archives();
}

export function brotliDecompressSync(): never {
  throw archives();
}

export class Transform {
  constructor() {
    throw archives();
  }
}

export function pipeline(): never {
  throw archives();
}

function archives(): UserError {
  return new UserError('data', 'a browser reads folders and ZIP files, no tar or Parquet archives', 'unpack them');
}
