/** @file Which engine is to paint a run, where the browser has both. */
import type { EngineName } from './messages.ts';

/** From so many numbers on a GPU is worth what it takes to tell it of every step. */
const GPU_FROM = 30e6;

/** @returns the engine, and why it is this one, in words that follow a colon */
export function chooseEngine(
  backend: 'auto' | EngineName,
  parameters: number,
): { readonly engine: EngineName; readonly because: string } {
  if (backend !== 'auto') return { engine: backend, because: 'it was asked for' };
  const millions = (parameters / 1e6).toFixed(1);
  return { engine: parameters >= GPU_FROM ? 'webgpu' : 'wasm', because: `the run has ${millions} M parameters` };
}
