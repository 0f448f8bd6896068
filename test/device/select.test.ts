/** @file What is selected where a backend cannot be had: no addon is found here, and wasm in some tests only. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { selectBackend } from '../../src/device/backends.ts';

vi.mock('../../src/device/native/load.ts', () => ({
  registerAddon: () => 'it was never built',
  registerWasm: () => wasm.register(),
}));

/** What is found of WebAssembly. */
const wasm = vi.hoisted(() => ({ register: async (): Promise<string | undefined> => undefined }));

afterEach(() => {
  vi.restoreAllMocks();
});

function breakWasm(): void {
  vi.spyOn(wasm, 'register').mockResolvedValue('broken');
}

describe('without the addon', () => {
  test('auto takes wasm with one warning, and native is an error', async ({ skip }) => {
    const warn = vi.fn();
    const { registerWasm } = await vi.importActual<typeof import('../../src/device/native/load.ts')>(
      '../../src/device/native/load.ts',
    );
    const missing = await registerWasm();
    skip(missing !== undefined, missing);
    vi.spyOn(wasm, 'register').mockImplementation(registerWasm);
    expect(await selectBackend('auto', { warn })).toBe('wasm');
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      'no native addon (it was never built); using the slower wasm backend',
    ]);
    await expect(selectBackend('native')).rejects.toThrow(UserError);
  });

  test('auto takes cpu with one warning where wasm does not start either', async () => {
    breakWasm();
    const warn = vi.fn();
    expect(await selectBackend('auto', { warn })).toBe('cpu');
    expect(await tf.add(1, 2).data()).toEqual(Float32Array.of(3));
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      'no native addon (it was never built) and no wasm (broken); using the very slow cpu backend',
    ]);
  });

  test('wasm asked for that does not start is an error, and another backend can be taken after it', async () => {
    breakWasm();
    await expect(selectBackend('wasm')).rejects.toThrow(UserError);
    expect(await selectBackend('cpu')).toBe('cpu');
  });

  test('a precision that a backend does not have is an error that lists what it has', async () => {
    await expect(selectBackend('cpu', { precision: 'bf16' })).rejects.toMatchObject({
      message: 'precision: expected auto or fp32 on the cpu backend, got bf16',
      hint: expect.stringContaining('bf16 is for --backend native'),
    });
    await expect(selectBackend('cpu', { precision: 'f16' })).rejects.toMatchObject({
      message: 'precision: expected auto or fp32 on the cpu backend, got f16',
      hint: expect.stringContaining('f16 is for --backend webgpu'),
    });
    expect(await selectBackend('cpu', { precision: 'fp32' })).toBe('cpu');
  });
});
