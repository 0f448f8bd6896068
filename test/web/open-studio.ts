/** @file A studio for tests, which is asked as its pages ask, and ends with the test file. */
import { afterAll, expect } from 'vitest';
import { studioProgram } from '../../src/cli/studio-program.ts';
import type { Program } from '../../src/web/studio/program.ts';
import { openStudio } from '../../src/web/studio/server.ts';

export const key = '0123456789abcdef0123456789abcdef';

export interface Asking {
  readonly port: number;
  /** Of `GET` and `POST`: the answer, and its status. */
  get(path: string): Promise<Response>;
  post(path: string, body: object): Promise<Response>;
  /** The JSON of an answer that is one. */
  json<T>(path: string): Promise<T>;
  close(): Promise<void>;
}

/** @param options.words a process in the place of the program's */
export async function openTestStudio(options: {
  readonly folder: string;
  readonly data?: readonly string[];
  readonly words?: readonly string[];
  /** See `StudioOptions`. */
  readonly ticket?: string;
  /** See `Patience`. */
  readonly headMs?: number;
}): Promise<Asking> {
  const { words, ...rest } = options;
  const own = studioProgram();
  const program: Program = words === undefined ? own : { ...own, words };
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const studio = await openStudio({ ...rest, port: 0, key, program, now: () => performance.now(), onError });
  const origin = `http://127.0.0.1:${studio.port}`;
  const asked = (path: string, init: RequestInit = {}) =>
    fetch(`${origin}${path}`, { ...init, headers: { 'X-Tessera-Key': key, ...init.headers } });
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await studio.close();
  };
  afterAll(async () => {
    await close();
    expect(errors).toEqual([]);
  });
  return {
    port: studio.port,
    get: path => asked(path),
    post: (path, body) =>
      asked(path, {
        method: 'POST',
        headers: { Origin: origin, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    json: async <T>(path: string) => {
      const response = await asked(path);
      const value = (await response.json()) as T;
      expect(response.status, JSON.stringify(value)).toBe(200);
      return value;
    },
    close,
  };
}

/** Asks until an answer is as it is waited for. */
export async function until<T>(ask: () => Promise<T>, isThere: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (isThere(value)) return value;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
