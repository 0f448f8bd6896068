/** @file What a server on this machine answers to requests as they come over the wire, written byte by byte: no browser is so rude. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StudyServer, serveStudy } from '../../src/web/study-server.ts';
import { answersOf, studyFolder, writeSmallStudy } from '../study/small-study.ts';
import { ask as askRaw, send as sendRaw } from './raw.ts';

const folder = studyFolder();
const made = await writeSmallStudy(folder);
const key = 'a'.repeat(32);
const errors: unknown[] = [];
let open: StudyServer;
let keyed: StudyServer;

beforeAll(async () => {
  open = await serveStudy(folder, { port: 0, headMs: 60, onError: error => errors.push(error) });
  keyed = await serveStudy(folder, { port: 0, host: '127.0.0.1', key });
});
afterAll(async () => {
  await Promise.all([open.close(), keyed.close()]);
  expect(errors).toEqual([]);
});

const portOf = ({ url }: StudyServer) => Number(new URL(url).port);

/** Sends bytes. */
const send = (text: string, server = open) => sendRaw(portOf(server), text);

/** A request of these headers. */
const ask = (line: string, headers: Readonly<Record<string, string>> = {}, { body = '', server = open } = {}) =>
  askRaw(portOf(server), line, headers, body);

const own = () => ({ Origin: `http://127.0.0.1:${portOf(open)}`, 'Content-Type': 'application/json' });
const answers = answersOf(made, { rater: '00000000000000c3', slot: 0, choose: () => 'left' });
const body = JSON.stringify({ answers: answers.slice(0, 3) });
const post = (headers: Readonly<Record<string, string>>, text = body) =>
  ask('POST /answers', { ...own(), ...headers }, { body: text });

const kept = () => readdirSync(folder).includes('answers');

describe('what is refused before it is looked at', () => {
  test.each([
    ['a name that is led here by DNS', 'evil.example'],
    ['the same with our port', 'evil.example:8377'],
    ['a name that begins as ours', '127.0.0.1.evil.example'],
    ['a name that ends as ours', 'evil-localhost'],
    ['no name', ''],
    ['an address of another machine', '192.168.1.5'],
  ])('%s', async (_, host) => {
    expect(await ask('GET /', { Host: host })).toMatchObject({
      status: 403,
      body: '{"error":"not a name of this server"}',
    });
    expect((await post({ Host: host, Origin: `http://${host}` })).status).toBe(403);
  });

  test.each([
    ['of another site', { Origin: 'http://evil.example' }],
    ['of a sandbox', { Origin: 'null' }],
    ['of another port of this machine', { Origin: 'http://127.0.0.1:1' }],
    ['over https', { Origin: 'https://127.0.0.1' }],
    ['that says it is from another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['from another port of this site', { 'Sec-Fetch-Site': 'same-site' }],
  ] as readonly [string, Record<string, string>][])('a message %s', async (_, headers) => {
    expect(await post(headers)).toMatchObject({ status: 403 });
    expect(kept()).toBe(false);
  });

  test('a message without an origin', async () => {
    const { Origin: _, ...rest } = own();
    expect(await ask('POST /answers', rest, { body })).toMatchObject({ status: 403 });
  });

  test('a page asked for by a script of another site', async () => {
    expect((await ask('GET /', { Origin: 'http://evil.example' })).status).toBe(403);
    expect((await ask('GET /', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' })).status).toBe(403);
    // Whoever follows a link to the page is welcome.
    expect((await ask('GET /', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' })).status).toBe(200);
  });

  test('what a form could send, what is too long, and what is no JSON', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
    ]) {
      expect(await post({ 'Content-Type': type })).toMatchObject({ status: 415 });
    }
    expect(await post({ 'Content-Length': '70000' })).toMatchObject({ status: 413 });
    const chunk = 'x'.repeat(70_000);
    const chunked = `POST /answers HTTP/1.1\r\nHost: 127.0.0.1:${portOf(open)}\r\nOrigin: ${own().Origin}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(await send(`${chunked}${chunk.length.toString(16)}\r\n${chunk}\r\n0\r\n\r\n`)).toMatchObject({
      status: 413,
    });
    expect(await post({}, '{"answers":')).toMatchObject({ status: 400 });
  });

  test('paths that lead elsewhere, and methods that there are not', async () => {
    for (const path of [
      '/..%2fstudy.key.json',
      '/../study.key.json',
      '/study.key.json',
      '/%2e%2e/',
      '//etc/passwd',
      '/answers/',
      '/pictures',
    ]) {
      expect([path, (await ask(`GET ${path}`)).status]).toEqual([path, 404]);
    }
    expect((await ask('GET /answers')).status).toBe(405);
    expect((await ask('DELETE /', own())).status).toBe(405);
    expect((await ask('OPTIONS /answers', own())).head).not.toMatch(/access-control/i);
  });

  test('a head that never ends', async () => {
    expect((await send(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: `)).status).toBe(408);
  });

  test('whoever has not the key, where there is one', async () => {
    const origin = { Origin: `http://127.0.0.1:${portOf(keyed)}`, 'Content-Type': 'application/json' };
    for (const url of ['/', `/?key=${'b'.repeat(32)}`, '/?key=a', '/?key=']) {
      expect([url, (await ask(`GET ${url}`, {}, { server: keyed })).status]).toEqual([url, 403]);
    }
    expect((await ask(`GET /?key=${key}`, {}, { server: keyed })).status).toBe(200);
    expect((await ask(`POST /answers?key=${key}`, origin, { body: '{}', server: keyed })).status).toBe(403);
    expect(
      (await ask('POST /answers', { ...origin, 'X-Tessera-Key': key }, { body: '{}', server: keyed })).status,
    ).toBe(400);
    expect(keyed.url).toBe(`http://127.0.0.1:${portOf(keyed)}/?key=${key}`);
  });
});

describe('what is answered', () => {
  test('the page, under a policy that lets nothing else in, by every name of this machine', async () => {
    for (const host of ['localhost', '127.0.0.1:9', '[::1]:8377', 'LOCALHOST:1']) {
      const { status, head, body: page } = await ask('GET /', { Host: host });
      expect([host, status]).toEqual([host, 200]);
      expect(head).toMatch(
        /content-security-policy: default-src 'none'; img-src data:; script-src 'sha256-[^;*]*; style-src 'sha256-[^;*]*; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'/i,
      );
      for (const line of [
        /x-content-type-options: nosniff/i,
        /referrer-policy: no-referrer/i,
        /cross-origin-opener-policy: same-origin/i,
        /cross-origin-resource-policy: same-origin/i,
        /cache-control: no-store/i,
      ]) {
        expect(head).toMatch(line);
      }
      expect(head).not.toMatch(/access-control|x-powered-by/i);
      expect(page).toContain(made.study.hash);
    }
  });

  test('answers, once they are on the disk; the same again; and no others', async () => {
    expect(await post({})).toMatchObject({ status: 200, body: '{"taken":3}' });
    const file = join(folder, 'answers', '00000000000000c3.jsonl');
    const lines = () =>
      readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as unknown);
    expect(lines()).toEqual(answers.slice(0, 3));
    expect((await post({}, JSON.stringify({ answers: answers.slice(1, 6) }))).status).toBe(200);
    expect(lines()).toEqual(answers.slice(0, 6));
    const other = { ...answers[0], ms: 7 };
    expect(await post({}, JSON.stringify({ answers: [other] }))).toMatchObject({ status: 409 });
    expect(await post({}, JSON.stringify({ answers: [{ ...answers[7], study: 'x' }] }))).toMatchObject({
      status: 400,
      body: '{"error":"expected answers of this study, got of another study"}',
    });
    for (const text of ['{}', '[]', '{"answers":[]}', JSON.stringify({ answers: new Array(65).fill(answers[0]) })]) {
      expect((await post({}, text)).status).toBe(400);
    }
    expect(lines()).toEqual(answers.slice(0, 6));
  });

  test('messages that come at once are all kept', async () => {
    await Promise.all(answers.slice(6).map(answer => post({}, JSON.stringify({ answers: [answer] }))));
    const text = readFileSync(join(folder, 'answers', '00000000000000c3.jsonl'), 'utf8');
    expect(text.trimEnd().split('\n')).toHaveLength(answers.length);
  });
});

test('a server that others reach has a key and a name; a port is one that is free', async () => {
  await expect(serveStudy(folder, { port: 0, host: '0.0.0.0', key })).rejects.toThrow(
    'expected the name or address by which others reach',
  );
  await expect(serveStudy(folder, { port: 0, host: '127.0.0.1' })).rejects.toThrow('expected a key');
  await expect(serveStudy(folder, { port: 0, host: '203.0.113.7', key })).rejects.toThrow(
    'expected an address of this machine, got 203.0.113.7',
  );
  await expect(serveStudy(folder, { port: portOf(open) })).rejects.toThrow('is taken by another program');
  await expect(serveStudy(join(folder, 'x'), { port: 0 })).rejects.toThrow('is no study');
});
