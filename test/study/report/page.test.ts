/** @file What a study's page and its lines say. */
import { describe, expect, test } from 'vitest';
import { analyseStudy } from '../../../src/study/report/analyse.ts';
import { studyLines } from '../../../src/study/report/lines.ts';
import { studyPage, studySection } from '../../../src/study/report/page.ts';
import type { StudyResults } from '../../../src/study/report/results.ts';
import { parse } from '../../report/well-formed.ts';
import { simulateVotes, study } from './simulated.ts';

const hostile = {
  ...study,
  wording: { ...study.wording, title: '<script>alert(1)</script>', intro: 'You & <b>I</b>' },
};
const results = analyseStudy(hostile, simulateVotes({ raters: 7, careless: 2 }), {
  resamples: 100,
  metrics: [{ metric: 'kid', features: 'random', values: { tokens: 0.01, diffusion: 0.02, copy: 0.003 } }],
});
const options = { made: new Date('2026-11-30T10:00:00Z'), command: 'tessera study report studies/first' };
const page = studyPage(results, options);
const plain = page.replaceAll(/<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ');

describe('the page of a study', () => {
  test('is well-formed, and names nothing outside itself', () => {
    parse(page.replace('<!DOCTYPE html>\n', ''));
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(ids).toEqual(['findings', 'question-fits', 'question-real', 'raters', 'answers', 'metrics', 'method']);
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target);
    expect(page.match(/\b(src|action)=|<script|<link|<iframe|url\(/g)).toBeNull();
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('You &amp; &lt;b&gt;I&lt;/b&gt;');
  });

  test('says what its numbers say', () => {
    const [fits] = results.questions;
    const pair = fits.pairs[0];
    const percent = (share: number) => Math.round(100 * share);
    expect(plain).toContain(`${percent(pair.share)} % [${percent(pair.low)}, ${percent(pair.high)}]`);
    expect(plain).toContain(`${pair.wins} : ${pair.losses}`);
    expect(plain).toContain('7 people answered; 2 with less than 80 % of control trials right were left out');
    expect(plain).toContain('rater6 3 of 5');
    expect(plain).toContain('the tokenizer’s copies');
    expect(plain).toContain(
      'over 3 systems: rank correlation 1.0; a chance order is as far from 0 with probability 0.33',
    );
    expect(plain).toContain('You may stop at any time.');
  });

  test('is made from what the JSON holds', () => {
    expect(studyPage(JSON.parse(JSON.stringify(results)) as StudyResults, options)).toBe(page);
  });

  test('is there where nobody is counted', () => {
    const none = analyseStudy(study, simulateVotes({ raters: 2, careless: 2 }), { resamples: 100 });
    const empty = studyPage(none, options);
    parse(empty.replace('<!DOCTYPE html>\n', ''));
    expect(empty).toContain('Nobody is counted, so that nothing was shown');
    expect(`${page}${empty}${studyLines(none).join()}`).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('has a section for another page', () => {
    const section = studySection(results);
    expect(section.title).toBe('What 5 people said');
    expect(parse(`<div>${section.body.markup}</div>`)).toContain('svg');
  });
});

describe('the lines of a study', () => {
  test('say the same, without markup', () => {
    const lines = studyLines(results);
    expect(lines[0]).toBe('Which picture fits better? (100 votes, 5 raters, 20 captions)');
    expect(lines.join('\n')).not.toMatch(/<[a-z]/);
    for (const line of lines.filter(line => line.startsWith('  ') && line.endsWith('.'))) {
      expect(plain).toContain(line.trim().replaceAll('&', '&amp;'));
    }
  });

  test('say of one rater that nothing is known of others, and of three that they are few', () => {
    const one = studyLines(
      analyseStudy(study, simulateVotes({ raters: 1, systems: ['tokens', 'diffusion'] }), { resamples: 100 }),
    );
    expect(one.join('\n')).toContain('One rater: what is said here is what this person prefers');
    expect(one.join('\n')).toContain('No two raters judged the same pictures');
    const three = studyLines(analyseStudy(study, simulateVotes({ raters: 3 }), { resamples: 100 })).join('\n');
    expect(three).toContain('3 raters are few');
  });

  test('of two systems name the winner, or say that none was shown', () => {
    const two = { systems: ['tokens', 'real'], questions: ['fits'] };
    const clear = studyLines(analyseStudy(study, simulateVotes({ ...two, raters: 8 }), { resamples: 100 })).join('\n');
    expect(clear).toMatch(
      /Real pictures over tokens in \d+ % \[\d+, \d+\] of 160 votes of 8 raters on 20 captions \(p below 0.001\)\./,
    );
    const guessing = analyseStudy({ ...study, threshold: 0 }, simulateVotes({ ...two, raters: 8, careless: 8 }), {
      resamples: 100,
    });
    expect(studyLines(guessing).join('\n')).toMatch(/no preference was shown \(p 0\.\d+\)\./);
  });
});
