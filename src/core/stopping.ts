/**
 * @file How long work hears that it is to stop: an `AbortSignal` is handed down, asked between two pieces of work, and its
 * reason thrown. A signal that comes from outside arrives only when the event loop turns.
 */
import { turnOfEventLoop } from './platform/platform.ts';

/**
 * Lets what waits in the event loop happen, above all the arrival of a signal. To be called between two pieces of work that
 * await nothing but computations of this process.
 * @throws the signal's reason once it is aborted
 */
export async function hearSignal(signal: AbortSignal | undefined): Promise<void> {
  await turnOfEventLoop();
  signal?.throwIfAborted();
}

/** Whether an error is the reason of a signal that is aborted: no failure, but the end that was asked for. */
export function isStop(signal: AbortSignal | undefined, error: unknown): boolean {
  return signal?.aborted === true && error === signal.reason;
}

/** What work gives; undefined where it was stopped by the signal. */
export async function unlessStopped<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isStop(signal, error)) return undefined;
    throw error;
  }
}

/**
 * Work that nobody waits for any more once the signal is aborted, wherever it is then: for work that leaves nothing half
 * done, and calls that take no signal themselves.
 * @throws the signal's reason as soon as it is aborted
 */
export async function untilAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work();
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
