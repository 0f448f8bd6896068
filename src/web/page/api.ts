/** @file Calls to the studio, with its key: taken once from the address, kept for this tab, and no longer in the address then. */

const KEPT = 'tessera-key';

/** An answer that is none: its status, and why in a line. */
class ApiError extends Error {
  readonly status: number;
  readonly hint?: string;

  constructor(status: number, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/**
 * Takes the key out of an address such as `#key=...&to=/run/...`, or gets it for the ticket of `#ticket=...`, which is good once.
 * @returns whether there is one now
 */
export async function takeKey(): Promise<boolean> {
  const given = new URLSearchParams(location.hash.slice(1));
  const [wanted, ticket] = [given.get('key'), given.get('ticket')];
  if (wanted === null && ticket === null) return key() !== '';
  history.replaceState(null, '', `#${given.get('to') ?? '/'}`);
  if (wanted !== null) keepKey(wanted);
  else {
    const response = await fetch(`/ticket/${encodeURIComponent(ticket!)}`);
    if (response.ok) keepKey(((await response.json()) as { key: string }).key);
  }
  return key() !== '';
}

export function keepKey(given: string): void {
  sessionStorage.setItem(KEPT, given);
}

function key(): string {
  return sessionStorage.getItem(KEPT) ?? '';
}

/** Pages of this address hear each other, and no others do. */
const tabs = new BroadcastChannel(KEPT);
/** Milliseconds in which another tab answers. */
const PATIENCE = 400;

/** Gives the key to a tab that was opened from this one, and asks. */
tabs.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
  if (data === 'key?' && key() !== '') tabs.postMessage({ key: key() });
});

/** Asks the other tabs for the key. @returns whether one had it */
export function askOtherTabs(): Promise<boolean> {
  return new Promise(resolve => {
    const hear = ({ data }: MessageEvent<{ readonly key?: unknown }>) => {
      if (typeof data?.key === 'string') {
        keepKey(data.key);
        end();
      }
    };
    const end = () => {
      tabs.removeEventListener('message', hear);
      clearTimeout(timer);
      resolve(key() !== '');
    };
    const timer = setTimeout(end, PATIENCE);
    tabs.addEventListener('message', hear);
    tabs.postMessage('key?');
  });
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
  if (response.status === 403) {
    sessionStorage.removeItem(KEPT); // of a studio that has ended
    throw new ApiError(403, 'this tab has not the key of the studio', 'open the address that its terminal printed');
  }
  if (!response.ok) throw new ApiError(response.status, answer.error ?? response.statusText, answer.hint);
  return answer as T;
}

/**
 * Listens to events while the tab is seen; hidden, it lets go, and begins anew when it is seen again.
 * @param path asked for at every beginning
 * @param onState hears whether the studio answers; where it does not, it is asked again
 * @returns ends it
 */
export function listen(
  path: () => string,
  handlers: Readonly<Record<string, (data: never) => void>>,
  onState?: (isHeard: boolean) => void,
): () => void {
  let source: EventSource | undefined;
  const turn = () => {
    source?.close();
    source = undefined;
    if (document.hidden) return;
    source = new EventSource(keyed(path()));
    source.addEventListener('open', () => onState?.(true));
    source.addEventListener('error', () => onState?.(false));
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
