/**
 * @file Where the page has the files of its run from: a folder beside it, whose files are kept by the browser under their
 * SHA-256, so that a page opened again loads nothing; or, in a page that is one file, the page itself.
 */
import { firstLine, UserError } from '../core/errors.ts';
import { type RunSource, runFiles } from '../io/runfiles.ts';
import { encodeSafetensors, parseSafetensors } from '../io/safetensors.ts';
import type { PageFacts, PageFile } from '../web/painter/facts.ts';
import { fromPlanes } from '../web/painter/planes.ts';

/** Hears of bytes that have come. */
type Heard = (loaded: number, total?: number) => void;

/** Bytes kept by the browser; of all pages of a host together. */
const STORE = 'tessera-runs';

/** The page's own files. */
export function pageSource(facts: PageFacts): RunSource {
  const read = facts.isSingle
    ? readInline
    : (name: string, file: PageFile, heard?: Heard) => readStored(file, name, heard);
  const bytesOf = async (name: string, heard?: Heard) => {
    const file = facts.files[name];
    if (file === undefined)
      throw new UserError(name, 'expected a file of this page, got none', 'export the page again');
    const bytes = await read(name, file, heard);
    return file.isPacked ? fromPlanes(await unzipped(bytes)) : bytes;
  };
  let learnt: Promise<Uint8Array> | undefined; // read by the library, and by the field of captions
  return {
    has: async name => Object.hasOwn(facts.files, name),
    bytes: (name, heard) => {
      if (name !== runFiles.learnt) return bytesOf(name, heard);
      learnt ??= bytesOf(name, heard).catch(error => {
        learnt = undefined; // so that it is tried again
        throw error;
      });
      return learnt;
    },
  };
}

/** The same run with what codes pictures, which is loaded when it is asked for. */
export function withEncoder(source: RunSource, encoder: string): RunSource {
  return {
    has: name => source.has(name),
    bytes: async (name, heard) => {
      if (name !== runFiles.patch) return source.bytes(name, heard);
      const parts = await Promise.all([source.bytes(name), source.bytes(encoder, heard)]);
      const [decoder, rest] = parts.map(bytes => parseSafetensors(bytes, name).tensors);
      const whole = encodeSafetensors(new Map([...decoder, ...rest]));
      return new Uint8Array(await new Blob(whole as BlobPart[]).arrayBuffer());
    },
  };
}

async function unzipped(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function readInline(name: string): Promise<Uint8Array> {
  const text = document.getElementById(`file:${name}`)?.textContent ?? '';
  return Promise.resolve(fromBase64(text));
}

export function fromBase64(text: string): Uint8Array {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return bytes;
}

/** Out of what the browser keeps, or from the server. */
async function readStored(file: PageFile, name: string, heard?: Heard): Promise<Uint8Array> {
  const key = new URL(`${STORE}/${file.sha256}`, document.baseURI).href;
  const store = await openStore();
  const kept = await store?.match(key).catch(() => undefined);
  if (kept !== undefined) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if (bytes.length === file.bytes) {
      heard?.(file.bytes, file.bytes);
      return bytes;
    }
  }
  const bytes = await fetchFile(file, name, heard);
  // What cannot be kept, for want of room, is loaded again another time.
  await store?.put(key, new Response(bytes as BodyInit)).catch(() => {});
  return bytes;
}

/** Undefined where a browser keeps nothing: in private windows, and for pages without https. */
async function openStore(): Promise<Cache | undefined> {
  try {
    return await caches.open(STORE);
  } catch {
    return undefined;
  }
}

/** Throws away files of earlier exports of this page. */
export async function forgetOthers({ files }: PageFacts): Promise<void> {
  const store = await openStore();
  const own = new URL(`${STORE}/`, document.baseURI).href;
  const wanted = new Set(Object.values(files).map(({ sha256 }) => own + sha256));
  for (const { url } of (await store?.keys()) ?? []) {
    if (url.startsWith(own) && !wanted.has(url)) await store?.delete(url);
  }
}

async function fetchFile({ path, bytes: size, sha256 }: PageFile, name: string, heard?: Heard): Promise<Uint8Array> {
  const url = new URL(path, document.baseURI).href;
  let answer: Response;
  try {
    answer = await fetch(url);
  } catch (error) {
    throw new UserError(name, `could not be loaded (${firstLine(error)})`, 'is this device still online? Try again.');
  }
  if (!answer.ok || answer.body === null) {
    const got = `${answer.status} ${answer.statusText}`.trim();
    throw new UserError(
      name,
      `expected a file at ${url}, the server answers ${got}`,
      'put the whole exported folder on the server',
    );
  }
  const bytes = new Uint8Array(size);
  let loaded = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(error => {
      throw new UserError(name, `broke off after ${loaded} of ${size} bytes (${firstLine(error)})`, 'Try again.');
    });
    if (done) break;
    if (loaded + value.length <= size) bytes.set(value, loaded);
    loaded += value.length;
    heard?.(Math.min(loaded, size), size);
  }
  const isWhole = loaded === size && (await hasHash(bytes, sha256));
  if (isWhole) return bytes;
  throw new UserError(
    name,
    'is another file than was exported with this page',
    'put the whole exported folder on the server',
  );
}

/** Whether bytes are those that were exported; where a browser cannot tell, their number has to do. */
async function hasHash(bytes: Uint8Array, wanted: string): Promise<boolean> {
  if (globalThis.crypto?.subtle === undefined) return true; // a page without https
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource));
  return Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('') === wanted;
}
