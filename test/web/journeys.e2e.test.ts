/**
 * @file What people do in the studio, in a real browser (Debian's chromium): a run is watched while it grows, its sheets are leafed through, a
 * data set is searched, a study is taken and reported; and what a hostile page can do, which is nothing. Skipped aloud where there is
 * no chromium.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { blank } from '../../src/image/images.ts';
import { encodePng } from '../../src/image/png.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { idOf } from '../../src/web/studio/library.ts';
import type { WorkCard } from '../../src/web/studio/trainings/messages.ts';
import { captions, draw, fileOf, root as programRoot, temporaryFolder } from '../cli/program.ts';
import { writeSmallStudy } from '../study/small-study.ts';
import { type Asking, key, openTestStudio } from './open-studio.ts';

if (chromium === undefined) console.warn('no chromium: the studio is not looked at in a browser');

/** The program as it was built, which starts sooner than its sources. */
const built = [process.execPath, join(programRoot, 'dist', 'src', 'cli.js')];
/** A name that an attacker has lead to this machine. */
const EVIL = 'evil.test';

describe.skipIf(chromium === undefined)('the studio in a browser', { timeout: 90_000 }, () => {
  let browser: Browser;
  let studio: Asking;
  let root: string;
  const made = temporaryFolder();
  const at = (...names: string[]) => join(root, ...names);
  const open = (page: string) =>
    browser.open(`http://127.0.0.1:${studio.port}/?${Math.random()}#key=${key}&to=${page}`);
  const text = (selector = 'main') =>
    browser.read<string>(`document.querySelector(${JSON.stringify(selector)}).innerText`);
  const says = (words: string, selector = 'main') =>
    browser.until(`document.querySelector(${JSON.stringify(selector)})?.innerText.includes(${JSON.stringify(words)})`);
  const click = (selector: string) => browser.read(`document.querySelector(${JSON.stringify(selector)}).click()`);

  beforeAll(async () => {
    root = await realpath(made);
    await writeRun(at('runs', 'growing'));
    await writeSmallStudy(at('runs', 'study'));
    await writeData(at('shapes'));
    studio = await openTestStudio({ folder: at('runs'), data: [at('shapes')], words: built });
    browser = await Browser.start({ hosts: [EVIL] });
  });
  afterAll(() => browser?.close());

  test('a run is watched while lines are added to its log', async () => {
    await open(`/run/${idOf(at('runs', 'growing'))}`);
    await says('growing', 'h1');
    await says('step 20');
    logStep(at('runs', 'growing'), 30);
    await says('step 30');
    expect(browser.console).toEqual([]);
  });

  test('its sheets are leafed through by keys', async () => {
    await browser.until(`document.querySelector('input[type=range]:not([hidden])') !== null`);
    await browser.read(`document.querySelector('input[type=range]').focus()`);
    const shown = () => browser.read<string>(`document.querySelector('figure img[data-key]')?.dataset.key ?? ''`);
    const newest = await shown();
    expect(newest).toContain('/sheets/samples/20');
    await browser.press('ArrowLeft');
    await browser.until(`document.querySelector('figure img[data-key]').dataset.key.includes('/sheets/samples/10')`);
    await browser.press('ArrowRight');
    await browser.until(`document.querySelector('figure img[data-key]').dataset.key.includes('/sheets/samples/20')`);
    expect(browser.console).toEqual([]);
  });

  test('a data set is searched, and one of its pictures looked at', async () => {
    await open(`/data/${idOf(at('shapes'))}`);
    await says(`${captions.length} captioned images`);
    await browser.read(`(() => {
      const search = document.querySelector('#data-search');
      search.value = 'SQUARE green';
      search.dispatchEvent(new Event('input'));
    })()`);
    await says('1 of 8 found');
    await click('.data-cell');
    await browser.until(`document.querySelector('dialog[open] img')?.naturalWidth > 0`);
    expect(await text('dialog')).toContain('green square');
    await browser.press('Escape');
    await browser.until(`document.querySelector('dialog') === null`);
    expect(browser.console).toEqual([]);
  });

  test('a study is taken over a reload, and reported', async () => {
    const study = `/study/${idOf(at('runs', 'study'))}`;
    await open(study);
    await says('0 people');
    const page = await browser.read<string>(`document.querySelector('a[target=_blank]').href`);
    await takeStudy(browser, page);
    await open(study);
    await says('1 person, 1 to the end');
    await click('main button.main');
    await browser.until(`[...document.querySelectorAll('a')].some(link => link.textContent === 'open the page')`);
    const report = await browser.read<string>(`document.querySelector('.work-head a[target=_blank]').href`);
    await browser.open(report);
    expect(await browser.read(`document.querySelector('h1').textContent`)).toBe('Which picture?');
    expect(browser.console).toEqual([]);
  });

  describe('a page of another origin', () => {
    let hostile: Server;
    let relay: Relay;
    beforeAll(async () => {
      hostile = createServer((_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/html' });
        response.end('<!DOCTYPE html><title>hostile</title><iframe name="frame"></iframe>');
      });
      await new Promise<void>(resolve => hostile.listen(0, '127.0.0.1', resolve));
      relay = await openRelay(studio.port);
    });
    afterAll(() => {
      hostile?.close();
      relay?.close();
    });

    /** All that a page can send without being asked, even with the key. */
    const attacks = (address: string, path: string, order: string) => `
      (async () => {
        const at = ${JSON.stringify(address)};
        const keyed = way => at + ${JSON.stringify(path)} + '?key=${key}&by=' + way;
        const order = ${JSON.stringify(order)};
        const until = (start, ...names) => new Promise(resolve => {
          const element = start();
          for (const name of names) element.addEventListener(name, () => resolve(name));
        });
        const tried = async work => { try { const response = await work(); return response.type === 'opaque' ? 'unseen' : String(response.status); } catch { return 'failed'; } };
        const form = (type, action) => {
          const made = document.createElement('form');
          Object.assign(made, { method: 'post', enctype: type, action, target: 'frame' });
          const field = document.createElement('input');
          Object.assign(field, { name: order + '{"x":"', value: '"}' });
          made.append(field);
          document.body.append(made);
          made.submit();
        };
        const post = (way, type) => tried(() => fetch(keyed(way), { method: 'POST', mode: type === 'application/json' ? 'cors' : 'no-cors', headers: { 'Content-Type': type }, body: order }));
        const result = {
          image: await until(() => Object.assign(new Image(), { src: keyed('image') }), 'load', 'error'),
          script: await until(() => document.head.appendChild(Object.assign(document.createElement('script'), { src: keyed('script') })), 'load', 'error'),
          fetch: await tried(() => fetch(keyed('fetch'))),
          blind: await tried(() => fetch(keyed('blind'), { mode: 'no-cors' })),
          json: await post('json', 'application/json'),
          text: await post('text', 'text/plain'),
          events: await until(() => new EventSource(at + '/api/events?runs=x&key=${key}&by=events'), 'open', 'error'),
        };
        const sent = until(() => document.querySelector('iframe'), 'load');
        form('text/plain', keyed('form'));
        await sent;
        const frame = document.createElement('iframe');
        frame.src = keyed('frame');
        await until(() => document.body.appendChild(frame), 'load');
        let inside = 'closed';
        try { inside = frame.contentDocument.body.innerText; } catch {}
        return { ...result, inside: inside ?? 'closed' };
      })()`;
    test('of its own gets what it asks for, through the same relay', async () => {
      await browser.open(`http://127.0.0.1:${relay.port}/`);
      const path = `/api/trainings?key=${key}&by=own`;
      expect(await browser.read(`fetch(${JSON.stringify(path)}).then(({ status }) => status)`)).toBe(200);
      expect(relay.answers.filter(({ request }) => request.includes('by=own'))).toMatchObject([{ status: 200 }]);
    });

    const works = async () => (await studio.json<{ works: WorkCard[] }>('/api/trainings')).works;
    const order = () => ({ data: { id: idOf(at('shapes')) }, out: 'stolen', values: {} });

    test.each([EVIL, '127.0.0.1'])('on %s gets nothing, and has nothing done, even with the key', async host => {
      const before = await works();
      relay.answers.length = 0;
      await browser.open(`http://${host}:${(hostile.address() as AddressInfo).port}/`);
      const address = `http://127.0.0.1:${relay.port}`;
      const got = await browser.read<Record<string, string>>(
        attacks(address, '/api/trainings', JSON.stringify(order())),
      );
      const refused = {
        image: 'error',
        script: 'error',
        fetch: 'failed',
        json: 'failed',
        events: 'error',
        inside: 'closed',
      };
      expect(got).toMatchObject(refused);
      // What the page does not see: all of it has arrived, and was refused. A frame is a visit, whose page must not be framed.
      const byWay = relay.answers.flatMap(({ request, status }) => {
        const way = /[?&]by=(\w+)/.exec(request)?.[1];
        return way === undefined || way === 'frame' ? [] : [`${way} ${status}`];
      });
      const sent = ['image', 'script', 'fetch', 'blind', 'json', 'text', 'events', 'form'];
      expect(byWay.sort()).toEqual(sent.map(way => `${way} 403`).sort());
      expect(await works()).toEqual(before);
    });

    test('whose name leads here gets nothing either, as the studio is not called so', async () => {
      browser.console.length = 0;
      await browser.open(`http://${EVIL}:${studio.port}/?key=${key}`);
      expect(await text('body')).toContain('not a name of this server');
    });
  });
});

/** A run that is under way: two steps are logged, and have sheets. */
async function writeRun(run: string): Promise<void> {
  const paths = runPaths(run);
  mkdirSync(paths.sampleHistory, { recursive: true });
  writeFileSync(paths.config, JSON.stringify(resolveConfig({ preset: 'tiny' })));
  const png = await encodePng(blank(8, 8));
  for (const step of [10, 20]) {
    logStep(run, step);
    writeFileSync(join(paths.sampleHistory, `0000${step}.png`), png);
  }
  writeFileSync(paths.samples, png);
}

function logStep(run: string, step: number): void {
  const record = { stage: 'transformer', step, loss: 1 / step, lr: 0.001, seconds: step, tokensPerSecond: 100 };
  appendFileSync(runPaths(run).metrics, `${JSON.stringify(record)}\n`);
}

async function writeData(folder: string): Promise<void> {
  mkdirSync(folder);
  for (const caption of captions) writeFileSync(join(folder, fileOf(caption)), await draw(caption));
  const lines = captions.map(caption => JSON.stringify({ file_name: fileOf(caption), text: caption }));
  writeFileSync(join(folder, 'metadata.jsonl'), lines.join('\n'));
}

/** Takes a study by keys, and loads its page again half way. */
async function takeStudy(browser: Browser, page: string): Promise<void> {
  const kind = () => browser.read<string>(`document.querySelector('main').className`);
  const isAsked = async () =>
    (await kind()).includes('trial') && (await browser.read(`document.querySelector('.trial button.main') === null`));
  await browser.open(page);
  for (let done = 0; ; done++) {
    while (!(await isAsked())) {
      if ((await kind()).includes('end')) {
        await browser.until(`document.querySelector('main.end.sent')`);
        return;
      }
      await browser.press('Enter');
    }
    if (done === 8) {
      await browser.reload();
      while (!(await isAsked())) await browser.press('Enter');
    }
    await browser.until(`document.querySelector('main.trial.shown')`);
    await browser.read('new Promise(resolve => setTimeout(resolve, 170))'); // sooner nobody has looked
    await browser.press(done % 2 === 0 ? 'ArrowLeft' : 'ArrowRight');
  }
}

/** What went through a relay. */
interface Relay {
  readonly port: number;
  readonly answers: { readonly request: string; readonly status: number }[];
  close(): void;
}

/** A relay to a server of this machine, which notes every request and the status of its answer. */
async function openRelay(port: number): Promise<Relay> {
  const answers: Relay['answers'] = [];
  const sockets = new Set<Socket>();
  const server = createRelay(client => {
    const upstream = connect(port, '127.0.0.1');
    const asked: string[] = [];
    client.on('data', (part: Buffer) => {
      asked.push(...Array.from(part.toString('latin1').matchAll(/^([A-Z]+ \S+) HTTP\/1\.1\r$/gm), ([, line]) => line));
      upstream.write(part);
    });
    upstream.on('data', (part: Buffer) => {
      for (const [, status] of part.toString('latin1').matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) {
        answers.push({ request: asked.shift() ?? '', status: Number(status) });
      }
      client.write(part);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.end());
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, answers, close };
}
