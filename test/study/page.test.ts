/**
 * @file The page of a study without a browser: what its policy lets in, text that would break out of it, words in place of its own, and
 * what it keeps of one person's answers, run as the browser runs it.
 */
import { createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { makeTakePage } from '../../src/study/page/page.ts';
import { wordingOf } from '../../src/study/wording.ts';
import { makeSmallStudy } from './small-study.ts';

const made = await makeSmallStudy();
const { study, files } = made;

const inside = (markup: string, tag: string) =>
  [...markup.matchAll(new RegExp(`<${tag}([^>]*)>([\\s\\S]*?)</${tag}>`, 'g'))].map(([, attributes, text]) => ({
    attributes,
    text,
  }));

describe('the page', () => {
  test('lets in its own scripts and style, by their hashes, and pictures that it holds', async () => {
    const { markup, policy } = await makeTakePage(study, files);
    const hash = ({ text }: { text: string }) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const scripts = inside(markup, 'script').filter(({ attributes }) => attributes === '');
    expect(scripts).toHaveLength(3);
    expect(policy).toBe(
      `default-src 'none'; img-src data:; script-src ${scripts.map(hash).join(' ')}; style-src ${inside(markup, 'style').map(hash)}; base-uri 'none'; form-action 'none'`,
    );
    expect(markup).not.toMatch(/https?:\/\/|\son\w+=|\sstyle=/);
    expect((await makeTakePage(study, files, { post: '/answers' })).policy).toContain("connect-src 'self'");
  });

  test('holds every picture once, and what is asked', async () => {
    const { markup } = await makeTakePage(study, files);
    const data = inside(markup, 'script').filter(({ attributes }) => attributes.includes('json'));
    const [asked, pictures] = data.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
    expect(Object.keys(pictures).sort()).toEqual(study.pictures.map(({ id }) => id));
    expect(asked).toMatchObject({ hash: study.hash, slots: study.slots, post: null });
    expect(Object.keys(asked)).not.toContain('seed');
  });

  test('shows text that looks like markup as text', async () => {
    const bad = '</script><script>alert(1)</script><!--';
    const captions = study.captions.map(() => bad);
    const { markup } = await makeTakePage({ ...study, captions, wording: { ...study.wording, title: bad } }, files);
    expect(inside(markup, 'script')).toHaveLength(5);
    expect(markup).not.toContain('<script>alert');
  });

  test('says what it is told to, asks of sets in the plural, and refuses words that it has not', () => {
    expect(wordingOf({}, { images: 1 }).questions.fits.ask).toBe('Which picture fits this description better?');
    expect(wordingOf({}, { images: 4 }).questions.fits.ask).toBe('Which pictures fit this description better?');
    const other = wordingOf({ questions: { fits: { ask: 'Welches passt?' } } }, { images: 4 });
    expect([other.questions.fits.ask, other.questions.finished.ask]).toEqual([
      'Welches passt?',
      'Which pictures look more finished?',
    ]);
    expect(() => wordingOf({ titel: 'x' } as never, { images: 1 })).toThrow();
  });
});

/** What answers.js has, where there are a store and an address. */
interface Script {
  readonly slotAsked: (fragment: string, slots: number) => number | undefined;
  readonly Answers: new (
    asked: object,
    store: object | undefined,
    fragment: string,
  ) => {
    readonly kept: { rater: string; slot: number; given: object[] };
    readonly isKept: boolean;
    readonly place: number;
    readonly isFinished: boolean;
    readonly file: { name: string; text: string };
    add(answer: string, circumstances: object): void;
    unsent(most: number): object[];
    markSent(count: number): void;
  };
}
const source = readFileSync(fileURLToPath(new URL('../../src/study/page/browser/answers.js', import.meta.url)), 'utf8');
const script = runInNewContext(`${source}; ({ slotAsked, Answers })`, { crypto: webcrypto }) as Script;

/** A browser's store. */
function makeStore() {
  const values = new Map<string, string>();
  return {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
  };
}

describe('what the page keeps', () => {
  const some = { ms: 900, focusLost: 0, paused: 0, viewport: [1, 1], devicePixelRatio: 1, device: 'desktop' };
  const asked = { ...study, post: null };

  test('is there again after a reload, of this study alone', () => {
    const store = makeStore();
    const first = new script.Answers(asked, store, '');
    first.add('left', some);
    first.add('tie', some);
    first.markSent(1);
    const again = new script.Answers(asked, store, '');
    expect([again.kept.rater, again.kept.slot, again.place]).toEqual([first.kept.rater, first.kept.slot, 2]);
    expect(again.unsent(10)).toHaveLength(1);
    expect(
      again.file.text
        .trimEnd()
        .split('\n')
        .map(line => (JSON.parse(line) as { answer: string }).answer),
    ).toEqual(['left', 'tie']);
    const other = new script.Answers({ ...asked, hash: 'f'.repeat(64) }, store, '');
    expect([other.place, other.kept.rater === first.kept.rater]).toEqual([0, false]);
  });

  test('is nothing where the browser forbids it, and the session goes on', () => {
    const forbidding = {
      getItem: () => {
        throw new Error('no');
      },
      setItem: () => {
        throw new Error('no');
      },
    };
    for (const store of [undefined, forbidding]) {
      const answers = new script.Answers(asked, store, '');
      for (let i = 0; i < 16; i++) answers.add('left', some);
      expect([answers.isKept, answers.isFinished]).toEqual([false, true]);
    }
  });

  test('is of the slot that the address asks for', () => {
    const store = makeStore();
    const third = new script.Answers(asked, store, '#rater=3');
    third.add('left', some);
    expect(third.kept.slot).toBe(2);
    expect(new script.Answers(asked, store, '#rater=4').place).toBe(0);
    expect(new script.Answers(asked, store, '#rater=3').place).toBe(1);
    const slots = study.slots.length;
    expect(
      ['#rater=1', `#rater=${slots + 1}`, '#k=1&rater=2', '#rater=0', '#rater=x', ''].map(each =>
        script.slotAsked(each, slots),
      ),
    ).toEqual([0, 0, 1, undefined, undefined, undefined]);
  });

  test('begins anew where it is damaged', () => {
    const store = makeStore();
    const first = new script.Answers(asked, store, '');
    for (const damaged of [
      '{',
      '{}',
      'null',
      JSON.stringify({ ...first.kept, slot: 999 }),
      JSON.stringify({ ...first.kept, given: [{ study: 'x' }] }),
    ]) {
      store.setItem(`tessera-study-${study.hash.slice(0, 16)}`, damaged);
      const again = new script.Answers(asked, store, '');
      expect([again.place, again.kept.rater]).toEqual([0, expect.stringMatching(/^[0-9a-f]{16}$/)]);
    }
  });
});
