/** @file The command that a comparison says it can be made again by. */
import { expect, test } from 'vitest';
import { type CompareRequest, commandOf } from '../../src/runs/compare.ts';

const request: CompareRequest = {
  runs: ['runs/a', 'runs/b c'],
  out: 'page.html',
  made: new Date(0),
  metrics: ['kid', 'prdc'],
  features: ['random'],
  reference: 1000,
  numImages: 16,
  seed: 0,
  backend: 'auto',
  precision: 'auto',
};

test('leaves out what is so anyway', () => {
  expect(commandOf(request)).toBe("tessera compare runs/a 'runs/b c' --num-images 16 --seed 0 --out page.html");
});

test('has all that was asked for', () => {
  const asked = {
    data: 'data',
    format: 'coco',
    captions: ['a', 'b c'],
    weights: 'best',
    backend: 'native',
    precision: 'fp32',
    threads: 2,
  } as const;
  expect(commandOf({ ...request, ...asked })).toBe(
    "tessera compare runs/a 'runs/b c' --data data --format coco --metrics kid,prdc --features random --reference 1000 --captions 'a|b c' --num-images 16 --seed 0 --weights best --backend native --precision fp32 --threads 2 --out page.html",
  );
});
