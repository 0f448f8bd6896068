/**
 * @file A study as somebody takes it, in a real browser (Debian's chromium): from the server of `study serve`, with the page loaded
 * again half way; and the same page from the disk. Skipped aloud where there is no chromium.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import type { MadeStudy } from '../../src/study/assemble.ts';
import { AnswerBook, collectAnswers, type Given } from '../../src/study/collect.ts';
import { reportStudy } from '../../src/study/report-study.ts';
import { studyPaths } from '../../src/study/study.ts';
import { type StudyServer, serveStudy } from '../../src/web/study-server.ts';
import { studyFolder, writeSmallStudy } from './small-study.ts';

if (chromium === undefined) console.warn('no chromium: the page of a study is not taken in a browser');

describe.skipIf(chromium === undefined)('a study in a browser', { timeout: 90_000 }, () => {
  const [folder, downloads] = [studyFolder(), studyFolder()];
  let browser: Browser;
  let made: MadeStudy;
  let server: StudyServer;

  beforeAll(async () => {
    made = await writeSmallStudy(folder);
    server = await serveStudy(folder, { port: 0 });
    browser = await Browser.start({ downloads });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const kind = () => browser.read<string>(`document.querySelector('main').className`);
  const words = () => browser.read<string>(`document.querySelector('main').innerText`);

  /** Answers what is on the screen by a key, as soon as answers are taken. */
  async function answer(key: string): Promise<void> {
    await browser.until(`document.querySelector('main.trial.shown')`);
    await browser.read('new Promise(resolve => setTimeout(resolve, 170))');
    await browser.press(key);
  }

  /** Goes on to the next trial, over what is said between. @returns false at the end */
  async function nextTrial(): Promise<boolean> {
    while (
      !(await kind()).includes('trial') ||
      (await browser.read(`document.querySelector('.trial button.main') !== null`))
    ) {
      if ((await kind()).includes('end')) return false;
      await browser.press('Enter');
    }
    return true;
  }

  test('is taken to its end, over a reload, and the answers arrive', async () => {
    const keys = ['ArrowLeft', 'ArrowRight', 'ArrowDown'];
    await browser.open(`${server.url}#rater=2`);
    expect(await words()).toContain('Taking part is voluntary');
    for (let done = 0; await nextTrial(); done++) {
      if (done === 8) {
        await browser.reload();
        expect(await words()).toContain('Welcome back. You have answered 4 of 12.');
        await nextTrial();
      }
      if (done === 9) {
        await browser.press('Escape');
        expect(await kind()).toContain('paused');
        await nextTrial();
      }
      expect(await words()).toContain(done < 4 ? `To practise: ${done + 1} of 4` : `${done - 3} of 12`);
      await answer(keys[done % 3]);
    }
    await browser.until(`document.querySelector('main.end.sent')`);
    const book = await AnswerBook.open(folder, made.study);
    expect(book.count).toEqual({ raters: 1, finished: 1 });
    const names: readonly Given['answer'][] = ['left', 'right', 'tie'];
    expect(book.answers.map(({ answer: said }) => said)).toEqual(book.answers.map((_, i) => names[i % 3]));
    for (const [trial, given] of book.answers.entries()) {
      expect(given).toMatchObject({ slot: 1, trial, device: 'desktop', paused: trial === 9 ? 1 : 0 });
      expect(given.ms).toBeGreaterThanOrEqual(150);
    }
  });

  test('gives its answers as a file, which is taken as well', async () => {
    await browser.download(() => browser.read(`document.querySelector('a[download]').click()`));
    const [name] = readdirSync(downloads);
    expect(name).toMatch(/^answers-[0-9a-f]{16}\.jsonl$/);
    const file = join(downloads, name);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(16);
    expect(await collectAnswers(folder, made.study, [file])).toEqual({
      taken: 0,
      again: 16,
      raters: 1,
      finished: 1,
      leftOut: [],
    });
  });

  test('is reported', async () => {
    const { page, results } = await reportStudy({ study: folder, made: new Date(0) });
    expect(results.raters.answered).toBe(1);
    await browser.open(pathToFileURL(page).href);
    expect(await browser.read(`document.querySelector('h1').textContent`)).toBe('Which picture?');
  });

  test('works from the disk, by touch, and reaches for nothing', async () => {
    await browser.look({ width: 375, height: 667, isPhone: true });
    await browser.open(pathToFileURL(studyPaths(folder).page).href);
    await nextTrial();
    await browser.until(`document.querySelector('main.trial.shown')`);
    const shown = await browser.read(
      `[...document.images].map(image => [image.naturalWidth, image.clientWidth > 120, image.getBoundingClientRect().right <= innerWidth])`,
    );
    expect(shown).toEqual([
      [16, true, true],
      [16, true, true],
    ]);
    await browser.read('new Promise(resolve => setTimeout(resolve, 170))');
    await browser.read(`document.querySelector('.side.right').click()`);
    expect(await words()).toMatch(/Yes, well seen\.|No: it was "(Left|Right)"\./);
    await browser.reload();
    expect(await words()).toContain('Welcome back. You have answered 0 of 12.');
    expect(browser.console).toEqual([]);
  });
});
