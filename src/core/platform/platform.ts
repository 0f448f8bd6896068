/**
 * @file What the same code asks of Node and of a browser. This is Node's; platform.browser.ts takes its place in the bundles
 * for browsers, as every file `name.browser.ts` does that of `name.ts` beside it: both export the same names.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

/** Lets everything have its turn that waits for this thread: timers, messages, files that have been read. */
export function turnOfEventLoop(): Promise<void> {
  return setImmediate();
}

/** The SHA-256 of bytes, in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
