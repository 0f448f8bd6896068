/**
 * @file Painting as somebody does it, in a real browser (Debian's chromium) with the model that comes with the program: pictures appear
 * piece by piece, a part of one is marked and painted anew, and all is there again after the page was left. Skipped aloud where there
 * is no chromium.
 */
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { idOf } from '../../src/web/studio/library.ts';
import { type Asking, key, openTestStudio } from './open-studio.ts';

if (chromium === undefined) console.warn('no chromium: nothing is painted in a browser');

describe.skipIf(chromium === undefined)('the painting page', { timeout: 120_000 }, () => {
  const model = realpathSync(shippedModel());
  let browser: Browser;
  let studio: Asking;
  const open = () =>
    browser.open(`http://127.0.0.1:${studio.port}/?${Math.random()}#key=${key}&to=/paint/${idOf(model)}`);
  const read = <T>(expression: string) => browser.read<T>(expression);
  const put = (selector: string, value: string) =>
    read(`(() => {
      const field = document.querySelector('${selector}');
      field.value = ${JSON.stringify(value)};
      field.dispatchEvent(new Event('input'));
    })()`);
  const click = (selector: string) => read(`document.querySelector('${selector}').click()`);
  const isDone = (paintings: number) =>
    browser.until(`document.querySelectorAll('.paint-after button.paint-again').length === ${paintings}`);

  beforeAll(async () => {
    studio = await openTestStudio({ folder: dirname(model) });
    browser = await Browser.start();
    await browser.look({ width: 1280, height: 1600 });
  });
  afterAll(() => browser?.close());

  test('shows known captions, and pictures as they appear', async () => {
    await open();
    await browser.until(`document.querySelectorAll('.paint-offer').length > 0`);
    await put('#paint-captions', 'red hart');
    await browser.until(
      `document.querySelector('.paint-unseen').innerText.startsWith('hart was never seen in training')`,
    );
    await read(
      `[...document.querySelectorAll('.paint-unseen button')].find(each => each.innerText === 'heart').click()`,
    );
    expect(await read(`document.querySelector('#paint-captions').value`)).toBe('red heart');
    await put('#paint-count', '2');
    await click('button.main');
    await browser.until(`document.querySelectorAll('.paint-picture img[src^="data:"]').length === 2`);
    await isDone(1);
    const files = await read<string[]>(`[...document.querySelectorAll('.paint-picture a')].map(link => link.download)`);
    expect(files).toEqual(['red_heart_seed0_0.png', 'red_heart_seed0_1.png']);
    expect(browser.console).toEqual([]);
  });

  test('paints the marked patches anew and leaves the others, and the mask stays', async () => {
    await click('.paint-picture button');
    await browser.until(`document.querySelector('.paint-mask img')?.naturalWidth > 0`);
    const [left, top, side] = await read<[number, number, number]>(`(() => {
      const box = document.querySelector('.paint-mask canvas').getBoundingClientRect();
      return [box.left, box.top, box.width];
    })()`);
    const at = (row: number, column: number) =>
      [left + ((column + 0.5) * side) / 8, top + ((row + 0.5) * side) / 8] as const;
    await browser.drag(at(2, 1), at(2, 3)); // three patches of the third row
    await browser.drag(at(2, 2), at(2, 2)); // a click takes one back
    expect(await read(`document.querySelector('.paint-count').innerText`)).toBe('2 of 64 patches are painted anew');
    await put('#paint-captions', 'blue heart');
    await put('#paint-temperature', '3'); // so that no code is certain
    await click('button.main');
    await isDone(2);
    await click('#paint-heat');
    // Where codes were drawn there is heat.
    const heat = await read<number[]>(`(() => {
      const heat = document.querySelector('.paint-painting .paint-heat');
      const { data } = heat.getContext('2d').getImageData(0, 0, 8, 8);
      return Array.from({ length: 64 }, (_, i) => i).filter(i => data[4 * i + 3] > 0);
    })()`);
    expect(heat).toEqual([2 * 8 + 1, 2 * 8 + 3]);
    expect(await read(`document.querySelector('.paint-count').innerText`)).toBe('2 of 64 patches are painted anew');
    expect(browser.console).toEqual([]);
  });

  test('has all of it again after it was left', async () => {
    await open();
    await isDone(2);
    const words = await read<string[]>(`[...document.querySelectorAll('.paint-order')].map(each => each.innerText)`);
    expect(words).toEqual(['seed 0, temperature 3, completing a picture', 'seed 0']);
    await browser.until(`document.querySelector('.paint-mask img')?.naturalWidth > 0`);
    expect(await read(`document.querySelector('.paint-count').innerText`)).toBe('2 of 64 patches are painted anew');
    expect(browser.console).toEqual([]);
  });

  test('of several runs are compared, two of them laid over each other', async () => {
    await browser.open(`http://127.0.0.1:${studio.port}/?${Math.random()}#key=${key}&to=/compare`);
    await browser.until(`document.querySelector('#compare-captions')?.value.includes('\\n')`); // captions that the run knows
    await put('#compare-captions', 'red heart\nblue heart\n');
    await read(`document.querySelector('.compare-form').requestSubmit()`);
    await browser.until(`document.querySelectorAll('.compare-pick').length === 2`);
    await read(`for (const button of document.querySelectorAll('.compare-pick')) button.click()`);
    const clip = () => read<string>(`document.querySelector('.wipe-top').style.clipPath`);
    expect(await clip()).toBe('inset(0px 50% 0px 0px)');
    await read(`document.querySelector('.wipe-slider').focus()`);
    await browser.press('ArrowRight');
    expect(await clip()).toBe('inset(0px 49% 0px 0px)');
    await browser.press('f', 'KeyF');
    expect(await clip()).toBe('inset(0px 100% 0px 0px)');
    await read(`document.querySelector('.compare-pick').click()`); // taken back
    expect(await read(`document.querySelector('.wipe')`)).toBe(null);
    expect(browser.console).toEqual([]);
  });
});
