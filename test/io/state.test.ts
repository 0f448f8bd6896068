/** @file Files that survive a kill at any moment: simulated at each disk operation in turn, and done to real processes. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { refusalOfSystem } from '../../src/cli/system-errors.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { readJson, readSafetensors, writeJson, writeSafetensors } from '../../src/io/files.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { loadState, saveState } from '../../src/io/state.ts';

/**
 * After this many more disk operations the "process" stops: the operation begins and nothing follows it. Or, with a code, that
 * operation fails with it, and those after it work again.
 */
const disk = vi.hoisted(() => ({
  left: Infinity,
  code: '',
  stopped: () => {},
  handles: new Set<{ close(): Promise<void> }>(),
}));

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  const forever = () => new Promise<never>(() => {});
  const step = async <T>(run: () => Promise<T>, half?: () => Promise<unknown>, path?: unknown): Promise<T> => {
    if (disk.left-- > 0) return run();
    await half?.();
    if (disk.code !== '') {
      disk.left = Infinity;
      throw Object.assign(new Error(`${disk.code}: injected, write`), { code: disk.code, syscall: 'write', path });
    }
    disk.stopped();
    return forever();
  };
  return {
    ...real,
    mkdir: (...args: Parameters<typeof real.mkdir>) => step(() => real.mkdir(...args), undefined, args[0]),
    rename: (...args: Parameters<typeof real.rename>) => step(() => real.rename(...args), undefined, args[0]),
    rm: (...args: Parameters<typeof real.rm>) => step(() => real.rm(...args), undefined, args[0]),
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await step(() => real.open(...args), undefined, args[0]);
      const { writeFile, sync, close } = handle;
      disk.handles.add(handle);
      handle.close = () => {
        disk.handles.delete(handle);
        return close.call(handle);
      };
      handle.writeFile = data =>
        step(
          () => writeFile.call(handle, data),
          () => writeFile.call(handle, (data as string | Uint8Array).slice(0, data.length >> 1)),
        );
      handle.sync = () => step(() => sync.call(handle));
      return handle;
    },
  };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
});
afterEach(async () => {
  disk.left = Infinity;
  for (const handle of disk.handles) await handle.close(); // left open by stopped writers
  rmSync(folder, { recursive: true, force: true });
});

/** Runs `write` but stops it at its nth disk operation. Returns whether it was stopped. */
async function stopAt(n: number, write: () => Promise<unknown>): Promise<boolean> {
  const stopped = new Promise<boolean>(resolve => {
    disk.stopped = () => resolve(true);
  });
  disk.left = n;
  const result = await Promise.race([stopped, write().then(() => false)]);
  disk.left = Infinity;
  return result;
}

const stateOf = (n: number) => ({
  'model.bin': [new Uint8Array(1000).fill(n), new Uint8Array(500).fill(n)],
  'step.json': `[${n}]`,
});

function expectWhole(path: string, n: number): void {
  expect([...readFileSync(join(path, 'model.bin'))]).toEqual(Array(1500).fill(n));
  expect(readFileSync(join(path, 'step.json'), 'utf8')).toBe(`[${n}]`);
}

describe('writeAtomic', () => {
  it('leaves the old file or the new one, stopped at any disk operation', async () => {
    const path = join(folder, 'a', 'config.json');
    await writeJson(path, { step: 0 });
    const seen = new Set<unknown>();
    let n = 0;
    while (await stopAt(n, () => writeJson(path, { step: n + 1 }))) {
      const value = (await readJson(path)) as { step: number };
      expect([0, n + 1]).toContain(value.step);
      seen.add(value.step === 0 ? 'old' : 'new');
      await writeJson(path, { step: 0 });
      n++;
    }
    expect(n).toBeGreaterThan(5);
    expect(seen).toEqual(new Set(['old', 'new']));
  });

  it('leaves no temporary file behind, also not when it fails', async () => {
    await writeAtomic(join(folder, 'a.txt'), [Uint8Array.of(104, 105), new Uint8Array(0), Uint8Array.of(33)]);
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('hi!');
    mkdirSync(join(folder, 'b'));
    await expect(writeAtomic(join(folder, 'b'), 'x')).rejects.toThrow('expected a file, got a folder');
    expect(readdirSync(folder).sort()).toEqual(['a.txt', 'b']);
  });
});

describe('saveState', () => {
  it('leaves the old set or the new one, stopped at any disk operation', async () => {
    const path = join(folder, 'state');
    const seen = new Set<number>();
    let n = 0;
    for (;;) {
      rmSync(path, { recursive: true, force: true });
      await saveState(path, stateOf(1));
      const stopped = await stopAt(n++, () => saveState(path, stateOf(2)));
      const found = await loadState(path);
      expectWhole(found!.path, found!.generation);
      seen.add(found!.generation);
      // Whatever was left behind, the next save works and cleans up.
      const next = await saveState(path, stateOf(3));
      expectWhole(next.path, 3);
      expect(readdirSync(path).filter(name => !name.startsWith('.'))).toEqual([String(next.generation), 'current']);
      if (!stopped) break;
    }
    expect(n).toBeGreaterThan(15);
    expect([...seen].sort()).toEqual([1, 2]);
  });

  it('has no state before the first save is through', async () => {
    const path = join(folder, 'state');
    expect(await loadState(path)).toBeUndefined();
    for (let n = 0; await stopAt(n, () => saveState(path, stateOf(1))); n++) {
      const found = await loadState(path);
      if (found !== undefined) expectWhole(found.path, 1);
      rmSync(path, { recursive: true, force: true });
    }
    expect((await loadState(path))?.files).toEqual(['model.bin', 'step.json']);
  });

  it('notices a file that is missing or short', async () => {
    const { path } = await saveState(folder, stateOf(1));
    truncateSync(join(path, 'model.bin'), 7);
    await expect(loadState(folder)).rejects.toThrow('model.bin: expected 1500 bytes, got 7 bytes');
    rmSync(join(path, 'model.bin'));
    await expect(loadState(folder)).rejects.toThrow('model.bin: expected 1500 bytes, got no such file');
    writeFileSync(join(folder, 'current'), '{}');
    await expect(loadState(folder)).rejects.toThrow(UserError);
  });

  it('takes plain file names only', async () => {
    for (const name of ['a/b', '..', '']) await expect(saveState(folder, { [name]: 'x' })).rejects.toThrow('file name');
  });
});

describe('a disk operation that fails', () => {
  const codes = [
    'ENOSPC',
    'EDQUOT',
    'EIO',
    'EFBIG',
    'EROFS',
    'EACCES',
    'EMFILE',
    'ENFILE',
    'ENAMETOOLONG',
    'ELOOP',
    'ENOENT',
  ];

  /** Fails at the nth operation of a write. @returns the error; undefined if the write had fewer operations */
  const failAt = async (n: number, code: string, write: () => Promise<unknown>): Promise<Error | undefined> => {
    Object.assign(disk, { left: n, code });
    const error = await write().then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    Object.assign(disk, { left: Infinity, code: '' });
    return error;
  };

  it.each(codes)("%s names the user's file, leaves it whole and nothing beside it", async code => {
    const path = join(folder, 'config.json');
    await writeJson(path, { step: 0 });
    let failed = 0;
    for (let n = 0; n < 12; n++) {
      const error = await failAt(n, code, () => writeJson(path, { step: 1 }));
      const { step } = (await readJson(path)) as { step: number };
      expect([0, 1]).toContain(step);
      expect(readdirSync(folder)).toEqual(['config.json']);
      await writeJson(path, { step: 0 });
      if (error === undefined) continue;
      failed++;
      const said = refusalOfSystem(error);
      expect(said, `${code} at ${n}: ${error}`).toBeInstanceOf(UserError);
      expect(said?.message).toContain(code);
      expect(said?.message.startsWith(`${path}: `) || said?.message.startsWith(`${folder}: `), said?.message).toBe(
        true,
      );
    }
    expect(failed).toBeGreaterThan(4);
  });

  it.each(codes)('%s leaves the state that was saved, and the next save works', async code => {
    const path = join(folder, 'state');
    for (let n = 0; n < 30; n++) {
      rmSync(path, { recursive: true, force: true });
      await saveState(path, stateOf(1));
      const error = await failAt(n, code, () => saveState(path, stateOf(2)));
      const found = await loadState(path);
      expectWhole(found!.path, found!.generation);
      const next = await saveState(path, stateOf(3));
      expectWhole(next.path, 3);
      expect(readdirSync(path).sort()).toEqual([String(next.generation), 'current']);
      if (error === undefined) continue;
      const said = error instanceof UserError ? error : refusalOfSystem(error);
      expect(said?.message, `${code} at ${n}`).toMatch(new RegExp(`^${path}(/.*)?: `));
    }
  });
});

describe('a killed process', () => {
  const source = (path: string) => new URL(`../../src/io/${path}`, import.meta.url).href;
  const stopping = new URL('../cli/stopping.ts', import.meta.url).href;
  const program = `
    import { writeAtomic } from '${source('atomic.ts')}';
    import { saveState } from '${source('state.ts')}';
    import { JsonLines } from '${source('jsonlines.ts')}';
    import { stopAtOperation } from '${stopping}';
    const [folder, start, operation] = process.argv.slice(1);
    const lines = new JsonLines(folder + '/metrics.jsonl');
    for (let n = Number(start); ; n++) {
      if (n === Number(start) + 1) stopAtOperation(Number(operation), 'SIGKILL', () => true);
      const parts = [new Uint8Array(300_000).fill(n), new Uint8Array(300_000).fill(n)];
      await saveState(folder + '/state', { a: parts, b: parts });
      await writeAtomic(folder + '/weights', parts);
      for (let i = 0; i < 50; i++) lines.append({ n, i, text: 'x'.repeat(i * 20) });
    }`;

  it('leaves complete files whenever it is killed, and the next one goes on', async () => {
    const random = new Random(20261130); // another seed kills at other file operations
    const kills = 8;
    let last = -1;
    for (let kill = 0; kill < kills; kill++) {
      // A round of the program opens, syncs, renames and removes some twenty files.
      const operation = 1 + random.integer(60);
      const argv = [
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        program,
        folder,
        String(kill * 40),
        String(operation),
      ];
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
      const signal = await new Promise(resolve => child.once('close', (_, name) => resolve(name)));
      expect(signal, `operation ${operation}`).toBe('SIGKILL');

      const state = (await loadState(join(folder, 'state')))!;
      const values = ['a', 'b'].map(name => new Set(readFileSync(join(state.path, name))));
      expect(values[0].size).toBe(1);
      expect(values[1]).toEqual(values[0]);
      const weights = readFileSync(join(folder, 'weights'));
      expect(weights.length).toBe(600_000);
      expect(new Set(weights).size).toBe(1);
      expect(state.generation).toBeGreaterThan(last);
      last = state.generation;
      expect(readJsonLines(join(folder, 'metrics.jsonl')).length).toBeGreaterThan(50 * kill);
    }
    await writeAtomic(join(folder, 'weights'), 'done');
    expect(readdirSync(folder).sort()).toEqual(['metrics.jsonl', 'state', 'weights']);
  }, 60_000);
});

describe('reading', () => {
  it('writeSafetensors and readSafetensors agree', async () => {
    const path = join(folder, 'model.safetensors');
    const w = { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } as const;
    await writeSafetensors(path, new Map([['w', w]]), { run: 'demo' });
    const { tensors, metadata } = await readSafetensors(path);
    expect([...tensors]).toEqual([['w', w]]);
    expect(metadata).toEqual({ run: 'demo' });
    truncateSync(path, readFileSync(path).length - 1);
    await expect(readSafetensors(path)).rejects.toThrow(`${path}: w: expected data up to byte 16`);
  });

  it('names a file that is missing, a folder, or not JSON', async () => {
    const path = join(folder, 'config.json');
    await expect(readJson(path)).rejects.toThrow(`${path}: expected a file, got none`);
    await expect(readJson(folder)).rejects.toThrow(`${folder}: expected a file, got a folder`);
    writeFileSync(path, '{"a": 1,');
    await expect(readJson(path)).rejects.toThrow(UserError);
    await expect(readJson(path)).rejects.toThrow(`${path}: expected JSON`);
    writeFileSync(path, '\ufeff{"a": 1}');
    expect(await readJson(path)).toEqual({ a: 1 });
    expect(existsSync(path)).toBe(true);
  });
});
