/** @file The studio's server: opens it, and gives every request to whom it belongs. Which areas there are stands in one list. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { packageRoot } from '../../io/package-root.ts';
import { createGuarded, guardHeaders, type Patience, Refusal, sendJson } from '../guard.ts';
import { pageModules } from './assets.ts';
import { compareRoutes } from './compare/routes.ts';
import { dataRoutes } from './data/routes.ts';
import { Library, type LibraryOptions } from './library.ts';
import { paintRoutes } from './paint/routes.ts';
import { findRoute, type Route } from './routes.ts';
import { runsRoutes } from './runs/routes.ts';
import { shell, shellPolicy, styleAddress } from './shell.ts';
import { studiesRoutes } from './studies/routes.ts';
import type { Studio } from './studio.ts';
import { studioStyle } from './style.ts';
import { trainingRoutes } from './trainings/routes.ts';
import { Works } from './works.ts';

/** The areas. Another one adds its line. */
const areas: readonly ((studio: Studio) => readonly Route[])[] = [
  runsRoutes,
  paintRoutes,
  dataRoutes,
  compareRoutes,
  studiesRoutes,
  trainingRoutes,
];

/** Where a ticket is exchanged for the key. */
const TICKETS = '/ticket/';

/** Ports that are tried after the one that was asked for. */
const TRIED = 20;

export interface StudioOptions extends Patience, LibraryOptions, Pick<Studio, 'now' | 'onError' | 'program'> {
  /** Where runs, data sets and studies are looked for. */
  readonly folder: string;
  /** The first that is tried; 0: any that is free. */
  readonly port: number;
  /** What every request for data must have. */
  readonly key: string;
  /** What is given the key for, once: other users of the machine may see with which address a browser was started. */
  readonly ticket?: string;
}

/** A studio that runs. */
export interface OpenStudio {
  /** Of a page, with the key. @param page e.g. `/run/0123456789ab`; default the first */
  address(page?: string): string;
  /** The same with the ticket in the place of the key. */
  ticketAddress(page?: string): string;
  readonly port: number;
  readonly library: Library;
  /** Processes that its pages have started and that are under way: `close` waits until they have saved. */
  running(): number;
  close(): Promise<void>;
}

/**
 * Serves a folder until it is closed.
 * @throws UserError if the folder is not there, no port is free, or the pages are not built
 */
export async function openStudio(options: StudioOptions): Promise<OpenStudio> {
  const { folder, port, key, now, onError, program } = options;
  const library = await Library.open(folder, options);
  const closing = new AbortController();
  const works = new Works(program.words, now);
  const { signal } = closing;
  const studio: Studio = { folder, library, version: ownVersion(), now, onError, program, works, signal };
  const routes = areas.flatMap(area => area(studio));
  const files = openFiles();
  const tickets = new Set(options.ticket === undefined ? [] : [`${TICKETS}${options.ticket}`]);
  const server = createGuarded(
    async (request, response) => {
      const [pathname] = splitAddress(request.url ?? '/');
      if (request.method === 'GET' && tickets.delete(pathname)) sendJson(response, 200, { key });
      else if (pathname.startsWith(TICKETS)) throw new Refusal(403, 'this address was opened before');
      else await answer(request, response, { routes, files, closing });
    },
    { ...options, isOpen: pathname => files.has(pathname) || pathname.startsWith(TICKETS) },
  );
  const taken = await listen(server, port);
  const at = (words: string, page?: string) =>
    `http://127.0.0.1:${taken}/#${words}${page === undefined ? '' : `&to=${page}`}`;
  return {
    port: taken,
    library,
    address: page => at(`key=${key}`, page),
    ticketAddress: page => at(`ticket=${options.ticket}`, page),
    running: () => works.running,
    close: async () => {
      closing.abort();
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, works.close()]);
    },
  };
}

function ownVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

interface File {
  readonly type: string;
  readonly body: string;
}

/** What needs no key, and holds nothing of the user's. */
function openFiles(): ReadonlyMap<string, File> {
  const files = new Map<string, File>([
    ['/', { type: 'text/html', body: shell }],
    [styleAddress, { type: 'text/css', body: studioStyle() }],
  ]);
  for (const [address, body] of pageModules()) files.set(address, { type: 'text/javascript', body });
  return files;
}

interface Answering {
  readonly routes: readonly Route[];
  readonly files: ReadonlyMap<string, File>;
  readonly closing: AbortController;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { routes, files, closing }: Answering,
): Promise<void> {
  const [pathname, search = ''] = splitAddress(request.url ?? '/'); // as it came: no path is normalised into another
  const file = files.get(pathname);
  if (file !== undefined) {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'there is no such thing here');
    response.writeHead(200, { ...guardHeaders(shellPolicy), 'Content-Type': `${file.type}; charset=utf-8` });
    response.end(file.body);
    return;
  }
  const found = findRoute(routes, request.method, pathname);
  if (typeof found === 'string') throw new Refusal(found === 'no such path' ? 404 : 405, 'there is no such thing here');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing.signal]);
  try {
    await found.route.answer({ request, params: found.params, query: new URLSearchParams(search), signal }, response);
  } catch (error) {
    if (signal.aborted && !(error instanceof Refusal))
      response.destroy(); // nobody waits for it
    else if (error instanceof UserError && !response.headersSent) {
      sendJson(response, 400, { error: error.message, hint: error.hint });
    } else throw error;
  }
}

function splitAddress(url: string): [pathname: string, search?: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url] : [url.slice(0, at), url.slice(at + 1)];
}

/** Listens at a port, or at the next that is free. @returns which */
async function listen(server: Server, port: number): Promise<number> {
  for (let tried = port; ; tried++) {
    const error = await new Promise<NodeJS.ErrnoException | undefined>(resolve => {
      server.once('error', resolve);
      server.listen(tried, '127.0.0.1', () => {
        server.off('error', resolve);
        resolve(undefined);
      });
    });
    if (error === undefined) return (server.address() as AddressInfo).port;
    const isTaken = error.code === 'EADDRINUSE';
    if (isTaken && tried < port + TRIED && tried < 65_535) continue;
    if (isTaken) throw new UserError('studio: --port', `${port} to ${tried} are taken`, 'e.g. --port 9000');
    if (error.code === 'EACCES') {
      throw new UserError('studio: --port', `expected a port that may be opened, got ${tried}`, 'e.g. --port 8377');
    }
    throw error;
  }
}
