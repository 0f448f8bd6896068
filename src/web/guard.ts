/**
 * @file What every request to a server on this machine must pass before it is looked at, since any website that the user visits can
 * send some: names that the server is called by (which ends DNS rebinding), where a request comes from, a key where others can
 * reach it, and a body that no form can send. Sends no CORS header, ever. Knows nothing of what is served.
 */
import { timingSafeEqual } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';

/** A request that is not answered as it wishes: the status, and why, in a few words. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;

  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

export interface GuardOptions {
  /** Names, beside those of this machine for itself, that the server is called by; without a port. */
  readonly hosts?: readonly string[];
  /** Where it is there, every request has it: as `X-Tessera-Key`, or `?key=` of one that only reads. */
  readonly key?: string;
  /** Whether whoever passes all else may read a path without the key, because it holds nothing of the user's. */
  readonly isOpen?: (pathname: string) => boolean;
}

/** What a guard looks at. */
type Asked = Pick<IncomingMessage, 'method' | 'url'> & { readonly headers: IncomingHttpHeaders };

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];
/** Methods that only read. */
const READING: readonly (string | undefined)[] = ['GET', 'HEAD'];

/** @throws Refusal of a request that comes from elsewhere than the server's own pages, or has not the key */
function guardRequest({ method, url, headers }: Asked, { hosts = [], key, isOpen }: GuardOptions = {}): void {
  const { host = '', origin } = headers;
  const name = host.toLowerCase().replace(/:\d{1,5}$/, '');
  if (![...LOOPBACK, ...hosts.map(each => each.toLowerCase())].includes(name))
    throw new Refusal(403, 'not a name of this server');
  const isReading = READING.includes(method);
  // A page in a sandbox, or from a file, has the origin `null`; a program that sends none is no page.
  if (isReading ? origin !== undefined && origin !== `http://${host}` : origin !== `http://${host}`) {
    throw new Refusal(403, 'not from a page of this server');
  }
  const site = headers['sec-fetch-site'];
  const isVisit = isReading && headers['sec-fetch-mode'] === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isVisit) {
    throw new Refusal(403, 'not from a page of this server');
  }
  if (isReading && isOpen?.((url ?? '').split('?')[0]) === true) return;
  if (key !== undefined && !isKey(headers['x-tessera-key'] ?? (isReading ? keyIn(url) : undefined), key)) {
    throw new Refusal(403, 'expected the key of this server');
  }
}

function keyIn(url = '/'): string | undefined {
  return new URLSearchParams(url.split('?')[1] ?? '').get('key') ?? undefined;
}

/** Takes as long for any key of the right length. */
function isKey(given: string | readonly string[] | undefined, key: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [given, key].map(text => Buffer.from(text));
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Headers of every answer. @param policy of the content of pages; default: nothing may be loaded */
export function guardHeaders(policy = "default-src 'none'"): Readonly<Record<string, string>> {
  return {
    'Content-Security-Policy': `${policy}; frame-ancestors 'none'`,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
}

/**
 * The JSON that a request brings.
 * @param options.most bytes of it
 * @throws Refusal if it is called something else, longer, or no JSON
 */
export async function readJsonBody(request: IncomingMessage, { most }: { readonly most: number }): Promise<unknown> {
  const type = request.headers['content-type'] ?? '';
  // A form of another site can send text and fields without asking first, but not this.
  if (!/^application\/json\s*(;|$)/i.test(type)) throw new Refusal(415, 'expected application/json');
  const tooLong = new Refusal(413, `expected at most ${most} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > most) throw tooLong;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > most) throw tooLong;
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch {
    throw new Refusal(400, 'expected JSON');
  }
}

/** How long a request may take. */
export interface Patience {
  /** Milliseconds until its head is there; default 5000. */
  readonly headMs?: number;
  /** Milliseconds until all of it is there; default 30,000. */
  readonly requestMs?: number;
}

/**
 * A server that answers only what passes the guard.
 * @param answer the requests that do; what it throws becomes a refusal
 * @param onError hears of what it throws that is none
 */
export function createGuarded(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  options: GuardOptions & Patience & { readonly onError?: (error: unknown) => void } = {},
): Server {
  const { headMs = 5000, requestMs = 30_000, onError } = options;
  const limits = {
    headersTimeout: headMs,
    requestTimeout: requestMs,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: Math.min(1000, headMs),
    maxHeaderSize: 16_384,
  };
  const server = createServer(limits, (request, response) => {
    void (async () => {
      try {
        guardRequest(request, options);
        await answer(request, response);
      } catch (error) {
        if (!(error instanceof Refusal)) onError?.(error);
        refuse(request, response, error);
      }
    })();
  });
  server.maxConnections = 256;
  return server;
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const [status, why] = error instanceof Refusal ? [error.status, error.message] : [500, 'a mistake of this server'];
  if (!request.complete) response.setHeader('Connection', 'close'); // what is left of a body is not read
  sendJson(response, status, { error: why });
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    ...guardHeaders(),
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
