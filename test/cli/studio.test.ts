/** @file `tessera studio` and `tessera watch` as a person starts them: an address that works, from an empty folder on, until Ctrl-C. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Home } from '../../src/web/studio/messages.ts';
import { root, temporaryFolder, tessera } from './program.ts';

test('opens where nothing was trained yet, shows what comes, and ends with Ctrl-C', async () => {
  const cwd = temporaryFolder();
  const program = join(root, 'dist', 'src', 'cli.js');
  const child = spawn(process.execPath, [program, 'studio', '--port', '0', '--no-open'], { cwd });
  let [said, warned] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', text => {
    warned += text;
  });
  const address = await new Promise<URL>((resolve, reject) => {
    child.once('exit', () => reject(new Error(warned)));
    child.stdout.setEncoding('utf8').on('data', text => {
      said += text;
      if (said.endsWith('\n')) resolve(new URL(said.trim()));
    });
  });
  const key = /^#key=([0-9a-f]{32})$/.exec(address.hash)?.[1] ?? '';
  const home = async () => {
    const response = await fetch(`${address.origin}/api/home`, { headers: { 'X-Tessera-Key': key } });
    return (await response.json()) as Home;
  };
  const { runs, folder, datasets } = await home();
  expect({ folder, datasets, shipped: runs.map(({ name, isShipped }) => [name, isShipped]) }).toEqual({
    folder: 'runs',
    datasets: [],
    shipped: [['emoji', true]],
  });
  mkdirSync(join(cwd, 'runs', 'broken'), { recursive: true });
  writeFileSync(join(cwd, 'runs', 'broken', 'config.json'), '{}');
  expect((await home()).runs.map(({ name, problem }) => [name, problem !== undefined])).toEqual([
    ['broken', true],
    ['emoji', false],
  ]);
  expect((await fetch(address.origin)).status).toBe(200);
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(said.trim().split('\n')).toHaveLength(1);
  expect(warned).toContain('ssh -L');
});

test('refuses what is no run and no folder, in a line', async () => {
  const folder = temporaryFolder();
  expect(await tessera('watch', folder)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('expected a run, got a folder without config.json'),
  });
  expect(await tessera('watch', join(folder, 'none'))).toMatchObject({ code: 2 });
  expect(await tessera('studio', join(folder, 'none'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('expected a folder, got none'),
  });
});
