/** @file What the studio refuses, by requests as they come over the wire; and what it never serves, whatever asks for it. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readJsonBody, sendJson } from '../../src/web/guard.ts';
import { idOf } from '../../src/web/studio/library.ts';
import { type Asking, key, openTestStudio } from './open-studio.ts';
import { ask, send } from './raw.ts';
import { studioFolder, writeRun } from './written-runs.ts';

const above = studioFolder();
const folder = join(above, 'runs');
const ticket = 'e'.repeat(32);
let studio: Asking;
let run: string;

beforeAll(async () => {
  run = await writeRun(folder, { name: 'first', family: 'transformer', steps: 500 }, [10, 20]);
  writeFileSync(join(above, 'secret.png'), 'secret');
  const outside = await writeRun(above, { name: 'outside', family: 'dcgan', steps: 500 }, [10]);
  symlinkSync(outside, join(folder, 'linked'));
  symlinkSync(join(above, 'secret.png'), join(run, 'samples', '000030.png'));
  studio = await openTestStudio({ folder, headMs: 60, ticket });
});

const get = (path: string, headers: Readonly<Record<string, string>> = { 'X-Tessera-Key': key }) =>
  ask(studio.port, `GET ${path}`, headers);
const idOfRun = () => idOf(run);

describe('what is refused before it is looked at', () => {
  test.each([
    ['a name that is led here by DNS', { Host: 'evil.example' }],
    ['the same with our port', { Host: 'evil.example:8377' }],
    ['no name', { Host: '' }],
    ['another site', { Origin: 'http://evil.example' }],
    ['a sandbox', { Origin: 'null' }],
    ['another port of this machine', { Origin: 'http://127.0.0.1:1' }],
    ['what says that it is from another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['another port of this site', { 'Sec-Fetch-Site': 'same-site' }],
    ['a form of another site', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' }],
  ] as readonly [string, Record<string, string>][])('%s', async (_, headers) => {
    for (const path of ['/api/home', `/api/events?runs=${idOfRun()}`]) {
      expect(await get(path, { 'X-Tessera-Key': key, ...headers })).toMatchObject({ status: 403 });
    }
    expect(await get('/', headers)).toMatchObject({ status: 403 });
  });

  test('whoever has not the key, or has it where a form could put it', async () => {
    const own = { Origin: `http://127.0.0.1:${studio.port}`, 'Content-Type': 'application/json' };
    const wrong: Record<string, string>[] = [
      {},
      { 'X-Tessera-Key': '' },
      { 'X-Tessera-Key': key.slice(1) },
      { 'X-Tessera-Key': 'd'.repeat(32) },
    ];
    for (const headers of wrong) {
      expect([headers, (await get('/api/home', headers)).status]).toEqual([headers, 403]);
    }
    expect((await get(`/api/home?key=${'d'.repeat(32)}`, {})).status).toBe(403);
    expect((await get(`/api/home?key=${key}`, {})).status).toBe(200);
    // Nobody learns without the key which paths there are.
    expect((await get('/api/nothing', {})).status).toBe(403);
    expect((await ask(studio.port, `POST /api/home?key=${key}`, own, '{}')).status).toBe(403);
    expect((await ask(studio.port, 'POST /api/home', { ...own, 'X-Tessera-Key': key }, '{}')).status).toBe(405);
    expect((await ask(studio.port, 'POST /', own, '{}')).status).toBe(403);
  });

  test('a ticket is good for the key once, and for no other site', async () => {
    const other = { Origin: 'http://evil.example' };
    expect((await get(`/ticket/${'f'.repeat(32)}`, {})).status).toBe(403);
    expect((await get('/ticket/', {})).status).toBe(403);
    expect((await get(`/ticket/${ticket}`, other)).status).toBe(403);
    expect(await get(`/ticket/${ticket}`, {})).toMatchObject({ status: 200, body: JSON.stringify({ key }) });
    const again = await get(`/ticket/${ticket}`, {});
    expect(again.status).toBe(403);
    expect(again.body).not.toContain(key);
  });

  test('a head that never ends', async () => {
    expect((await send(studio.port, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')).status).toBe(408);
  });
});

describe('paths', () => {
  test.each([
    '/..%2fsecret.png',
    '/../secret.png',
    '/assets/../secret.png',
    '/assets/..%2f..%2fpackage.json',
    '/assets/src/web/page/main.ts',
    '/assets/src/cli.js',
    '/assets/src/web/studio/server.js',
    '//etc/passwd',
    '/etc/passwd',
    'http://127.0.0.1/api/home',
    '/api//home',
    '/api/home/',
    '/API/home',
    '/%61pi/home',
    '/api/runs/..',
    '/api/runs/..%2f',
    '/api/runs/first',
    '/api/runs/%2e%2e/curves',
  ])('%s leads nowhere', async path => {
    expect((await get(path)).status).toBe(404);
  });

  test('ids that are none, and sheets that are none', async () => {
    for (const id of ['000000000000', 'outside', '0', '%00', 'x'.repeat(4000)]) {
      expect([id, (await get(`/api/runs/${id}`)).status]).toEqual([id, 404]);
    }
    for (const sheet of [
      'samples/..%2f..%2fconfig.json',
      'samples/-1',
      'samples/1e1',
      'samples/999',
      'config/last',
      'state/1',
      'constructor/last',
      '__proto__/last',
    ]) {
      expect([sheet, (await get(`/api/runs/${idOfRun()}/sheets/${sheet}`)).status]).toEqual([sheet, 404]);
    }
    expect((await get(`/api/runs/${idOfRun()}/sheets/samples/10`)).status).toBe(200);
    expect((await get(`/api/runs/${idOfRun()}/curves?points=x`)).status).toBe(400);
    expect((await get('/api/events?runs=../..')).status).toBe(400);
    expect((await get('/api/events')).status).toBe(400);
  });

  test('links that lead out of the folder: runs are named and not shown, pictures are not there', async () => {
    const home = JSON.parse((await get('/api/home')).body) as { runs: { name: string }[]; left: string[] };
    expect(home.runs.map(({ name }) => name)).toEqual(['first']);
    expect(home.left).toEqual(['linked: a link that leads out of the folder']);
    expect((await get(`/api/runs/${idOf(join(above, 'outside'))}`)).status).toBe(404);
    const linked = await get(`/api/runs/${idOfRun()}/sheets/samples/30`);
    expect(linked.status).toBe(404);
    expect(linked.body).not.toContain('secret');
  });

  test('a log that is a link out of the folder is not read', async () => {
    const linked = await writeRun(folder, { name: 'log', family: 'dcgan', steps: 500 });
    rmSync(join(linked, 'metrics.jsonl'));
    symlinkSync(join(above, 'outside', 'metrics.jsonl'), join(linked, 'metrics.jsonl'));
    expect(JSON.parse((await get(`/api/runs/${idOf(linked)}/curves`)).body)).toMatchObject({ stages: [] });
    const home = JSON.parse((await get('/api/home')).body) as { runs: { name: string; stage: string | null }[] };
    expect(home.runs.find(({ name }) => name === 'log')?.stage).toBeNull();
    rmSync(linked, { recursive: true });
  });

  test('a folder that became a link after it was seen', async () => {
    const moved = await writeRun(folder, { name: 'moved', family: 'dcgan', steps: 500 }, [10]);
    const sheet = `/api/runs/${idOf(moved)}/sheets/samples/10`;
    expect((await get(sheet)).status).toBe(200);
    rmSync(moved, { recursive: true });
    symlinkSync(join(above, 'outside'), moved);
    expect((await get(sheet)).status).toBe(404);
    expect((await get(`/api/runs/${idOf(moved)}/curves`)).body).not.toContain('D_loss');
  });

  test('a sheet that is no PNG is not served, whatever it is called', async () => {
    writeFileSync(
      join(run, 'samples', '000040.png'),
      '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    );
    mkdirSync(join(run, 'samples', '000050.png'));
    for (const step of [40, 50]) {
      const { status, body } = await get(`/api/runs/${idOfRun()}/sheets/samples/${step}`);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(body).not.toContain('svg');
    }
  });
});

describe('what is answered', () => {
  const always = [
    /x-content-type-options: nosniff/i,
    /referrer-policy: no-referrer/i,
    /cross-origin-opener-policy: same-origin/i,
    /cross-origin-resource-policy: same-origin/i,
    /cache-control: no-store/i,
    /content-security-policy: default-src 'none'.*frame-ancestors 'none'/i,
  ];

  test('has the headers that keep others out, and none that lets them in', async () => {
    const own = { Origin: `http://127.0.0.1:${studio.port}`, 'X-Tessera-Key': key };
    const answers = [
      await get('/', {}),
      await get('/assets/style.css', {}),
      await get('/assets/src/web/page/main.js', {}),
      await get('/api/home'),
      await get('/api/nothing'),
      await get('/api/home', { Host: 'evil.example' }),
      await get(`/api/runs/${idOfRun()}/sheets/samples/10`),
      await ask(studio.port, 'OPTIONS /api/home', { ...own, 'Access-Control-Request-Method': 'POST' }),
      await ask(studio.port, 'HEAD /', {}),
    ];
    for (const { head } of answers) {
      for (const line of always) expect(head).toMatch(line);
      expect(head).not.toMatch(/access-control|x-powered-by|set-cookie/i);
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 404, 403, 200, 405, 200]);
  });

  test('is a document without a secret, whose scripts and styles are files of this server', async () => {
    const { head, body } = await get('/', {});
    expect(head).toMatch(
      /content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'/i,
    );
    expect(body).not.toContain(key);
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/);
    expect(body).not.toContain(folder);
    for (const [, address] of body.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect([address, (await get(address, {})).status]).toEqual([address, 200]);
    }
  });

  test('modules need nothing that a browser does not have', async () => {
    const seen = new Set<string>();
    const wanted = ['/assets/src/web/page/main.js'];
    for (let address = wanted.pop(); address !== undefined; address = wanted.pop()) {
      if (seen.has(address)) continue;
      seen.add(address);
      const { status, body, head } = await get(address, {});
      expect([address, status]).toEqual([address, 200]);
      expect(head).toMatch(/content-type: text\/javascript/i);
      expect(body).not.toMatch(/\beval\(|new Function\(/);
      for (const [, target] of body.matchAll(/\bfrom '([^']+)'/g)) {
        wanted.push(new URL(target, `http://x${address}`).pathname);
      }
    }
    expect(seen.size).toBeGreaterThan(5);
  });
});

test('bodies: too long, of another type, or not what was asked for', async () => {
  // No route of the studio's first page takes a body; those of other areas read theirs by this function.
  const { createGuarded } = await import('../../src/web/guard.ts');
  const schema = z.strictObject({ a: z.number() });
  const server = createGuarded(
    async (request, response) => {
      const body = await readJsonBody(request, { most: 1000 });
      sendJson(response, schema.safeParse(body).success ? 200 : 400, {});
    },
    { key },
  );
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const headers = { Origin: `http://127.0.0.1:${port}`, 'X-Tessera-Key': key, 'Content-Type': 'application/json' };
  expect((await ask(port, 'POST /', headers, '{"a":1}')).status).toBe(200);
  expect((await ask(port, 'POST /', headers, '{"a":1,"b":2}')).status).toBe(400);
  expect((await ask(port, 'POST /', headers, `{"a":"${'x'.repeat(2000)}"}`)).status).toBe(413);
  expect((await ask(port, 'POST /', { ...headers, 'Content-Type': 'text/plain' }, '{"a":1}')).status).toBe(415);
  server.close();
});
