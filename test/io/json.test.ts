import { describe, expect, test } from 'vitest';
import { parseJson } from '../../src/io/json.ts';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('JSON of strangers', () => {
  test.each([
    ['{"a":[1,{"b":"x:y{[\\""}],"c":null}', { a: [1, { b: 'x:y{["' }], c: null }],
    ['7', 7],
    ['"[[[["', '[[[['],
    ['[]', []],
  ])('%s is read', (text, value) => {
    expect(parseJson(text, 'f')).toEqual(value);
  });

  test('takes 64 levels and no more, however many there are', () => {
    expect(() => parseJson(nested(64), 'f')).not.toThrow();
    expect(() => parseJson(nested(65), 'f')).toThrow('f: expected JSON of at most 64 levels, got 65');
    expect(() => parseJson(nested(1_000_000), 'f')).toThrow('got 1000000');
  });

  test('a name that an object has twice is refused at any depth; equal names of two objects are not', () => {
    for (const text of ['{"seed":1,"seed":2}', '[{"a":{"b":1,"b":1}}]', '{"a":1,"\\u0061":2}']) {
      expect(() => parseJson(text, 'f')).toThrow('f: expected every name of an object once, got one twice');
    }
    expect(parseJson('[{"a":1},{"a":{"a":2}}]', 'f')).toEqual([{ a: 1 }, { a: { a: 2 } }]);
  });

  test('names of prototypes are names like any other', () => {
    const value = parseJson('{"__proto__":{"polluted":1},"constructor":2}', 'f') as object;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test.each(['', '{', '{"a":NaN}', 'x', '{"a":1}}', '\u0000'])('%j is refused in one line', text => {
    expect(() => parseJson(text, 'f')).toThrow(/^f: expected JSON, got something else \([^\n]+\)$/);
  });
});
