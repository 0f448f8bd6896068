/** @file Which of the pictures that a training writes are named. */
import { expect, test } from 'vitest';
import { PictureLines } from '../../src/runs/training/picture-lines.ts';
import { quietSession } from './quiet-session.ts';

function linesAt() {
  let time = 0;
  const session = quietSession({ now: () => time });
  const lines = new PictureLines(session);
  const wrote = (seconds: number, step: number, path = 'samples.png') => {
    time = 1000 * seconds;
    lines.wrote(step, path);
  };
  return { lines, wrote, said: session.said };
}

test('of many within a minute the first, one every ten seconds, and the last are named', () => {
  const { lines, wrote, said } = linesAt();
  for (const seconds of [0, 4, 8, 12, 16, 20, 24, 25]) wrote(seconds, seconds + 1);
  expect(said).toEqual(['step 1: wrote samples.png', 'step 13: wrote samples.png', 'step 25: wrote samples.png']);
  lines.end();
  expect(said.slice(3)).toEqual(['step 26: wrote samples.png']);
  lines.end();
  expect(said).toHaveLength(4);
});

test('in a long training every one is, and none twice', () => {
  const { lines, wrote, said } = linesAt();
  for (const minutes of [0, 1, 2]) wrote(60 * minutes, minutes);
  lines.end();
  expect(said).toEqual([0, 1, 2].map(step => `step ${step}: wrote samples.png`));
});

test('each picture by itself, and those of another stage anew', () => {
  const { lines, wrote, said } = linesAt();
  wrote(0, 10, 'reconstructions.png');
  wrote(1, 10, 'samples.png');
  wrote(2, 20, 'samples.png');
  lines.end();
  wrote(3, 1, 'samples.png');
  expect(said).toEqual([
    'step 10: wrote reconstructions.png',
    'step 10: wrote samples.png',
    'step 20: wrote samples.png',
    'step 1: wrote samples.png',
  ]);
});
