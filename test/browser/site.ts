/** @file A static server for tests of pages, on this machine alone. */
import { readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves files.
 * @param places by the beginnings of their paths, e.g. `/lib/`: a folder, or files by their names
 * @param options.isolated whether pages may share memory with their workers
 */
export async function serveSite(
  places: Readonly<Record<string, string | ReadonlyMap<string, Uint8Array | string>>>,
  { isolated = false }: { readonly isolated?: boolean } = {},
): Promise<Site> {
  const server: Server = createServer(({ url = '/' }, answer) => {
    const path = decodeURIComponent(url.split('?')[0]);
    const beginning = Object.keys(places).find(each => path.startsWith(each));
    const place = beginning === undefined ? undefined : places[beginning];
    const name = path.slice(beginning?.length);
    const bytes = typeof place === 'string' ? readWhole(join(place, normalize(`/${name}`))) : place?.get(name);
    if (bytes === undefined) {
      answer.writeHead(404).end();
      return;
    }
    const shared = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
    const type = types[extname(name)] ?? 'application/octet-stream';
    answer.writeHead(200, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(bytes),
      ...(isolated ? shared : {}),
    });
    answer.end(bytes);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function readWhole(path: string): Uint8Array | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}
