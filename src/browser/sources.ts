/** @file Where a page reads a run from: an address, or files that were chosen or dropped. */
import { found } from '../core/checks.ts';
import { firstLine, UserError } from '../core/errors.ts';
import { type RunSource, runFiles } from '../io/runfiles.ts';

/** @throws UserError if it is none of what a run can be read from */
export function sourceOf(given: string | URL | readonly File[] | RunSource): RunSource & { readonly name: string } {
  if (typeof given === 'string' || given instanceof URL) return new UrlSource(given);
  if (Array.isArray(given)) return new FilesSource(given as readonly File[]);
  const { bytes, has } = (given ?? {}) as Partial<RunSource>;
  if (typeof bytes !== 'function' || typeof has !== 'function') {
    throw new UserError('load: source', `expected an address, files or { bytes, has }, got ${found(given)}`);
  }
  const source = given as RunSource;
  return {
    name: 'the run',
    bytes: (name, onProgress, signal) => source.bytes(name, onProgress, signal),
    has: name => source.has(name),
  };
}

/** What addresses are relative to: the page, or the worker, that this runs in. */
export function baseAddress(): string {
  return (globalThis as { readonly document?: Document }).document?.baseURI ?? location.href;
}

/** A folder on a server. */
class UrlSource implements RunSource {
  readonly name: string;

  constructor(base: string | URL) {
    const url = new URL(base, baseAddress());
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    this.name = url.href;
  }

  async has(name: string): Promise<boolean> {
    try {
      const { ok, headers, body } = await fetch(this.urlOf(name));
      await body?.cancel();
      // Where there is no such file, some servers send the page itself.
      return ok && headers.get('content-type')?.startsWith('text/html') !== true;
    } catch {
      return false;
    }
  }

  async bytes(
    name: string,
    onProgress?: (loaded: number, total?: number) => void,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const url = this.urlOf(name);
    let answer: Response;
    try {
      answer = await fetch(url, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw new UserError(
        url,
        `was not fetched (${firstLine(error)})`,
        'is the server there, and may this page read it (CORS)?',
      );
    }
    if (!answer.ok || answer.body === null) {
      const what = `expected a file of a run, got ${answer.status} ${answer.statusText}`.trimEnd();
      throw new UserError(url, what, 'the address is that of a folder with config.json, as `tessera export` writes it');
    }
    const isPacked = answer.headers.has('content-encoding'); // then the length is that of what was packed
    const total = isPacked ? undefined : Number(answer.headers.get('content-length')) || undefined;
    const parts: Uint8Array[] = [];
    let loaded = 0;
    const reader = answer.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        parts.push(value);
        loaded += value.length;
        onProgress?.(loaded, total);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw new UserError(url, `broke off after ${loaded} bytes (${firstLine(error)})`, 'load it again');
    }
    return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  }

  private urlOf(name: string): string {
    return new URL(name, this.name).href;
  }
}

/** Files that belong to the folder of the first config.json among them, the one that lies highest. */
class FilesSource implements RunSource {
  readonly name: string;
  private readonly files: ReadonlyMap<string, File>;

  constructor(files: readonly File[]) {
    const pathOf = (file: File) => file.webkitRelativePath || file.name;
    const depthOf = (path: string) => path.split('/').length;
    const configs = files.map(pathOf).filter(path => path === runFiles.config || path.endsWith(`/${runFiles.config}`));
    const [config] = configs.sort((a, b) => depthOf(a) - depthOf(b));
    if (config === undefined) {
      throw new UserError(
        'load: files',
        `expected those of a run, with ${runFiles.config}, got ${files.length === 0 ? 'none' : files.slice(0, 5).map(pathOf).join(', ')}`,
        'choose the whole folder of a run',
      );
    }
    const folder = config.slice(0, -runFiles.config.length);
    this.name = folder.replace(/\/$/, '') || 'the files';
    const own = files.filter(file => pathOf(file).startsWith(folder));
    this.files = new Map(own.map(file => [pathOf(file).slice(folder.length), file]));
  }

  async has(name: string): Promise<boolean> {
    return this.files.has(name);
  }

  async bytes(name: string, onProgress?: (loaded: number, total?: number) => void): Promise<Uint8Array> {
    const file = this.files.get(name);
    if (file === undefined) {
      throw new UserError(
        `load: ${this.name}`,
        `expected ${name}, got no file of that name`,
        'choose the whole folder of a run',
      );
    }
    let bytes: ArrayBuffer;
    try {
      bytes = await file.arrayBuffer();
    } catch (error) {
      throw new UserError(`load: ${name}`, `could not be read (${firstLine(error)})`, 'choose it again');
    }
    onProgress?.(bytes.byteLength, bytes.byteLength);
    return new Uint8Array(bytes);
  }
}
