/** @file Waiting for a turn, hearing of a painting late, and making way for trainings: without a painter. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { takeLock } from '../../../../src/io/lock.ts';
import { runPaths } from '../../../../src/io/runfolder.ts';
import { Slots } from '../../../../src/web/page/slots.ts';
import { Job } from '../../../../src/web/studio/paint/jobs.ts';
import { politenessBeside } from '../../../../src/web/studio/paint/politeness.ts';
import { Turns } from '../../../../src/web/studio/paint/turns.ts';
import { temporaryFolder } from '../../../cli/program.ts';

/** Work that ends when it is told to. */
function held(): { readonly work: () => Promise<void>; readonly end: () => void; readonly begun: () => boolean } {
  let begun = false;
  let end = () => {};
  const over = new Promise<void>(resolve => {
    end = resolve;
  });
  const work = () => {
    begun = true;
    return over;
  };
  return { work, end, begun: () => begun };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

describe('turns', () => {
  test('come one after another, and who waits hears how many are before', async () => {
    const turns = new Turns();
    const works = [held(), held(), held(), held()];
    const stops = works.map(() => new AbortController());
    const heard: number[][] = works.map(() => []);
    const ends = works.map(({ work }, i) =>
      turns.take(work, { signal: stops[i].signal, onPosition: before => heard[i].push(before) }).then(
        () => `${i} done`,
        (error: Error) => `${i} ${error.message}`,
      ),
    );
    await settled();
    expect(works.map(({ begun }) => begun())).toEqual([true, false, false, false]);
    expect(heard).toEqual([[], [1], [2], [3]]);
    stops[1].abort(new Error('left'));
    await settled();
    expect(heard).toEqual([[], [1], [2, 1], [3, 2]]);
    works[0].end();
    await settled();
    expect(works.map(({ begun }) => begun())).toEqual([true, false, true, false]);
    works[2].end();
    works[3].end();
    expect(await Promise.all(ends)).toEqual(['0 done', '1 left', '2 done', '3 done']);
    expect(heard[3]).toEqual([3, 2, 1]);
    expect(turns.length).toBe(0);
  });

  test('go on after work that fails', async () => {
    const turns = new Turns();
    const { signal } = new AbortController();
    const fails = turns.take(() => Promise.reject(new Error('no')), { signal });
    const next = turns.take(async () => 'next', { signal });
    await expect(fails).rejects.toThrow('no');
    expect(await next).toBe('next');
  });
});

test('who listens late to a painting hears what still matters, and then what others hear', () => {
  const job = new Job({ run: '', captions: ['a'], seed: 0, numImages: 2 });
  job.tell('queued', { position: 1 });
  job.tell('started', { polite: null });
  job.tell('tiles', { image: 0, png: 'first' });
  job.tell('tiles', { image: 1, png: 'other' });
  job.tell('tiles', { image: 0, png: 'second' });
  const late: string[] = [];
  job.listen((name, data) => late.push(`${name} ${JSON.stringify(data)}`));
  expect(late).toEqual([
    'started {"polite":null}',
    'tiles {"image":0,"png":"second"}',
    'tiles {"image":1,"png":"other"}',
  ]);
  job.tell('failed', { message: 'no', cancelled: false });
  job.tell('tiles', { image: 0, png: 'after the end' });
  expect(late.slice(3)).toEqual(['failed {"message":"no","cancelled":false}']);
  const after: string[] = [];
  job.listen(name => after.push(name));
  expect(after).toEqual(['failed']);
});

test('slots let a few begin, and the next when one has left', () => {
  const slots = new Slots(2);
  const leaves: (() => void)[] = [];
  for (let i = 0; i < 4; i++) slots.take(leave => leaves.push(leave));
  expect(leaves).toHaveLength(2);
  leaves[0]();
  leaves[0](); // twice is once
  expect(leaves).toHaveLength(3);
  leaves[1]();
  expect(leaves).toHaveLength(4);
});

describe('beside a training', () => {
  const folder = temporaryFolder();
  const place = (name: string) => ({ id: name, name, path: name, folder: join(folder, name) });

  test('painting takes one thread, and leaves the GPU to a training that has it', async () => {
    const runs = ['still', 'first', 'second'].map(place);
    for (const run of runs) mkdirSync(join(run.folder, 'state'), { recursive: true });
    expect(await politenessBeside(runs)).toEqual({ sparesGpu: false, why: null });
    const first = await takeLock(runPaths(runs[1].folder).lock);
    writeFileSync(runPaths(runs[1].folder).engine, '{"backend":"native","precision":"bf16"}');
    expect(await politenessBeside(runs)).toEqual({
      ...{ threads: 1, sparesGpu: false },
      why: 'first is being trained: this paints on one thread',
    });
    const second = await takeLock(runPaths(runs[2].folder).lock);
    writeFileSync(runPaths(runs[2].folder).engine, '{"backend":"webgpu","precision":"f16"}');
    expect(await politenessBeside(runs)).toEqual({
      ...{ threads: 1, sparesGpu: true },
      why: 'first and 1 more are being trained: this paints on one thread of the processor, and leaves the GPU to it',
    });
    await first.release?.();
    await second.release?.();
    expect((await politenessBeside(runs)).threads).toBeUndefined();
  });
});
