/** @file The page: well-formed, holding the numbers it was given, and nothing that it would have to load. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../src/report/contents.ts';
import { renderPage } from '../../src/report/page.ts';
import { captions, four, reportOf } from './synthetic.ts';
import { parse } from './well-formed.ts';

let report: Report;
let page: string;
beforeAll(async () => {
  report = await reportOf(four);
  page = renderPage(report);
});

/** Without the pictures, whose bytes may spell anything. */
function withoutPictures(text: string): string {
  return text.replaceAll(/data:image\/png;base64,[^"]*/g, 'data:');
}

/** The text of a part of the page. */
function textOf(id: string): string {
  const from = page.indexOf(`<section id="${id}">`);
  return page
    .slice(from, page.indexOf('</section>', from))
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

describe('the page', () => {
  test('is well-formed', () => {
    expect(() => parse('<p><b></p></b>')).toThrow();
    expect(() => parse('<p>a & b</p>')).toThrow();
    const names = parse(page.replace('<!DOCTYPE html>\n', ''));
    expect(names.filter(name => name === 'section')).toHaveLength(9);
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target);
  });

  test('names nothing outside itself', () => {
    expect(page.match(/\b(src|href|action)="(?!data:image\/png;base64,|#)/g)).toBeNull();
    expect(page.match(/@import|url\(|<script|<link|<iframe/g)).toBeNull();
    expect([...new Set(page.match(/https?:\/\/[^"\s]+/g))]).toEqual(['http://www.w3.org/2000/svg']);
    expect(page).toContain('default-src &#39;none&#39;');
  });

  test('holds the captions as they are, not as markup', () => {
    expect(page).not.toContain('<b>&');
    for (const caption of captions) {
      const escaped = caption.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
      expect(page).toContain(escaped.replaceAll('"', '&quot;').replaceAll("'", '&#39;'));
    }
  });

  test('gives every picture a size and words', () => {
    const images = page.match(/<img [^>]*>/g) ?? [];
    // 6 captions x (real, tokenizer and 2 by each of 4 runs), and 16 pairs of nearest images for each run
    expect(images).toHaveLength(6 * (2 + 4 * 2) + 4 * 16 * 2);
    for (const image of images) expect(image).toMatch(/ alt="[^"]{4,}" width="\d+" height="\d+"/);
    for (const [svg] of page.matchAll(/<svg class="chart"[^>]*>/g))
      expect(svg).toMatch(/role="img" aria-label="[^"]{4,}"/);
  });

  test('shows the budget that was counted', () => {
    const text = textOf('budget');
    expect(text).toContain('8.30 M + 200 k in training 5,000 160 k 18 min 20 s');
    expect(text.replaceAll('\u00a0', ' ')).toContain(
      'patch tokenizer 1 min 40 s + transformer 16 min 40 s 703 TFLOP 64 21.3',
    );
    expect(text).toContain('R1 2, R2 2');
  });

  test('shows results with their intervals, floor and reconstruction, and why there is none', () => {
    const text = textOf('metrics');
    expect(text).toContain(
      '12.1 [10.6, 13.6] 210.0 [208.5, 211.5] 18.1 [16.6, 19.6] 10.7 [9.2, 12.2] 3.1 [2.2, 4.0] 0.2 [−0.6, 1.0]',
    );
    expect(text).toContain('a GAN has no likelihood');
    expect(page).not.toContain('class="best"'); // diffusion and tokens overlap in every metric
  });

  test('marks a best that is clear', async () => {
    const clear = four.map(course => (course.name === 'diffusion' ? { ...course, kid: 0.002 } : course));
    const marked = renderPage(await reportOf(clear)).match(/class="best"><b>[^<]*/g);
    expect(marked).toEqual(['class="best"><b>2.0', 'class="best"><b>1.8']); // KID and the Fréchet distance
  });

  test('says what became of every run', () => {
    const text = textOf('stability');
    expect(text).toContain('dcgan DCGAN 0.0002 collapsed coverage rule, step 3,500 20 looks at samples');
    expect(text).toContain('tokens transformer 0.006 stable – 20 looks at samples, 20 validation losses');
    expect(textOf('losses')).toContain('A GAN’s loss is no measure of progress'.replace('A GAN', 'a GAN'));
  });

  test('is made from what the JSON holds, and from nothing else', () => {
    expect(renderPage(JSON.parse(JSON.stringify(report)) as Report)).toBe(page);
  });
});

describe('a page of a run that nobody measured', () => {
  test('says for each part what is missing, and the command that fills it', async () => {
    const [run] = report.runs;
    const bare = {
      ...run,
      parameters: null,
      stages: [],
      checks: [],
      metrics: [],
      progress: [],
      sampling: null,
      nearest: null,
    };
    const verdict = { kind: 'unchecked' as const, rule: null, step: null, checks: 0, validations: 0 };
    const empty = renderPage({
      ...report,
      runs: [{ ...bare, verdict }],
      grid: null,
      data: null,
      backend: null,
      findings: [],
    });
    parse(empty.replace('<!DOCTYPE html>\n', ''));
    expect(empty).toContain('<code>tessera eval --run runs/tokens --data DATA --num-images 256</code>');
    expect(empty).toContain('<code>tessera train --check-samples 128</code>');
    expect(empty).toContain('<code>--data</code>');
    expect(empty).toContain('not checked');
    expect(withoutPictures(empty)).not.toMatch(/NaN|undefined|Infinity/);
  });
});

test('a page of many seeds has one line a family, with a band', async () => {
  const seeds = four.flatMap(course => [0, 1, 2].map(seed => ({ ...course, seed, name: `${course.name}-${seed}` })));
  const many = renderPage(await reportOf(seeds));
  parse(many.replace('<!DOCTYPE html>\n', ''));
  const charts = [...many.matchAll(/<svg class="chart"[^>]*aria-label="KID[^"]*against[^"]*"[\s\S]*?<\/svg>/g)];
  expect(charts).toHaveLength(3);
  for (const [chart] of charts) {
    expect(chart.match(/<path class="line tone-\w+ dash-\d" /g)).toHaveLength(4);
    expect(chart.match(/<path class="line [^"]* thin" /g)).toHaveLength(3); // those by themselves
    expect(chart.match(/<polygon class="band /g)).toHaveLength(4);
    expect(chart.match(/<path class="cross /g)).toHaveLength(3); // of the three runs that collapsed
  }
  expect(withoutPictures(many)).not.toMatch(/NaN|undefined|Infinity/);
});
