import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { findCommand } from '../../src/cli/find-command.ts';
import type { CommandSpec } from '../../src/cli/flag-table.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { formatCommands, formatHelp } from '../../src/cli/help.ts';
import {
  fieldsOf,
  flattenConfig,
  mergeConfig,
  nearest,
  parseConfig,
  unflattenConfig,
} from '../../src/config/schema.ts';
import { UserError } from '../../src/core/errors.ts';
import { parseJson } from '../../src/io/json.ts';

const model = z.object({
  width: z.int().min(8).multipleOf(8).default(256).describe('channels'),
  layers: z.int().min(1).max(48).default(6).describe('blocks'),
  dropout: z.number().min(0).lt(1).default(0.1),
});
const patch = z.object({
  width: z.int().min(1).default(64).describe('channels of the convolutions'),
  levels: z.array(z.int().min(2)).min(1).default([8, 5, 5, 5]).describe('FSQ levels'),
});
const sample = {
  name: 'sample',
  summary: 'paint captions with a trained run',
  examples: ["tessera sample --run runs/demo --text 'red apple'"],
  aliases: { n: 'numImages', lr: 'learningRate' },
  flags: z.object({
    run: z.string().min(1).describe('the run').meta({ title: 'folder' }),
    text: z.string().default('').describe('captions, separated by |'),
    numImages: z.int().min(1).max(1024).default(8).describe('images a caption'),
    temperature: z.number().positive().default(1).describe('below 1 sharpens'),
    learningRate: z.number().positive().default(1e-3),
    backend: z.enum(['auto', 'native', 'wasm']).default('auto').describe('what computes'),
    steps: z.union([z.literal('auto'), z.int().min(1)]).default('auto'),
    names: z.array(z.string()).default([]),
    seed: z.int().nullable().default(null),
    cache: z.boolean().default(true).describe('keep keys and values'),
    preview: z.boolean().default(false).describe('paint in the terminal'),
    model: model.prefault({}).describe('the transformer'),
    patch: patch.prefault({}),
  }),
} satisfies CommandSpec;

function values(...argv: string[]): z.output<typeof sample.flags> {
  const parsed = parseFlags(sample, ['--run', 'r', ...argv]);
  if (parsed.help) throw new Error('help');
  return parsed.values;
}

/** The line the user sees, and the hint. */
function complaint(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.hint === undefined ? error.message : `${error.message} | ${error.hint}`;
  }
  throw new Error('accepted');
}

describe('parseFlags', () => {
  it.each<[string[], object]>([
    [[], { numImages: 8, temperature: 1, cache: true, preview: false, steps: 'auto', model: { width: 256 } }],
    [['--temperature', '0.5'], { temperature: 0.5 }],
    [['--temperature=1e-4'], { temperature: 1e-4 }],
    [['--temperature=.5'], { temperature: 0.5 }],
    [['--numImages', '3'], { numImages: 3 }],
    [['-n', '3'], { numImages: 3 }],
    [['-n3'], { numImages: 3 }],
    [['-n=3'], { numImages: 3 }],
    [['--lr', '3e-4'], { learningRate: 3e-4 }],
    [['--numImages', '3', '-n', '4'], { numImages: 4 }],
    [['--text=a=b'], { text: 'a=b' }],
    [['--text', ''], { text: '' }],
    [['--text', '-5'], { text: '-5' }],
    [['--text', '- a dash'], { text: '- a dash' }],
    [['--text=--seed'], { text: '--seed' }],
    [['--seed', '-5'], { seed: -5 }],
    [['--seed', 'none'], { seed: null }],
    [['--preview', '--no-cache'], { preview: true, cache: false }],
    [['--preview=false', '--cache', 'false'], { preview: false, cache: false }],
    [['--preview', '--seed', '1'], { preview: true, seed: 1 }],
    [['--steps', '5'], { steps: 5 }],
    [['--steps', 'auto'], { steps: 'auto' }],
    [['--backend', 'wasm'], { backend: 'wasm' }],
    [['--levels', '8,8,8'], { patch: { width: 64, levels: [8, 8, 8] } }],
    [['--levels', '8, 8', '--levels', '5'], { patch: { width: 64, levels: [8, 8, 5] } }],
    [['--names', 'a,b', '--names', 'c'], { names: ['a', 'b', 'c'] }],
    [
      ['--model.width', '64', '--patch.width=32', '--layers', '2'],
      { model: { width: 64, layers: 2 }, patch: { width: 32 } },
    ],
  ])('%j', (argv, expected) => {
    expect(values(...argv)).toMatchObject(expected);
  });

  it.each<[string[], string]>([
    [['--temprature', '1'], 'sample: unknown flag --temprature, did you mean --temperature?'],
    [['--tempreature=1'], 'sample: unknown flag --tempreature, did you mean --temperature?'],
    [['--temp', '1'], 'sample: unknown flag --temp, did you mean --temperature?'],
    [['--model.widht', '1'], 'sample: unknown flag --model.widht, did you mean --model.width?'],
    [['--hlep'], 'sample: unknown flag --hlep, did you mean --help?'],
    [['--no-chache'], 'sample: unknown flag --no-chache, did you mean --no-cache?'],
    [['--zzz'], 'sample: unknown flag --zzz | `tessera sample --help` lists the flags'],
    [['-q'], 'sample: unknown flag -q | `tessera sample --help` lists the flags'],
    [['--no-temperature'], 'sample: unknown flag --no-temperature, did you mean --temperature?'],
    [
      ['--width', '8'],
      'sample: --width: expected one of --model.width, --patch.width, got --width, which may be any of them',
    ],
    [['--temperature', 'hot'], 'sample: --temperature: expected a number above 0, got "hot"'],
    [['--temperature', '0'], 'sample: --temperature: expected a number above 0, got 0'],
    [['--temperature', '-1'], 'sample: --temperature: expected a number above 0, got -1'],
    [['--temperature', 'Infinity'], 'sample: --temperature: expected a number above 0, got "Infinity"'],
    [['--temperature', '0x10'], 'sample: --temperature: expected a number above 0, got "0x10"'],
    [['--temperature', '1e999'], 'sample: --temperature: expected a number above 0, got Infinity'],
    [['--temperature='], 'sample: --temperature: expected a number above 0, got ""'],
    [['--temperature'], 'sample: --temperature: expected a number above 0, got nothing'],
    [['--temperature', '--preview'], 'sample: --temperature: expected a number above 0, got nothing'],
    [['-n'], 'sample: -n: expected a whole number from 1 to 1024, got nothing'],
    [['-n', '1.5'], 'sample: -n: expected a whole number from 1 to 1024, got 1.5'],
    [['--num-images', '4096'], 'sample: --num-images: expected a whole number from 1 to 1024, got 4096'],
    [['--num-images', '1e99'], 'sample: --num-images: expected a whole number from 1 to 1024, got 1e+99'],
    [['--model.width', '12'], 'sample: --model.width: expected a whole number of at least 8, divisible by 8, got 12'],
    [['--dropout', '1'], 'sample: --dropout: expected a number of at least 0 and below 1, got 1'],
    [['--backend', 'cuda'], 'sample: --backend: expected one of auto, native or wasm, got "cuda"'],
    [['--steps', 'many'], 'sample: --steps: expected auto or a whole number of at least 1, got "many"'],
    [['--seed', 'x'], 'sample: --seed: expected a whole number or none, got "x"'],
    [
      ['--levels', '8,x,5'],
      'sample: --levels: expected 1 or more comma-separated whole numbers of at least 2, got "8,x,5"',
    ],
    [
      ['--levels', '8,,5'],
      'sample: --levels: expected 1 or more comma-separated whole numbers of at least 2, got "8,,5"',
    ],
    [['--levels', '1'], 'sample: --levels: expected 1 or more comma-separated whole numbers of at least 2, got "1"'],
    [['--levels='], 'sample: --levels: expected 1 or more comma-separated whole numbers of at least 2, got ""'],
    [
      ['--levels', '8', '--levels', 'x'],
      'sample: --levels: expected 1 or more comma-separated whole numbers of at least 2, got "8,x"',
    ],
    [['--cache=maybe'], 'sample: --cache: expected true or false, got "maybe"'],
    [['--run', ''], 'sample: --run: expected text that is not empty, got ""'],
    [['apple'], 'sample: unexpected word "apple" | put quotes around a value with spaces'],
    [['--text', 'red', 'apple'], 'sample: unexpected word "apple" | put quotes around a value with spaces'],
    [['--', '--seed'], 'sample: unexpected word "--seed" | put quotes around a value with spaces'],
  ])('%j is refused in one line', (argv, line) => {
    expect(complaint(() => values(...argv))).toBe(line);
  });

  it('names a required flag that is missing, with an example', () => {
    expect(complaint(() => parseFlags(sample, []))).toBe(
      "sample: --run: expected text that is not empty, got nothing | for example `tessera sample --run runs/demo --text 'red apple'`",
    );
  });

  it('complains of what was typed before what is missing', () => {
    expect(complaint(() => parseFlags(sample, ['--seed', 'x']))).toContain('sample: --seed');
  });

  it('gives what the user set apart from the defaults', () => {
    const parsed = parseFlags(sample, ['--run', 'r', '--layers', '2', '--no-cache']);
    expect(parsed).toMatchObject({ help: false });
    if (!parsed.help) expect(parsed.given).toEqual({ run: 'r', model: { layers: 2 }, cache: false });
  });

  it('stops at -h and --help, whatever else is wrong, and says what could be read', () => {
    const nothing = { help: true, all: false, given: {}, settings: {} };
    expect(parseFlags(sample, ['--help', '--zzz'])).toEqual(nothing);
    expect(parseFlags(sample, ['--zzz', 'stray', '--steps', '-h'])).toEqual(nothing);
    expect(parseFlags(sample, ['--layers', '2', '--help', '--all', '--seed=5'])).toEqual({
      ...nothing,
      all: true,
      given: { model: { layers: 2 }, seed: 5 },
    });
    expect(complaint(() => parseFlags(sample, ['--run', 'r', '--', '--help']))).toContain('unexpected word "--help"');
  });

  it('passes on the message of a rule that spans fields', () => {
    const flags = z
      .object({ topK: z.int().default(0), keep: z.object({ rows: z.int().default(0) }).prefault({}) })
      .refine(({ topK }) => topK < 9, { message: 'expected top-k below the vocabulary (9)', path: ['topK'] })
      .refine(({ keep }) => keep.rows < 9, 'expected fewer rows than the grid has');
    const command: CommandSpec<typeof flags> = { name: 'paint', summary: '', examples: [], flags };
    expect(complaint(() => parseFlags(command, ['--top-k', '9']))).toBe(
      'paint: --top-k: expected top-k below the vocabulary (9)',
    );
    expect(complaint(() => parseFlags(command, ['--rows', '9']))).toBe('paint: expected fewer rows than the grid has');
  });

  it('takes fields from every option of a union of objects', () => {
    const quantizer = z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('fsq'), levels: z.array(z.int()).default([8, 5]) }),
      z.object({ kind: z.literal('vq'), entries: z.int().min(2) }),
    ]);
    const command = { name: 'train', summary: '', examples: [], flags: z.object({ quantizer }) } satisfies CommandSpec;
    expect(parseFlags(command, ['--kind', 'vq', '--entries', '512'])).toMatchObject({
      values: { quantizer: { kind: 'vq', entries: 512 } },
    });
    expect(complaint(() => parseFlags(command, ['--kind', 'dvq']))).toBe(
      'train: --kind: expected one of fsq or vq, got "dvq"',
    );
  });
});

describe('positionals', () => {
  const inspect = {
    name: 'data inspect',
    summary: 'describe a data set',
    examples: ['tessera data inspect datasets/emoji'],
    positionals: [
      { name: 'DIR', description: 'the data set' },
      { name: 'SHEET', description: 'where the contact sheet goes', optional: true },
    ],
    flags: z.object({ strict: z.boolean().default(false) }),
  } satisfies CommandSpec;

  it('are read in order, before, between and after flags', () => {
    expect(parseFlags(inspect, ['a', '--strict', 'b'])).toMatchObject({
      positionals: ['a', 'b'],
      values: { strict: true },
    });
    expect(parseFlags(inspect, ['--', '-odd'])).toMatchObject({ positionals: ['-odd'] });
  });

  it('are missed and refused in one line', () => {
    expect(complaint(() => parseFlags(inspect, []))).toBe(
      'data inspect: expected DIR (the data set), got nothing | for example `tessera data inspect datasets/emoji`',
    );
    expect(complaint(() => parseFlags(inspect, ['a', 'b', 'c']))).toMatch(/^data inspect: unexpected word "c"/);
  });

  it('take any number of words where the last is for many, and at least one', () => {
    const each = { ...inspect, positionals: [{ name: 'INPUT', description: 'an image', many: true }] };
    expect(parseFlags(each, ['a', 'b', 'c'])).toMatchObject({ positionals: ['a', 'b', 'c'] });
    expect(complaint(() => parseFlags(each, []))).toMatch(/^data inspect: expected INPUT/);
    expect(formatHelp(each)).toContain('INPUT...');
  });
});

describe('findCommand', () => {
  const commands = [{ name: 'train' }, { name: 'data emoji' }, { name: 'data inspect' }, { name: 'sample' }];

  it('matches two words before one', () => {
    expect(findCommand('tessera', commands, ['data', 'inspect', 'x'])).toEqual({ command: commands[2], rest: ['x'] });
    expect(findCommand('tessera', commands, ['train', '--x'])).toEqual({ command: commands[0], rest: ['--x'] });
  });

  it('refuses two commands of one name', () => {
    const two = [...commands, { name: 'train' }];
    expect(complaint(() => findCommand('tessera', two, ['sample']))).toBe(
      'tessera: expected commands of different names, got two train',
    );
  });

  it.each([
    [['trian'], 'tessera: unknown command "trian", did you mean train? | `tessera --help` lists the commands'],
    [
      ['data', 'inspcet'],
      'tessera: unknown command "data inspcet", did you mean data inspect? | `tessera --help` lists the commands',
    ],
    [['data'], 'tessera data: expected one of emoji, inspect, got nothing'],
    [['zzz'], 'tessera: unknown command "zzz" | `tessera --help` lists the commands'],
  ])('%j', (argv, line) => {
    expect(complaint(() => findCommand('tessera', commands, argv))).toBe(line);
  });
});

describe('nearest', () => {
  it.each([
    ['trian', 'train'], // one swap of neighbours
    ['smaple', 'sample'],
    ['sampl', 'sample'],
    ['reconstrct', 'reconstruct'],
    ['rec', 'reconstruct'],
    ['xylophone', undefined],
  ])('%s is near %s', (word, expected) => {
    expect(nearest(word, ['train', 'sample', 'reconstruct', 'doctor'])).toBe(expected);
  });
});

describe('help', () => {
  it('lists every flag, aligned and within the width', () => {
    const text = formatHelp(sample, { columns: 72 });
    expect(text).toMatchInlineSnapshot(`
      "tessera sample: paint captions with a trained run

      usage: tessera sample --run <folder> [flags]

      flags:
        --run <folder>                the run (required)
        --text <text>                 captions, separated by |
        -n, --num-images <integer>    images a caption (from 1 to 1024;
                                      default 8)
        --temperature <number>        below 1 sharpens (above 0; default 1)
        --learning-rate, --lr <number>
                                      (above 0; default 0.001)
        --backend <auto|native|wasm>  what computes (default auto)
        --steps <auto|integer>        (default auto)
        --names <text,...>
        --seed <integer|none>
        --[no-]cache                  keep keys and values (on by default)
        --preview                     paint in the terminal
        -h, --help                    show this

      model: the transformer
        --model.width <integer>       channels (at least 8, divisible by 8;
                                      default 256)
        --layers <integer>            blocks (from 1 to 48; default 6)
        --dropout <number>            (at least 0 and below 1; default 0.1)

      patch:
        --patch.width <integer>       channels of the convolutions (at least
                                      1; default 64)
        --levels <integer,...>        FSQ levels (default 8,5,5,5)

      examples:
        tessera sample --run runs/demo --text 'red apple'
      "
    `);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(72);
  });

  it('lists the commands', () => {
    expect(formatCommands([sample, { name: 'data inspect', summary: 'describe a data set' }])).toMatchInlineSnapshot(`
      "usage: tessera <command> [flags]

        sample        paint captions with a trained run
        data inspect  describe a data set

      \`tessera help <command>\`, or \`tessera <command> --help\`, shows a command's flags.
      "
    `);
  });
});

describe('config files', () => {
  const schema = z.object({
    model: model.prefault({}),
    seed: z.int().default(1),
    extra: z.record(z.string(), z.number()).optional(),
  });

  it('fills in defaults', () => {
    expect(parseConfig(schema, { model: { width: 64 }, extra: { any: 1 } }, 'config.json')).toEqual({
      model: { width: 64, layers: 6, dropout: 0.1 },
      seed: 1,
      extra: { any: 1 },
    });
  });

  it.each<[unknown, string]>([
    [
      { model: { width: 'wide' } },
      'config.json: model.width: expected a whole number of at least 8, divisible by 8, got "wide"',
    ],
    [{ model: { layers: 0 } }, 'config.json: model.layers: expected a whole number from 1 to 48, got 0'],
    [{ model: 5 }, 'config.json: model: expected an object of settings, got 5'],
    [{ model: null }, 'config.json: model: expected an object of settings, got null'],
    [[], 'config.json: expected an object of settings, got []'],
    ['x', 'config.json: expected an object of settings, got "x"'],
    [{ seed: 'x'.repeat(99) }, `config.json: seed: expected a whole number, got "${'x'.repeat(56)}...`],
    [{ sede: 1 }, 'config.json: unknown field sede, did you mean seed?'],
    [{ model: { widht: 1 } }, 'config.json: unknown field model.widht, did you mean model.width?'],
    [{ extra: { a: 'b' } }, 'config.json: extra: expected an object of settings, got {"a":"b"}'],
  ])('%j', (value, line) => {
    expect(complaint(() => parseConfig(schema, value, 'config.json'))).toBe(line);
  });

  it('says in one line that a file is not JSON', () => {
    expect(complaint(() => parseJson('{\n"seed": 1,\n}', 'c.json'))).toMatch(/^c\.json: expected JSON, got [^\n]+$/);
  });

  it('reads the defaults of an object given as a whole', () => {
    const { fields } = fieldsOf(z.object({ model: model.default({ width: 64, layers: 2, dropout: 0 }) }));
    expect(fields.map(field => field.default)).toEqual([64, 2, 0]);
  });

  it('flattens and restores', () => {
    const config = { model: { width: 1, deep: { er: [1, 2] } }, seed: null };
    const flat = { 'model.width': 1, 'model.deep.er': [1, 2], seed: null };
    expect(flattenConfig(config)).toEqual(flat);
    expect(unflattenConfig(flat)).toEqual(config);
  });

  it('merges deeply, lists whole, and lets undefined pass', () => {
    expect(mergeConfig({ a: { b: 1, c: [1, 2] } }, undefined, { a: { b: undefined, c: [3] }, d: 1 })).toEqual({
      a: { b: 1, c: [3] },
      d: 1,
    });
  });
});
