/** @file The worker that paints by WebAssembly: worker.js of the package. */
import { firstLine, UserError } from '../../core/errors.ts';
import { isRegistered, registerNative, startKernels } from '../../device/native/native.ts';
import { openWasm } from '../../device/native/wasm-addon.ts';
import { serve } from './serve.ts';

serve(async ({ wasm = '' }) => {
  if (!isRegistered('wasm')) registerNative(await openWasm(await fetchKernels(wasm)));
  const backend = await startKernels('wasm');
  if (backend === undefined) throw new UserError('wasm', 'it registered but did not start', 'take a newer browser');
  const { threads } = backend;
  return { threads, device: threads === 1 ? 'one thread' : `${threads} threads`, isLost: () => false };
});

/** @throws UserError if the file is not there */
async function fetchKernels(url: string): Promise<ArrayBuffer> {
  let answer: Response;
  try {
    answer = await fetch(url);
  } catch (error) {
    throw new UserError(url, `was not fetched (${firstLine(error)})`, mend);
  }
  const bytes = answer.ok ? await answer.arrayBuffer() : new ArrayBuffer(0);
  // Some servers send a page where there is no such file. WebAssembly begins with these bytes.
  if (new TextDecoder('latin1').decode(bytes.slice(0, 4)) === '\0asm') return bytes;
  throw new UserError(
    url,
    `expected the kernels, got ${answer.ok ? 'something else' : `status ${answer.status}`}`,
    mend,
  );
}

const mend = 'copy tessera.wasm of the package there, or name where it is by wasmUrl';
