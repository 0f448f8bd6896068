/** @file What dawn.ts is in a browser, whose own WebGPU is asked. */
import { UserError } from '../../core/errors.ts';
import { type AdapterSummary, type OpenedDevice, openAdapter, summarise } from './adapter.ts';

/** In a browser `navigator.gpu` is where tfjs looks for it. */
export async function withNavigator<T>(f: () => T | Promise<T>): Promise<T> {
  return f();
}

async function findAdapter(): Promise<GPUAdapter> {
  const { gpu } = navigator as Partial<NavigatorGPU>;
  if (gpu === undefined) {
    throw new UserError(
      'backend webgpu',
      'this browser has no WebGPU, or keeps it from this page',
      'take a browser that has it, and open the page by https or on localhost',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter !== null) return adapter;
  throw new UserError('backend webgpu', 'no GPU adapter was found', 'see about:gpu, or chrome://gpu, for why');
}

/** @throws UserError if there is no adapter at all */
export async function describeAdapter(): Promise<AdapterSummary> {
  return summarise(await findAdapter());
}

/** The GPU that is computed on where nothing else is asked for; none that is a program on the CPU. */
export async function findGpu(): Promise<{ readonly gpu?: AdapterSummary; readonly problem?: UserError }> {
  try {
    const gpu = await describeAdapter();
    return gpu.software ? {} : { gpu };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return {};
  }
}

/** Opens the browser's device. @throws UserError saying what is missing */
export async function openDevice(): Promise<OpenedDevice> {
  return openAdapter(await findAdapter());
}
