/**
 * @file `npm run pictures -- studio`: every page of the studio, light and dark, as chromium shows it to somebody who has
 * walked there by the controls of the page: nothing in them is staged.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { UserError } from '../../src/core/errors.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { Browser, chromium } from './chromium.ts';

/** The program beside this script in dist. */
const PROGRAM = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
/** Pixels of the window. */
const WIDTH = 1200;
/** Milliseconds that a page may take to show what it is for. */
const PATIENCE = 60_000;
const CAPTIONS = ['red apple', 'blue heart', 'penguin', 'sunflower'];

/** A page, how high it is shown, and what is done on it until it shows what it is for. */
interface Scene {
  readonly name: string;
  /** The address behind `#`, where it does not follow from a link of the page before. */
  readonly at?: string;
  readonly height: number;
  readonly act: (page: Walker) => Promise<void>;
}

/** What a visitor does on a page. */
class Walker {
  readonly browser: Browser;

  constructor(browser: Browser) {
    this.browser = browser;
  }

  read<T = unknown>(expression: string): Promise<T> {
    return this.browser.read<T>(expression);
  }

  /** Presses the first that a selector finds, once it is there. */
  async click(selector: string): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(`${found} !== null`);
    await this.read(`${found}.click()`);
  }

  async put(selector: string, value: string): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(`${found} !== null`);
    await this.read(`(field => {
      field.value = ${JSON.stringify(value)};
      for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, { bubbles: true }));
    })(${found})`);
  }

  /** Waits until an expression of the page is true. @throws Error with it and the page's words after a minute */
  async until(expression: string): Promise<void> {
    const late = `new Promise(resolve => setTimeout(() => resolve(document.body.innerText), ${PATIENCE}))`;
    const look = `(async () => { while (!(${expression})) await new Promise(resolve => setTimeout(resolve, 15)); })()`;
    const words = await this.read<string | undefined>(`Promise.race([${look}, ${late}])`);
    if (words !== undefined)
      throw new Error(`pictures: studio: waited in vain for ${expression} on a page with\n${words}`);
  }

  /** Waits until all pictures of the page have arrived, and what moves stands. */
  async settle(): Promise<void> {
    const seen = `image.getBoundingClientRect().top < innerHeight`; // what lies lower is loaded when it is scrolled to
    await this.until(`[...document.images].every(image => image.complete || !(${seen}))`);
    await this.read(`new Promise(resolve => setTimeout(resolve, 700))`);
  }
}

const painted = (count: number) => `document.querySelectorAll('.paint-after button.paint-again').length === ${count}`;

/** The link of a card on the first page. @param part of the address, e.g. `/run/` */
const cardOf = (part: string, name: string) =>
  `[...document.querySelectorAll('a[href*="${part}"]')].find(link => link.innerText.includes(${JSON.stringify(name)}))`;

/** The pages in the order of a visit. @param run the run that is looked at, by its name */
function scenes(run: string): Scene[] {
  return [
    { name: 'home', at: '/', height: 900, act: page => page.until(`${cardOf('/run/', run)} !== undefined`) },
    {
      name: 'run',
      height: 1500,
      act: async page => {
        await page.read(`${cardOf('/run/', run)}.click()`);
        await page.until(`document.querySelector('figure img[data-key]')?.naturalWidth > 0`);
      },
    },
    {
      name: 'paint',
      height: 1150,
      act: async page => {
        await page.click('a[href*="/paint/"]');
        await page.put('#paint-captions', CAPTIONS.join('\n'));
        await page.put('#paint-count', '2');
        await page.click('button.main');
        await page.until(painted(1));
      },
    },
    {
      name: 'complete',
      height: 1400,
      act: async page => {
        await page.click('.paint-picture button');
        await page.until(`document.querySelector('.paint-mask img')?.naturalWidth > 0`);
        const [left, top, side] = await page.read<[number, number, number]>(`(() => {
          const box = document.querySelector('.paint-mask canvas').getBoundingClientRect();
          return [box.left, box.top, box.width];
        })()`);
        const at = (row: number, column: number) => [left + column * side, top + row * side] as const;
        await page.put('#paint-captions', 'green apple');
        await page.browser.drag(at(0.55, 0.1), at(0.55, 0.9), at(0.75, 0.9), at(0.75, 0.1), at(0.9, 0.5));
        await page.click('button.main');
        await page.until(painted(2));
        await page.click('#paint-heat');
      },
    },
    {
      name: 'data',
      at: '/data',
      height: 1000,
      act: async page => {
        await page.click('a[href^="#/data/"]');
        await page.put('#data-search', 'heart');
        await page.until(`/\\d+ of \\d+ found/.test(document.querySelector('main').innerText.replaceAll(',', ''))`);
      },
    },
    {
      name: 'picture',
      height: 1000,
      act: async page => {
        await page.read(`(select => {
          if (select === undefined) return;
          select.selectedIndex = [...select.options].findIndex(option => option.text.includes(${JSON.stringify(run)}));
          select.dispatchEvent(new Event('change', { bubbles: true }));
        })([...document.querySelectorAll('main select')].find(each => [...each.options].some(option => option.text.includes(${JSON.stringify(run)}))))`);
        await page.click('.data-cell');
        await page.until(`document.querySelector('dialog[open] img')?.naturalWidth > 0`);
      },
    },
    {
      name: 'compare',
      at: '/compare',
      height: 1500,
      act: async page => {
        await page.until(`document.querySelector('#compare-captions')?.value.includes('\\n')`);
        await page.read(`for (const box of document.querySelectorAll('.compare-form input[type=checkbox]')) {
          if (!box.checked && box.closest('label').innerText.includes('/')) box.click();
        }`);
        await page.put('#compare-captions', `${CAPTIONS.slice(0, 3).join('\n')}\n`);
        await page.read(`document.querySelector('.compare-form').requestSubmit()`);
        await page.until(`(({ length }) => length > 0 &&
          document.querySelectorAll('.compare-pick').length === 3 * length)(document.querySelectorAll('main table a'))`);
        // The first row's two ends are laid over each other.
        const picks = `document.querySelector('.compare-pick').closest('tr').querySelectorAll('.compare-pick')`;
        await page.read(`(picks => [picks[0], picks[picks.length - 1]].forEach(pick => pick.click()))(${picks})`);
      },
    },
    {
      name: 'trainings',
      at: '/trainings',
      height: 1100,
      act: page => page.until(`document.querySelector('form button.main') !== null`),
    },
    {
      name: 'study',
      at: '/',
      height: 1000,
      act: async page => {
        await page.click('a[href*="/study/"]');
        await page.until(`document.querySelector('.study-facts') !== null`);
      },
    },
    {
      name: 'take',
      height: 800,
      act: async page => {
        const address = await page.read<string>(`document.querySelector('a[target=_blank]').href`);
        await page.browser.open(address);
        await page.until(`document.querySelector('main') !== null`);
      },
    },
  ];
}

/** Starts the program and waits for the address that it prints. */
async function startStudio(folder: string, data: string): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, [PROGRAM, 'studio', folder, '--data', data, '--no-open', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const address = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const found = /http:\/\/127\.0\.0\.1:\d+\/\S*#key=[0-9a-f]+/.exec(text);
      if (found !== null) resolve(found[0]);
    });
    child.once('close', code => reject(new Error(`the studio ended with ${code}`)));
  });
  return { child, address };
}

/**
 * Takes the pictures.
 * @param options.folder runs, a study among them; @param options.data what they were trained on
 * @param options.run the name of the run that is looked at and painted with
 * @returns the files that were written
 */
export async function photographStudio(options: {
  readonly folder: string;
  readonly data: string;
  readonly run: string;
  readonly out: string;
}): Promise<string[]> {
  if (chromium === undefined)
    throw new UserError('pictures: studio', 'no chromium was found', 'apt-get install chromium');
  const { child, address } = await startStudio(options.folder, options.data);
  const [server, key] = address.split('#key=').map(part => part.replace(/&.*$/, ''));
  const room = await mkdtemp(join(tmpdir(), 'tessera-pictures-'));
  const written: string[] = [];
  const browser = await Browser.start();
  try {
    const page = new Walker(browser);
    for (const { name, at, height, act } of scenes(options.run)) {
      await browser.look({ width: WIDTH, height });
      if (at !== undefined) await browser.open(`${server}?${name}#key=${key}&to=${at}`);
      await act(page);
      for (const side of ['light', 'dark'] as const) {
        await browser.look({ width: WIDTH, height, isDark: side === 'dark' });
        await page.settle();
        await page.read('scrollTo(0, 0)');
        const shot = join(room, 'page.png');
        await browser.screenshot(shot);
        const path = join(options.out, `${name}-${side}.webp`);
        await writeAtomic(
          path,
          await sharp(await readFile(shot))
            .webp({ quality: 80 })
            .toBuffer(),
        );
        written.push(path);
      }
    }
  } finally {
    await browser.close();
    child.kill('SIGINT');
    await rm(room, { recursive: true, force: true });
  }
  return written;
}
