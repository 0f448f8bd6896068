/** @file The way between pictures: where keyframes fall among the frames, and how noise moves. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import '../../src/families/families.ts';
import { checkConfig } from '../../src/families/config.ts';
import { framesOf, slerp } from '../../src/families/interpolation.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { expectAllclose } from '../support.ts';

describe('slerp', () => {
  test('moves along the arc by the angle', () => {
    const [a, b] = [Float32Array.of(2, 0), Float32Array.of(0, 2)];
    for (const share of [0, 0.25, 0.5, 1]) {
      const angle = (share * Math.PI) / 2;
      expectAllclose(slerp([a, b], share), [2 * Math.cos(angle), 2 * Math.sin(angle)], { absolute: 1e-6 });
    }
  });

  test('keeps the length of noise, which a straight way would not', () => {
    const [a, b] = [1, 2].map(stream => new Random(3, stream).normals(3072));
    const length = (x: Float32Array) => Math.hypot(...x);
    const between = [length(a), length(b)].sort();
    const half = length(slerp([a, b], 0.5));
    expect(half).toBeGreaterThan(between[0] * 0.999);
    expect(half).toBeLessThan(between[1] * 1.001);
    expect(length(a.map((value, i) => (value + b[i]) / 2))).toBeLessThan(0.75 * half);
  });

  test('is a copy of equal vectors, and straight where there is no angle', () => {
    const a = new Random(1).normals(7);
    const same = slerp([a, a.slice()], 0.3);
    expect([...same]).toEqual([...a]);
    expect(same).not.toBe(a);
    expectAllclose(slerp([Float32Array.of(1, 1), Float32Array.of(3, 3)], 0.25), [1.5, 1.5]);
    expectAllclose(slerp([Float32Array.of(0, 0), Float32Array.of(3, 4)], 0.5), [1.5, 2]);
  });
});

describe('frames', () => {
  const painter = { config: checkConfig(resolveConfig({ fields: { family: 'dcgan' } })), imageSize: 16 };
  const keyframes = ['a', 'b', 'c'].map((caption, seed) => ({ caption, seed }));
  /** `a0`: a keyframe with its seed; `a>b 0.5`: between two. */
  const told = (frames: number, loop: boolean) =>
    framesOf(painter, keyframes, { frames, loop }).map(({ caption, seed, towards }) =>
      towards === undefined ? `${caption}${seed}` : `${caption}>${towards.order.caption} ${towards.share}`,
    );

  test('pass every keyframe, evenly', () => {
    expect(told(5, false)).toEqual(['a0', 'a>b 0.5', 'b1', 'b>c 0.5', 'c2']);
    expect(told(4, false)).toEqual(['a0', 'a>b 0.5', 'b1', 'c2']);
    expect(told(3, false)).toEqual(['a0', 'b1', 'c2']);
  });

  test('go back to the first without showing it again', () => {
    expect(told(6, true)).toEqual(['a0', 'a>b 0.5', 'b1', 'b>c 0.5', 'c2', 'c>a 0.5']);
  });

  test.each([
    [[{ caption: 'a' }], { frames: 9 }, /keyframes: expected an array of at least 2 keyframes.*, got 1/],
    [keyframes, { frames: 2 }, /frames: expected a whole number from 3 to 10000, got 2/],
    [keyframes, { frames: 3, loop: true }, /frames: expected a whole number from 4 to 10000, got 3/],
    [[{ caption: '' }, { caption: 'a' }], { frames: 9 }, /nothing lies between a caption and none/],
    [keyframes, { frames: 9, cfgScale: 2 }, /cfgScale: expected none with a dcgan run/],
    [[{ caption: 'a', seed: -1 }, { caption: 'b' }], { frames: 9 }, /seed: expected a whole number from 0/],
  ])('refuses %j with %j', (asked, options, message) => {
    expect(() => framesOf(painter, asked, options)).toThrow(message);
  });
});
