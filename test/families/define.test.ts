/** @file What `defineFamily` asks of a definition: every mistake is told where it is made, and leaves nothing behind. */
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fieldsOfCommand, flagTable } from '../../src/cli/flag-table.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { UserError } from '../../src/core/errors.ts';
import { runSchema } from '../../src/families/config.ts';
import { familyNames } from '../../src/families/families.ts';
import { defineFamily, type FamilyDefinition, removeFamily } from '../../src/index.ts';

const brushSchema = z.object({ grid: z.number().int().default(3).describe('strokes'), hair: z.number().default(1) });

const toy: FamilyDefinition = {
  name: 'brush',
  sections: { brush: brushSchema },
  stages: [],
  sampling: () => ({}),
  words: { title: 'brush', paints: 'a brush paints', colour: { light: '#123456', dark: 'tan' }, loss: 'loss' },
  create: async () => {
    throw new Error('is not made here');
  },
};
const own = ['transformer', 'dcgan', 'r3gan', 'diffusion'];

afterEach(() => {
  for (const name of familyNames()) if (!own.includes(name)) removeFamily(name);
});

describe('defineFamily', () => {
  test.each<[string, object, RegExp]>([
    [
      'a name of other characters',
      { name: 'a{}' },
      /^defineFamily: name: expected .* hyphens, none of .*, got "a\{\}"/,
    ],
    ['the name of a stage', { name: 'patch' }, /^defineFamily: name: .* none of captions, text, patch, .*got "patch"/],
    ['the name of evaluations in the log', { name: 'eval' }, /got "eval"/],
    ['the tone of real images', { name: 'real' }, /got "real"/],
    ['a name that is taken', { name: 'dcgan' }, /^defineFamily: expected a new name, got dcgan, which is taken/],
    ['a field that is none', { colour: 'red' }, /^defineFamily: unknown option colour/],
    ['no words', { words: undefined }, /^defineFamily: words: expected an object, got nothing/],
    ['words without a loss', { words: { ...toy.words, loss: undefined } }, /^family brush: words: loss: expected text/],
    [
      'a colour that ends the style',
      { words: { ...toy.words, colour: { light: 'red;} body {', dark: 'tan' } } },
      /^family brush: words: colour: light: expected a CSS colour/,
    ],
    ['a stage that is none', { stages: ['sketch'] }, /^defineFamily: stages: .* got "sketch" at 0/],
    ['a stage without what it needs', { stages: ['codes'] }, /^family brush: stages: expected patch with codes/],
    [
      "a section of every run's",
      { sections: { images: brushSchema } },
      /^family brush: sections: images: .*every run has/,
    ],
    ['a section called sampling', { sections: { sampling: brushSchema } }, /sections: sampling: .*every run has/],
    ["another family's section", { sections: { gan: brushSchema } }, /sections: gan: .* that of a section of dcgan/],
    ['a section that is no schema', { sections: { brush: { grid: 3 } } }, /sections: brush: expected a zod object/],
    [
      'a field without a default',
      { sections: { brush: z.object({ grid: z.number() }) } },
      /sections: brush: expected a default for every field/,
    ],
    ['defaults of nothing', { defaults: { gan: { width: 8 } } }, /^family brush: defaults: .*, got gan/],
    ['a plan of what is not planned', { planning: { sizes: [] } }, /^family brush: planning: unknown option sizes/],
    ['a ladder without rungs', { planning: { rungs: [] } }, /^family brush: planning: rungs: .* got none/],
    [
      'a rung without steps',
      { planning: { rungs: [{ imageSize: 64, steps: 5 }, { imageSize: 128 }] } },
      /^family brush: planning: rungs: 1: steps: expected a whole number/,
    ],
    [
      "a rung of another family's fields",
      { planning: { rungs: [{ imageSize: 64, steps: 5, fields: { gan: { width: 8 } } }] } },
      /^family brush: planning: rungs: 0: fields: .* brush, got gan/,
    ],
    [
      'regularisation of what is no kind',
      { planning: { regularisation: [{ kind: 'maps', below: 9, fields: {} }] } },
      /^family brush: planning: regularisation: 0: kind: expected one of drawings, photographs/,
    ],
    ['a validation without curves', { validation: { curves: [] } }, /^family brush: validation: curves: .*got none/],
  ])('refuses %s', (_, change, message) => {
    const define = () => defineFamily({ ...toy, ...change } as FamilyDefinition);
    expect(define).toThrow(UserError);
    expect(define).toThrow(message);
    expect(familyNames()).toEqual(own);
  });

  test('takes one in and lets it go, but none that is built in', () => {
    defineFamily(toy);
    expect(familyNames()).toEqual([...own, 'brush']);
    removeFamily('brush');
    expect(familyNames()).toEqual(own);
    const where = 'removeFamily: expected a name that defineFamily was given, got';
    expect(() => removeFamily('brush')).toThrow(`${where} brush, which is not defined`);
    expect(() => removeFamily('transformer')).toThrow(`${where} transformer, which is built in`);
    expect(familyNames()).toEqual(own);
  });
});

describe('flags of a family from outside', () => {
  const spec = () => ({
    name: 'train',
    summary: '',
    examples: [],
    flags: z.object({ out: z.string().optional(), brush: z.string().optional() }),
    settings: runSchema() as z.ZodObject,
  });
  const namesOf = (section: string) =>
    flagTable(spec())
      .flags.filter(({ field }) => field.path[0] === section)
      .map(({ name }) => name);

  test('take no short name away, and have those that are free', () => {
    const before = flagTable(spec()).flags.map(({ name }) => name);
    defineFamily(toy);
    defineFamily({ ...toy, name: 'comb', sections: { comb: z.object({ hair: z.number().default(2) }) } });
    expect(flagTable(spec()).flags.map(({ name }) => name)).toEqual(expect.arrayContaining(before));
    expect(namesOf('brush')).toEqual(['brush', 'brush.grid', 'hair']);
    expect(namesOf('comb')).toEqual(['comb.hair']);
    expect(fieldsOfCommand(spec()).fields.length).toBe(before.length + 3);
    expect(parseFlags(spec(), ['--grid', '8', '--brush.grid', '5', '--comb.hair', '4'])).toMatchObject({
      settings: { patch: { grid: 8 }, brush: { grid: 5 }, comb: { hair: 4 } },
    });
  });

  test('leave a flag of the command that is called as its section', () => {
    defineFamily(toy);
    expect(parseFlags(spec(), ['--brush', 'flat', '--hair', '2'])).toMatchObject({
      given: { brush: 'flat' },
      settings: { brush: { hair: 2 } },
    });
  });
});
