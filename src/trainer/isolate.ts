/**
 * @file A service worker for pages on servers that cannot be told to send headers: it passes the page's own files on as those of a
 * page that is isolated, which may share memory with its workers, so that WebAssembly computes on all cores. Keeps nothing.
 */

/** What of a service worker's scope is used. */
interface Scope {
  addEventListener(type: string, hear: (event: FetchEvent) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

interface FetchEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
  waitUntil(work: Promise<unknown>): void;
}

const scope = globalThis as unknown as Scope;

async function isolated(request: Request): Promise<Response> {
  const answer = await fetch(request);
  if (answer.status === 0) return answer; // of another place, whose headers are its own
  const headers = new Headers(answer.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const { status, statusText } = answer;
  return new Response(status === 204 || status === 304 ? null : answer.body, { status, statusText, headers });
}

scope.addEventListener('install', event => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', event => event.waitUntil(scope.clients.claim()));
scope.addEventListener('fetch', event => {
  const { url, method } = event.request;
  if (method === 'GET' && url.startsWith(location.origin)) event.respondWith(isolated(event.request));
});
