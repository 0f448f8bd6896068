/** @file The loop that damages runs: what it draws, what it calls a failure, and some mutations of every file, which must pass. */
import { describe, expect, test } from 'vitest';
import { mutateRuns, whyFailed } from '../../scripts/mutate/mutate.ts';
import { damage, type FileKind } from '../../scripts/mutate/mutations.ts';
import { Random } from '../../src/core/random.ts';
import { encodeSafetensors } from '../../src/io/safetensors.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const weights = new Uint8Array(
  Buffer.concat(encodeSafetensors(new Map([['w', { dtype: 'F32', shape: [64], data: new Float32Array(64) }]]))),
);
const sound: Record<FileKind, Uint8Array> = {
  json: encode('{"model":{"width":8,"name":"x"},"list":[1,2,3]}'),
  lines: encode('{"step":1}\n{"step":2}\n'),
  safetensors: weights,
};

describe('damage', () => {
  test.each(Object.keys(sound) as FileKind[])(
    'to %s depends on the seed alone, and leaves the bytes as they were',
    kind => {
      const before = sound[kind].slice();
      const drawn = (seed: number) =>
        Array.from({ length: 200 }, (_, i) => damage(sound[kind], kind, new Random(seed).fork('file', i)));
      const first = drawn(1);
      expect(drawn(1)).toEqual(first);
      expect(drawn(2)).not.toEqual(first);
      expect(sound[kind]).toEqual(before);
      expect(new Set(first.map(({ what }) => what)).size).toBeGreaterThan(60);
      const same = first.filter(one => 'bytes' in one && Buffer.compare(one.bytes, before) === 0);
      expect(same.length).toBeLessThan(60);
    },
  );

  test('puts every kind of value and no file at all in the place of what was there', () => {
    const all = Array.from({ length: 2000 }, (_, i) => damage(sound.json, 'json', new Random(3).fork('file', i)));
    const texts = all.flatMap(one => ('bytes' in one ? new TextDecoder().decode(one.bytes) : []));
    for (const part of ['NaN', '1e+308', '-1', '""', '[]', '{}', '[[[[', '__proto__', 'a'.repeat(1000)]) {
      expect([part, texts.some(text => text.includes(part))]).toEqual([part, true]);
    }
    const places = new Set(all.flatMap(one => ('place' in one ? one.place : [])));
    expect([...places].sort()).toEqual(['dangling', 'fifo', 'folder', 'loop']);
  });
});

describe('a failure', () => {
  const ended = (code: number, ...errors: string[]) => whyFailed({ id: 0, code, errors, peak: 0 });
  test('is all but work that was done, work that was stopped, and a refusal in one line', () => {
    expect(ended(0)).toBeUndefined();
    expect(ended(143, 'stopped by SIGTERM\n')).toBeUndefined();
    expect(ended(2, 'config.json: expected JSON\n')).toBeUndefined();
    expect(ended(2, 'said before\nat length\n', 'config.json: expected JSON\n', '  hint: mend it\n')).toBeUndefined();
    expect(ended(1, 'Error: x\n    at y\n')).toMatch('exit code 1: Error: x');
    expect(ended(2, 'one\ntwo\n')).toMatch('not one line');
    expect(ended(2, 'a \u001b[31mred line\n')).toMatch('not one line');
    expect(ended(2, `${'x'.repeat(5000)}\n`)).toMatch('not one line');
    expect(ended(2)).toMatch('not one line');
    expect(whyFailed({ failure: 'took more than 30 s' })).toBe('took more than 30 s');
  });
});

test('some mutations of every file of a run: used or refused', async () => {
  const tallies = await mutateRuns({ count: 3, seed: 1, jobs: 1, file: 'transformer/', execArgv: ['--import', 'tsx'] });
  expect(tallies.flatMap(({ failures }) => failures)).toEqual([]);
  expect(tallies.length).toBeGreaterThan(15);
  // What all three runs have is tried once in each, what two have twice, what this one alone has three times.
  for (const { target, used, refused } of tallies) {
    expect([target, used + refused]).toEqual([
      target,
      /patch|codes/.test(target) ? 3 : target.includes('best') ? 2 : 1,
    ]);
  }
});
