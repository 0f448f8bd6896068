/** @file Calls to the studio, with its key: taken once from the address, kept for this tab, and no longer in the address then. */

const KEPT = 'tessera-key';

/** An answer that is none: its status, and why in a line. */
export class ApiError extends Error {
  readonly status: number;
  readonly hint?: string;

  constructor(status: number, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** Takes the key out of an address such as `#key=...&to=/run/...`. @returns whether there is one now */
export function takeKey(): boolean {
  if (location.hash.startsWith('#key=')) {
    const given = new URLSearchParams(location.hash.slice(1));
    sessionStorage.setItem(KEPT, given.get('key') ?? '');
    history.replaceState(null, '', `#${given.get('to') ?? '/'}`);
  }
  return key() !== '';
}

export function keepKey(given: string): void {
  sessionStorage.setItem(KEPT, given);
}

function key(): string {
  return sessionStorage.getItem(KEPT) ?? '';
}

/** The address of what a picture, a download or a stream of events is read from, which can have no header. */
export function keyed(path: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}key=${encodeURIComponent(key())}`;
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON; a blob as it is. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** Asks for JSON. @throws ApiError if the answer is a refusal, or nobody answers */
export async function call<T>(path: string, { method = 'GET', body, signal }: Call = {}): Promise<T> {
  const raw = body instanceof Blob;
  const type = raw ? body.type : 'application/json';
  const response = await fetch(path, {
    method,
    headers: { 'X-Tessera-Key': key(), ...(body === undefined ? {} : { 'Content-Type': type }) },
    body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    signal,
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new ApiError(0, 'the studio does not answer', 'is `tessera studio` still running in its terminal?');
  });
  const answer = (await response.json().catch(() => ({}))) as { error?: string; hint?: string };
  if (!response.ok) throw new ApiError(response.status, answer.error ?? response.statusText, answer.hint);
  return answer as T;
}

/**
 * Listens to events while the tab is seen; hidden, it lets go, and begins anew when it is seen again.
 * @param path asked for at every beginning
 * @returns ends it
 */
export function listen(path: () => string, handlers: Readonly<Record<string, (data: never) => void>>): () => void {
  let source: EventSource | undefined;
  const turn = () => {
    source?.close();
    source = undefined;
    if (document.hidden) return;
    source = new EventSource(keyed(path()));
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, event => handle(JSON.parse((event as MessageEvent<string>).data) as never));
    }
  };
  document.addEventListener('visibilitychange', turn);
  turn();
  return () => {
    document.removeEventListener('visibilitychange', turn);
    source?.close();
  };
}
