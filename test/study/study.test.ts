/** @file A study on the disk: blind, the same of the same seed, refused where it was changed; and its answers as they are collected. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { renderPage } from '../../src/report/page.ts';
import { AnswerBook, collectAnswers, resolveVotes } from '../../src/study/collect.ts';
import { describeStudy } from '../../src/study/describe.ts';
import { countTrials } from '../../src/study/design.ts';
import { leastAlike } from '../../src/study/material.ts';
import { mixUp } from '../../src/study/mixed.ts';
import { takePage } from '../../src/study/page/page.ts';
import { reportStudy, studyOfRuns } from '../../src/study/report-study.ts';
import { hashOf, readKey, readPictures, readStudy, studyPaths } from '../../src/study/study.ts';
import { four, reportOf } from '../report/synthetic.ts';
import { parse } from '../report/well-formed.ts';
import { answersOf, captions, makeSmallStudy, studyFolder, systemNames, writeSmallStudy } from './small-study.ts';

const folder = studyFolder();
const made = await writeSmallStudy(folder);
const { study, key } = made;
const paths = studyPaths(folder);

const lines = (values: readonly object[]) => values.map(value => `${JSON.stringify(value)}\n`).join('');
const kim = '00000000000000a1';
const lee = '00000000000000b2';

describe('a study', () => {
  test('is read as it was made, with all its pictures', async () => {
    expect(await readStudy(folder, 'study')).toEqual(study);
    expect(await readKey(folder, study)).toEqual(key);
    expect([...(await readPictures(folder, study)).keys()]).toEqual(study.pictures.map(({ id }) => id));
  });

  test('names no system in anything that people see', () => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const seen = [readFileSync(paths.study, 'utf8'), readFileSync(paths.page, 'utf8'), ...names];
    for (const pictured of study.pictures) seen.push(readFileSync(paths.picture(pictured.id), 'latin1'));
    for (const text of seen)
      for (const name of [...systemNames, 'nowhere', 'transformer']) expect(text).not.toContain(name);
    expect(readFileSync(paths.key, 'utf8')).toContain(systemNames[0]); // and they are found where they are
    expect(readFileSync(paths.page, 'utf8')).not.toMatch(/"(kind|seed)"/);
  });

  test('lists pictures in an order that says nothing', () => {
    const ids = study.pictures.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is the same of the same seed, to the byte', async () => {
    const again = await makeSmallStudy();
    expect([again.study, again.key]).toEqual([study, key]);
    for (const [id, bytes] of again.files) expect(Buffer.from(bytes)).toEqual(readFileSync(paths.picture(id)));
    expect(await takePage(again.study, again.files)).toBe(readFileSync(paths.page, 'utf8'));
    expect((await makeSmallStudy({ seed: 4 })).study.hash).not.toBe(study.hash);
  });

  test('has a hash over everything in it', () => {
    expect(study.hash).toBe(hashOf(study));
    expect(hashOf({ ...study, threshold: 0.5 })).not.toBe(study.hash);
    expect(hashOf({ ...study, pictures: study.pictures.slice(1) })).not.toBe(study.hash);
  });

  test('is refused where it was changed', async () => {
    const changed = studyFolder();
    const { study: own } = await writeSmallStudy(changed);
    const where = studyPaths(changed);
    writeFileSync(where.picture(own.pictures[0].id), 'another');
    await expect(readPictures(changed, own)).rejects.toThrow('expected the picture that the study was made with');
    writeFileSync(where.study, JSON.stringify({ ...own, threshold: 0.1 }));
    await expect(readStudy(changed, 'study')).rejects.toThrow('got another study under its hash');
    writeFileSync(where.study, JSON.stringify({ ...own, threshold: 2 }));
    await expect(readStudy(changed, 'study')).rejects.toThrow('wrote, got something else (threshold: ');
    await expect(readStudy(join(changed, 'x'), 'study')).rejects.toThrow('is no study');
    await expect(readKey(folder, { ...study, hash: '0'.repeat(64) })).rejects.toThrow("got another's");
  });
});

describe('answers', () => {
  const given = answersOf(made, { rater: kim, slot: 0, choose: () => 'left' });

  test('are collected, each once, and read again', async () => {
    const files = studyFolder();
    const [a, b] = [join(files, 'a.jsonl'), join(files, 'b.jsonl')];
    writeFileSync(a, lines(given));
    writeFileSync(b, `\n${lines(answersOf(made, { rater: lee, slot: 1, choose: () => 'tie' }).slice(0, 7))}\n`);
    expect(await collectAnswers(folder, study, [a])).toEqual({
      taken: 16,
      again: 0,
      raters: 1,
      finished: 1,
      leftOut: [],
    });
    expect(await collectAnswers(folder, study, [a, b])).toEqual({
      taken: 7,
      again: 16,
      raters: 2,
      finished: 1,
      leftOut: [],
    });
    expect(readdirSync(paths.answers)).toEqual([`${kim}.jsonl`, `${lee}.jsonl`]);
    expect((await AnswerBook.open(folder, study)).answers).toHaveLength(23);
  });

  test('that cannot be used are named, with their line, and the others taken', async () => {
    const own = studyFolder();
    const file = join(own, 'answers.jsonl');
    const [first, second, third, ...rest] = given;
    const bad = [
      { ...first, study: 'f'.repeat(64) },
      { ...first, slot: 500 },
      { ...first, left: ['abcdefabcdef'] },
      { ...first, left: second.left, right: second.right },
      { ...first, rater: '../../x' },
      { ...first, answer: 'both' },
    ];
    const other = { ...second, answer: second.answer === 'left' ? 'right' : 'left' };
    writeFileSync(file, `${lines(bad)}{"torn\n${lines([second, other, third, ...rest])}`);
    const { taken, leftOut, finished } = await collectAnswers(own, study, [file]);
    expect([taken, finished]).toEqual([15, 0]);
    expect(leftOut.map(line => line.replace(`${file}: `, ''))).toEqual([
      `1 of 23 lines is of another study`,
      'line 2 is a trial that is not in the study (session 501, trial 1)',
      'line 3 is a picture that is not in the study ("abcdefabcdef")',
      'line 4 is other pictures than trial 1 of session 1 shows',
      expect.stringMatching(/^line 5 is no answer \(rater: /),
      expect.stringMatching(/^line 6 is no answer \(answer: /),
      'line 7 is no JSON',
      `line 9 is another answer to trial 2 of ${kim}; the first stays`,
    ]);
    const alone = join(own, 'alone.jsonl');
    writeFileSync(alone, lines(bad.slice(0, 1)));
    await expect(collectAnswers(own, study, [alone])).rejects.toThrow(/got none \(.*all of it is of another study\)/);
  });

  test('of a person are those of one session', async () => {
    const own = studyFolder();
    const file = join(own, 'answers.jsonl');
    const elsewhere = answersOf(made, { rater: kim, slot: 2, choose: () => 'left' });
    writeFileSync(file, lines([given[0], elsewhere[1]]));
    expect((await collectAnswers(own, study, [file])).leftOut).toHaveLength(1);
  });

  test('become votes with names: whoever lies left and whatever the names of pictures are', () => {
    // A person who always takes the later system of the study's order.
    const later = study.slots[1].map(({ left, right = [] }): 'left' | 'right' => {
      const [l, r] = [left, right].map(([id]) => systemNames.indexOf(key.pictures[id].system as never));
      return l > r ? 'left' : 'right';
    });
    const votes = resolveVotes(answersOf(made, { rater: lee, slot: 1, choose: trial => later[trial] }), made);
    expect(votes).toHaveLength(16);
    const counted = votes.filter(({ kind }) => kind === 'vote');
    expect(counted).toHaveLength(countTrials(study).votes);
    for (const { a, b, choice, item, rater, milliseconds, trial } of counted) {
      expect(systemNames.indexOf(a as never)).toBeLessThan(systemNames.indexOf(b as never));
      expect(choice).toBe('b');
      expect(captions).toContain(item);
      expect([rater, milliseconds]).toEqual([lee, 1000 + trial]);
    }
    expect(new Set(counted.map(({ left }) => left))).toEqual(new Set(['a', 'b']));
    for (const { kind, right } of votes) expect(right).toBe(kind === 'catch' || kind === 'warmup' ? true : undefined);
  });

  test('of a repeat name the same pair on the other sides', () => {
    const votes = resolveVotes(answersOf(made, { rater: lee, slot: 1, choose: () => 'left' }), made);
    const repeat = votes.find(({ kind }) => kind === 'repeat');
    const first = votes.find(
      ({ kind, a, b, item, question }) =>
        kind === 'vote' && a === repeat?.a && b === repeat.b && item === repeat.item && question === repeat.question,
    );
    expect(repeat?.left).not.toBe(first?.left);
    expect(repeat?.choice).not.toBe(first?.choice);
  });

  test('of wrong control trials say so, and of single pictures whether they were called real', async () => {
    const own = studyFolder();
    const single = await makeSmallStudy({ questions: ['real'], cannotTell: false });
    const answers = answersOf(single, { rater: lee, slot: 0, choose: () => 'right' }).map(each => ({
      ...each,
      answer: 'right' as const,
    }));
    const votes = resolveVotes(answers, single);
    for (const { b, choice, left, kind, right } of votes) {
      expect([b, choice, left]).toEqual(['', 'b', 'a']);
      if (kind === 'catch' || kind === 'warmup') expect(typeof right).toBe('boolean');
    }
    const controls = votes.filter(({ kind }) => kind === 'warmup');
    expect(controls.map(({ right }) => right)).toEqual(
      single.study.slots[0].slice(0, 4).map(({ answer }) => answer === 'right'),
    );
    const file = join(own, 'tie.jsonl');
    writeFileSync(file, lines([{ ...answers[0], answer: 'tie' }]));
    await expect(collectAnswers(own, single.study, [file])).rejects.toThrow('"cannot tell", which could not be said');
  });
});

describe('a report', () => {
  const own = studyFolder();
  const made2 = { study: own, made: new Date(0) };

  test('asks for answers first', async () => {
    await writeSmallStudy(own);
    await expect(reportStudy(made2)).rejects.toThrow(`there are no answers in ${own} yet`);
  });

  test('is of the answers that are there, with names, and has a page of its own', async () => {
    const file = join(own, 'answers.jsonl');
    const all = [kim, lee].flatMap((rater, slot) => answersOf(made, { rater, slot, choose: () => 'tie' }));
    writeFileSync(file, lines(all));
    await collectAnswers(own, study, [file]);
    const { page, results } = await reportStudy(made2);
    expect(results.systems.map(({ name }) => name)).toEqual([...systemNames]);
    expect(results.raters).toMatchObject({ answered: 2, kept: 2, catches: 2, right: 2 });
    expect(results.questions.map(({ votes }) => votes)).toEqual([10, 10]);
    expect(results.study.captions).toBe(captions.length);
    expect(readFileSync(page, 'utf8')).toContain(systemNames[0]);
    writeFileSync(page, 'my own');
    await expect(reportStudy(made2)).rejects.toThrow('was not made by Tessera');
  });

  test('takes metrics of the same runs from a comparison, and of no others', async () => {
    rmSync(studyPaths(own).report);
    const comparison = join(own, 'comparison.json');
    const metric = (row: string, value: number) => ({ metric: 'kid', value, row, features: 'random' });
    const runs = systemNames
      .slice(0, 2)
      .map((name, i) => ({ run: `/nowhere/${name}`, name, metrics: [metric('samples', 2 + i), metric('floor', 1)] }));
    writeFileSync(comparison, JSON.stringify({ format: 'tessera-comparison-1', runs }));
    // Of two rivals and no anchors: too few for a correlation, and no error.
    expect((await reportStudy({ ...made2, metrics: comparison })).results.correlations).toEqual([]);
    writeFileSync(
      comparison,
      JSON.stringify({ format: 'tessera-comparison-1', runs: [{ ...runs[0], run: 'x', name: 'y' }] }),
    );
    await expect(reportStudy({ ...made2, metrics: comparison })).rejects.toThrow("compares none of the study's runs");
    writeFileSync(comparison, '{}');
    await expect(reportStudy({ ...made2, metrics: comparison })).rejects.toThrow(
      'expected the JSON that `tessera compare` writes',
    );
  });

  test('becomes a section of the page of a comparison, whose other runs are named', async () => {
    const asked = systemNames.slice(0, 2).map(name => `/nowhere/${name}`);
    const { section, unasked } = await studyOfRuns(own, [...asked, '/nowhere/other']);
    expect(unasked).toEqual(['/nowhere/other']);
    const page = renderPage(await reportOf(four), [section]);
    expect(parse(page.replace('<!DOCTYPE html>\n', '')).filter(name => name === 'section')).toHaveLength(10);
    expect(page).toContain('What 2 people said');
    await expect(studyOfRuns(own, ['/nowhere/other'])).rejects.toThrow('asked people about none of these runs');
  });
});

test('what can be shown is said before anyone is asked', () => {
  const said = describeStudy('studies/first', study, key).join('\n');
  expect(said).toContain(
    'a person has 12 trials, about 1 minute: 10 votes, 1 control trial (80% must be right) and 1 repeat',
  );
  // 10 votes for 2 questions of 3 pairs each: 5 votes of 3 people, all of which alike still happen by chance once in 16 times.
  expect(said).toContain('of each of 3 pairs under one question: 3 people (5 votes): nothing');
  // Between what 47 votes show (0.70) and what 85 do (0.65), by the formula for two shares.
  expect(Number(/30 people \(50 votes\): a share of (0\.\d\d)/.exec(said)?.[1])).toBeCloseTo(0.7, 1);
});

test('a mismatch is the caption with fewest words in common', () => {
  expect(leastAlike(['red cat', 'red dog', 'blue bird', 'blue cat'])).toEqual([2, 2, 0, 1]);
  expect(leastAlike(['one'])).toEqual([0]);
});

test('a mixed-up picture has the same colours in other places, and noise', () => {
  const size = 16;
  const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => Math.floor((i / 3 / size / 4) | 0) * 50 + 50);
  const mixed = mixUp({ width: size, height: size, data }, new Random(1));
  expect(mixed.data.length).toBe(data.length);
  const mean = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
  expect(Math.abs(mean(mixed.data) - mean(data))).toBeLessThan(8);
  const moved = data.filter((byte, i) => Math.abs(byte - mixed.data[i]) > 10).length;
  expect(moved / data.length).toBeGreaterThan(0.6);
});
