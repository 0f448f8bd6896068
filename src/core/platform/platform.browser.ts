/** @file What platform.ts is in a browser, page or worker. */
export { sha256 } from './sha256.ts';

/** Promises that are kept when their message comes back, in the order in which they were sent. */
const waiting: (() => void)[] = [];
const channel = new MessageChannel();
channel.port1.onmessage = () => waiting.shift()?.();

/** Lets everything have its turn that waits for this thread. Timers would not do: browsers make one of a chain wait 4 ms. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise(resolve => {
    waiting.push(resolve);
    channel.port2.postMessage(undefined);
  });
}
