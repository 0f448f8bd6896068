/**
 * @file Threads of the kernels in WebAssembly: workers with an instance each of the same module over the same memory, which
 * wait in it for calls (native/wasm_threads.cc). Their program is text, so that Node and a page start it alike and no
 * file of its own has to be found.
 */
import { page, type WasmMemory, type WasmModule } from './wasm-types.ts';

/** What a thread is started with. */
export interface ThreadStart {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Its number among the threads; the caller's is 0. */
  readonly worker: number;
  /** It ends when the kernels' number of threads has changed since. */
  readonly generation: number;
  /** The end of its stack, and its own variables. */
  readonly stack: number;
  readonly variables: number;
}

/** Starts a thread that does not keep the process alive. @param ended is called when it is over */
export type StartThread = (start: ThreadStart, ended: () => void) => void;

/** What a thread runs, with the imports of wasm-addon.ts: what throws through its part of a call breaks the call off, not the thread. */
const run = `
function run({ module, memory, worker, generation, stack, variables }) {
  const raise = reason => { throw reason; };
  const none = () => 8;
  const files = { fd_close: none, fd_seek: none, fd_write: none };
  const imports = { env: { memory, raise }, wasi_snapshot_preview1: files };
  const { exports } = new WebAssembly.Instance(module, imports);
  exports.__wasm_init_tls(variables);
  for (;;) {
    exports.__stack_pointer.value = stack;
    try {
      return exports.work(worker, generation);
    } catch (reason) {
      exports.broke(reason === 1 ? 1 : 2);
    }
  }
}
`;

/** For Node's worker_threads, which are handed what they start with (load.ts). */
export const nodeProgram = `${run}
const { parentPort, workerData } = require('node:worker_threads');
run(workerData);
parentPort.postMessage('ended');
`;

const pageProgram = `${run}
onmessage = ({ data }) => {
  run(data);
  postMessage('ended');
  close();
};
`;

/** How a page starts threads; undefined where it may not share memory with them. */
export function pageThreads(): StartThread | undefined {
  const { crossOriginIsolated, Worker } = page;
  if (crossOriginIsolated !== true || Worker === undefined) return undefined;
  return (start, ended) => {
    const url = URL.createObjectURL(new Blob([pageProgram], { type: 'text/javascript' }));
    const thread = new Worker(url);
    thread.onmessage = ended;
    thread.postMessage(start);
    URL.revokeObjectURL(url);
  };
}
