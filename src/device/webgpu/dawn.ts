/**
 * @file Dawn, the WebGPU of Chromium, from npm's `webgpu`: finds an adapter and opens a device with everything on it that
 * the kernels can use. It needs nothing of the system but the GPU's driver. Every way this can fail ends in one clear line.
 */
import { existsSync, readdirSync } from 'node:fs';
import { UserError } from '../../core/errors.ts';
import { type AdapterSummary, type OpenedDevice, openAdapter, summarise } from './adapter.ts';
import { mayHaveVulkan } from './vulkan.ts';

/**
 * What Dawn is asked for beyond the standard: matrix units are an experiment of it, and NVIDIA's f16 is behind two
 * toggles that only this driver stack has. Workgroup memory is not zeroed, for kernels write what they read: that would cost
 * a pass over it in every workgroup, and a second or more of compilation on software adapters. Times would otherwise be
 * rounded to 65 microseconds, which is longer than most kernels take.
 */
const TOGGLES = [
  'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia,use_vulkan_memory_model,disable_workgroup_init',
  'disable-dawn-features=timestamp_quantization',
];

const install = 'install it with `npm install webgpu`, and the driver of your GPU';

/** Inside a container NVIDIA's driver is there for CUDA alone unless more is asked for. */
const mendDriver =
  'install the driver of your GPU (on Linux also the Vulkan loader: apt-get install libvulkan1; in a container with an ' +
  'NVIDIA card start it with NVIDIA_DRIVER_CAPABILITIES=all)';

const instead = 'use --backend native';

interface Dawn {
  readonly create: (options: string[]) => GPU;
  readonly globals: object;
}

/** Kept for good: Dawn crashes if it is collected while a result is on its way. */
let gpu: GPU | undefined;

/** Asked once. */
let mayHaveGpuDriver: Promise<boolean> | undefined;

/** Dawn's entry point; its classes and constants become globals, as tfjs expects them. */
async function loadDawn(): Promise<GPU> {
  if (gpu !== undefined) return gpu;
  let dawn: Dawn;
  try {
    dawn = (await import('webgpu')) as Dawn;
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split('\n');
    const { code } = error as NodeJS.ErrnoException; // whatever was thrown may have one
    if (code === 'ERR_MODULE_NOT_FOUND') {
      throw new UserError('backend webgpu', 'the package webgpu is not installed', install);
    }
    const place = `${process.platform} ${process.arch}`;
    throw new UserError('backend webgpu', `the package webgpu does not load on ${place} (${line})`, instead);
  }
  Object.assign(globalThis, dawn.globals);
  gpu = dawn.create(TOGGLES);
  return gpu;
}

/** Runs `f` while `navigator.gpu` is there, which tfjs looks for; afterwards other libraries see what they saw before. */
export async function withNavigator<T>(f: () => T | Promise<T>): Promise<T> {
  const found = await loadDawn();
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: found }, configurable: true, writable: true });
  try {
    return await f();
  } finally {
    if (before === undefined) delete (globalThis as { navigator?: unknown }).navigator;
    else Object.defineProperty(globalThis, 'navigator', before);
  }
}

/** The adapter that Dawn prefers. @throws UserError if Dawn is not installed or finds none */
async function findAdapter(): Promise<GPUAdapter> {
  const dawn = await loadDawn();
  mayHaveGpuDriver ??= mayHaveVulkan();
  const adapter = (await mayHaveGpuDriver) ? await dawn.requestAdapter({ powerPreference: 'high-performance' }) : null;
  if (adapter !== null) return adapter;
  throw new UserError('backend webgpu', 'no GPU adapter was found', mendDriver);
}

/** @throws UserError if there is no adapter at all */
export async function describeAdapter(): Promise<AdapterSummary> {
  return summarise(await findAdapter());
}

/** Whether Linux has a device that might be a GPU; other systems always have one to ask for. */
function mayHaveGpu(): boolean {
  if (process.platform !== 'linux') return true;
  if (hasNvidia() || existsSync('/dev/dxg') || existsSync('/dev/kgsl-3d0') || existsSync('/dev/mali0')) return true;
  return existsSync('/dev/dri') && readdirSync('/dev/dri').some(name => name.startsWith('renderD'));
}

function hasNvidia(): boolean {
  return process.platform === 'linux' && existsSync('/dev/nvidiactl');
}

/**
 * The GPU that `--backend auto` computes on, or why there is none. Quick and quiet where the machine has no GPU: Dawn,
 * which complains on stderr of missing drivers, is not even loaded then.
 * @returns `problem` only where a card for computing is there that cannot be used
 */
export async function findGpu(): Promise<{ readonly gpu?: AdapterSummary; readonly problem?: UserError }> {
  if (!mayHaveGpu()) return {};
  try {
    const gpu = await describeAdapter();
    if (!gpu.software) return { gpu };
    return hasNvidia() ? { problem: new UserError('backend webgpu', 'no driver for the GPU', mendDriver) } : {};
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return hasNvidia() ? { problem: error } : {};
  }
}

/**
 * Opens a device with the largest buffers and all optional features that the adapter has.
 * @throws UserError saying what is missing
 */
export async function openDevice(): Promise<OpenedDevice> {
  return openAdapter(await findAdapter());
}
