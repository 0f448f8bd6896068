/**
 * @file Bad input, as a table: each mistake ends with exit code 2 and one line that names it, and touches nothing. And odd
 * input that is none: what people's folders hold is trained on.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { weightKinds } from '../../src/io/runfiles.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import {
  draw,
  hardlyTrained,
  type Outcome,
  root,
  snapshot,
  startTessera,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
  writeItem,
} from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const data = at('data');
const run = at('run');
const fresh = at('new');
const config = at('config.json');
const image = join(data, 'red-circle.png');
const noise = Buffer.from('this is no image');

const train = (...flags: string[]) => ['train', '--data', data, '--out', fresh, '--config', config, ...flags];
const trainOn = (where: string, ...flags: string[]) => [
  'train',
  '--data',
  at(where),
  '--out',
  fresh,
  '--config',
  config,
  ...flags,
];
const sample = (...flags: string[]) => ['sample', '--run', run, '--text', 'red', '--outputs-dir', fresh, ...flags];

/** A copy of the run to be damaged. */
function copyOfRun(name: string, damage: (folder: string) => void): void {
  cpSync(run, at(name), { recursive: true });
  damage(at(name));
}

/** A PNG whose header is sound and whose pixels are not. */
async function cutOff(): Promise<Buffer> {
  const whole = await draw('red circle');
  return whole.subarray(0, Math.round(whole.length * 0.6));
}

beforeAll(async () => {
  await writeDrawings(data);
  writeConfig(config, hardlyTrained);
  const { code, stderr } = await tessera('train', '--data', data, '--out', run, '--config', config, '--threads', '1');
  expect(stderr).toContain('transformer: done');
  expect(code).toBe(0);

  mkdirSync(at('empty'));
  await writeItem(at('words only'), 'notes.md', Buffer.from('# Notes'));
  for (const name of ['a.png', 'b.png']) await writeItem(at('corrupt'), name, noise, 'a cat');
  for (const name of ['a.png', 'b.png']) await writeItem(at('cut off'), name, await cutOff(), 'a cat');
  await writeItem(at('uncaptioned'), 'a.png', await draw('red circle'));
  await writeItem(at('blank captions'), 'a.png', await draw('red circle'), ' \n');

  await writeDrawings(at('one bad'));
  await writeItem(at('one bad'), 'zero.png', Buffer.alloc(0), 'nothing');
  await writeDrawings(at('one cut off'));
  await writeItem(at('one cut off'), 'half.png', await cutOff(), 'half');

  copyOfRun('no weights', to => {
    for (const kind of weightKinds) rmSync(runPaths(to).weights[kind], { force: true });
  });
  copyOfRun('cut weights', to => truncateSync(join(to, 'ema.safetensors'), 5000));
  copyOfRun('no header', to => writeFileSync(join(to, 'ema.safetensors'), ''));
  copyOfRun('swapped', to => flipLastByte(join(to, 'patch.safetensors')));
  copyOfRun('other captions', to => {
    const path = join(to, 'tokenizer.json');
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n`);
  });
  copyOfRun('no tokenizer', to => writeFileSync(join(to, 'tokenizer.json'), '{}'));
  copyOfRun('damaged config', to => writeFileSync(join(to, 'config.json'), '{"model":'));
  copyOfRun('wrong type', to => changeConfig(to, text => text.replace('"layers": 2', '"layers": "two"')));
  copyOfRun('unknown field', to => changeConfig(to, text => text.replace('"layers"', '"leyers"')));
  copyOfRun('other shape', to => changeConfig(to, text => text.replace('"layers": 2', '"layers": 3')));
  copyOfRun('cut state', to => truncateSync(join(to, 'state', 'model', '1', 'weights.safetensors'), 100));

  writeFileSync(at('typo.json'), '{"model":{"widht":64}}');
  writeFileSync(at('word.json'), '{"model":{"width":"wide"}}');
  writeFileSync(at('torn.json'), '{"model":');
  writeFileSync(at('list.json'), '[]');
});

afterEach(() => rmSync(fresh, { recursive: true, force: true }));

function flipLastByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(path, bytes);
}

function changeConfig(to: string, change: (text: string) => string): void {
  const path = join(to, 'config.json');
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
}

/** What a mistake is told in: the lines that are neither a hint nor said before it. */
function complaint({ stderr }: Outcome): string {
  const lines = stderr.trimEnd().split('\n');
  const hint = lines.findIndex(line => line.startsWith('  hint: '));
  const said = hint < 0 ? lines : lines.slice(0, hint);
  return said
    .filter(
      line =>
        !/^computing on |going on with the run|^\[\d\/4\] |^shapes$|: done in |items? skipped|^nothing is held out|^ {2}/.test(
          line,
        ),
    )
    .join('\n');
}

interface Mistake {
  readonly name: string;
  readonly argv: readonly string[];
  /** The whole line, or what it matches. */
  readonly says: string | RegExp;
}

const mistakes: readonly Mistake[] = [
  // Commands and flags.
  { name: 'a command that is none', argv: ['sampel'], says: 'tessera: unknown command "sampel", did you mean sample?' },
  {
    name: 'half a command',
    argv: ['data'],
    says: 'tessera data: expected one of emoji, shapes, modes, inspect, got nothing',
  },
  {
    name: 'a flag that is none',
    argv: sample('--temprature', '1'),
    says: 'sample: unknown flag --temprature, did you mean --temperature?',
  },
  { name: 'a stray word', argv: sample('apple'), says: 'sample: unexpected word "apple"' },
  {
    name: 'a temperature in words',
    argv: sample('--temperature', 'hot'),
    says: 'sample: --temperature: expected a number from 0 to 100, got "hot"',
  },
  {
    name: 'no probability',
    argv: sample('--top-p', '0'),
    says: 'sample: --top-p: expected a number above 0 and at most 1, got 0',
  },
  {
    name: 'half a code',
    argv: sample('--top-k', '1.5'),
    says: 'sample: --top-k: expected a whole number of at least 0, got 1.5',
  },
  {
    name: 'no images',
    argv: sample('--num-images', '0'),
    says: 'sample: --num-images: expected a whole number above 0 and at most 10000, got 0',
  },
  {
    name: 'negative steps',
    argv: train('--steps', '-3'),
    says: 'train: --steps: expected a whole number above 0 and at most 1000000000, got -3',
  },
  {
    name: 'more steps than numbers',
    argv: train('--steps', '1e99'),
    says: 'train: --steps: expected a whole number above 0 and at most 1000000000, got 1e+99',
  },
  {
    name: 'no captions',
    argv: ['sample', '--run', run],
    says: 'sample: expected captions by --text or --text-file, got neither',
  },
  {
    name: 'a preset that is none',
    argv: train('--preset', 'huge'),
    says: 'train: --preset: expected one of tiny, small, base or dalle, got "huge"',
  },
  {
    name: 'a preset that the run was not made of',
    argv: ['train', '--data', data, '--out', run, '--preset', 'base'],
    says: `train: expected model.width 32, as the run in ${run} has it, got 768 of preset base`,
  },
  {
    name: 'a preset that the run was not made of, though it is to be longer',
    argv: ['train', '--data', data, '--out', run, '--steps', '9', '--preset', 'base'],
    says: `train: expected model.width 32, as the run in ${run} has it, got 768 of preset base`,
  },
  {
    name: 'a backend that is none',
    argv: sample('--backend', 'cuda'),
    says: /^sample: --backend: expected one of auto, webgpu, native, .*, got "cuda"$/,
  },
  {
    name: 'no input',
    argv: ['data', 'inspect'],
    says: 'data inspect: expected DATA (a folder, archive or index file), got nothing',
  },

  // What does not fit together.
  {
    name: 'a size that is no multiple of 8',
    argv: train('--image-size', '100', '--grid', '32'),
    says: 'train: --image-size: expected a whole number above 0 and at most 4096, divisible by 8, got 100',
  },
  {
    name: 'a patch of a fraction of a pixel',
    argv: train('--grid', '7'),
    says: /^config: imageSize 32 \/ grid 7 = .*, expected a power of two/,
  },
  {
    name: 'heads that do not divide the width',
    argv: train('--heads', '5'),
    says: 'config: width 32 / heads 5: expected a multiple of 4 channels a head',
  },
  {
    name: 'more rows than there are',
    argv: sample('--image', image, '--keep-rows', '99'),
    says: "sample: --keep-rows 99: expected fewer than the grid's 4 rows",
  },
  {
    name: 'rows of no image',
    argv: sample('--keep-rows', '2'),
    says: 'sample: expected --image with --keep-rows, got none',
  },
  {
    name: 'a mask over no image',
    argv: sample('--mask', image),
    says: 'sample: expected --image with --mask, got none',
  },
  {
    name: 'an image to do nothing with',
    argv: sample('--image', image),
    says: 'sample: expected either --keep-rows or --mask with --image, got neither',
  },
  {
    name: 'rows and a mask',
    argv: sample('--image', image, '--keep-rows', '1', '--mask', image),
    says: 'sample: expected either --keep-rows or --mask with --image, got both',
  },
  {
    name: 'the best of what nobody ranks',
    argv: sample('--best-of', '4'),
    says: `sample: expected --rerank with --best-of, got none, and none came with ${run}`,
  },
  {
    name: 'more kept than painted',
    argv: sample('--rerank', 'x', '--best-of', '2', '--num-images', '4'),
    says: 'sample: expected --best-of of at least --num-images, which is 4, got 2',
  },
  { name: 'a CLIP that is not there', argv: sample('--rerank', 'nowhere'), says: 'rerank: there is no folder nowhere' },
  { name: 'a CLIP that is none', argv: sample('--rerank', data), says: `rerank: no config.json in ${data}` },
  { name: 'nearest to nothing', argv: sample('--nearest'), says: 'sample: expected --data with --nearest, got none' },
  {
    name: 'bf16 where there is none',
    argv: sample('--precision', 'bf16', '--backend', 'cpu'),
    says: 'precision: expected auto or fp32 on the cpu backend, got bf16',
  },
  {
    name: 'TensorFlow that is not installed',
    argv: sample('--backend', 'tensorflow'),
    says: /^backend tensorflow: @tensorflow\/tfjs-node-gpu/,
  },

  // Data.
  { name: 'data that is not there', argv: trainOn('nowhere'), says: `${at('nowhere')}: no such folder or file` },
  { name: 'an empty folder', argv: trainOn('empty'), says: `${at('empty')}: no captioned image in 0 files` },
  { name: 'a folder without images', argv: trainOn('words only'), says: /words only: no captioned image in 1 files$/ },
  {
    name: 'nothing but corrupt images',
    argv: trainOn('corrupt'),
    says: /corrupt: no captioned image \(2 skipped, the first: a\.png: not a picture \(text\)\)$/,
  },
  {
    name: 'images that all end in the middle',
    argv: trainOn('cut off'),
    says: 'data: none of 2 images can be decoded',
  },
  { name: 'images without captions', argv: trainOn('uncaptioned'), says: /uncaptioned: no captioned image/ },
  {
    name: 'blank captions',
    argv: trainOn('blank captions'),
    says: /blank captions: no captioned image \(1 skipped, the first: a\.png: .*caption/,
  },
  {
    name: 'a zero-byte image, strictly',
    argv: trainOn('one bad', '--strict'),
    says: `${at('one bad')}: zero.png: empty file (0 bytes)`,
  },
  { name: 'the wrong format', argv: train('--format', 'coco'), says: `${data}: no captioned image (read as coco)` },
  { name: 'nothing left to train on', argv: train('--validation', '1'), says: 'data: no training image among 8' },
  {
    name: 'training images that are not there',
    argv: sample('--nearest', '--data', at('nowhere')),
    says: `${at('nowhere')}: no such folder or file`,
  },
  {
    name: 'an image to complete that is not there',
    argv: sample('--image', at('none.png'), '--keep-rows', '2'),
    says: `sample: --image: ${at('none.png')}: expected a file, got none`,
  },
  {
    name: 'an image to complete that is none',
    argv: sample('--image', config, '--keep-rows', '2'),
    says: /^sample: .*config\.json is no readable image \(.+\)$/,
  },
  {
    name: 'a folder as an image',
    argv: sample('--image', data, '--keep-rows', '2'),
    says: `sample: --image: ${data}: expected a file, got a folder`,
  },
  {
    name: 'nothing to reconstruct',
    argv: ['reconstruct', '--run', run, at('none.png'), '--out', join(fresh, 'x.png')],
    says: `reconstruct: no such file or folder: ${at('none.png')}`,
  },
  {
    name: 'nothing to inspect',
    argv: ['data', 'inspect', at('nowhere')],
    says: `${at('nowhere')}: no such folder or file`,
  },

  // Runs.
  {
    name: 'a run that is not there',
    argv: ['sample', '--run', at('none'), '--text', 'x'],
    says: `sample: no run in ${at('none')} (looked for config.json)`,
  },
  {
    name: 'a folder that is no run',
    argv: ['sample', '--run', data, '--text', 'x'],
    says: `sample: no run in ${data} (looked for config.json)`,
  },
  {
    name: 'no run to reconstruct with',
    argv: ['reconstruct', '--run', data, image],
    says: `reconstruct: no run in ${data} (looked for config.json)`,
  },
  {
    name: 'a run without weights',
    argv: ['sample', '--run', at('no weights'), '--text', 'x'],
    says: /^load: the transformer of .* is not trained yet \(no .*ema\.safetensors\)$/,
  },
  {
    name: 'weights cut off',
    argv: ['sample', '--run', at('cut weights'), '--text', 'x'],
    says: /^.*cut weights\/ema\.safetensors: .*/,
  },
  {
    name: 'weights of no bytes',
    argv: ['sample', '--run', at('no header'), '--text', 'x'],
    says: /^.*no header\/ema\.safetensors: .*/,
  },
  {
    name: "another run's patch tokenizer",
    argv: ['sample', '--run', at('swapped'), '--text', 'x'],
    says: /ema\.safetensors: was trained with another patch tokenizer: it needs the one with SHA-256 [0-9a-f]{16}\.\.\., .*patch\.safetensors is [0-9a-f]{16}\.\.\.$/,
  },
  {
    name: "another run's caption tokenizer",
    argv: ['sample', '--run', at('other captions'), '--text', 'x'],
    says: /ema\.safetensors: was trained with another caption tokenizer: it needs .*tokenizer\.json is /,
  },
  {
    name: 'a caption tokenizer that is none',
    argv: ['sample', '--run', at('no tokenizer'), '--text', 'x'],
    says: /tokenizer/,
  },
  {
    name: 'going on with a swapped patch tokenizer',
    argv: ['train', '--data', data, '--out', at('swapped')],
    says: /codes\/train\.safetensors: was made by another patch tokenizer$/,
  },
  {
    name: 'a config that is no JSON',
    argv: ['sample', '--run', at('damaged config'), '--text', 'x'],
    says: /damaged config\/config\.json: expected JSON, got something else/,
  },
  {
    name: 'a config with a word for a number',
    argv: ['sample', '--run', at('wrong type'), '--text', 'x'],
    says: /wrong type\/config\.json: model\.layers: expected a whole number above 0 and at most 1024, got "two"$/,
  },
  {
    name: 'a config with a field unknown',
    argv: ['sample', '--run', at('unknown field'), '--text', 'x'],
    says: /unknown field\/config\.json: unknown field model\.leyers, did you mean model\.layers\?$/,
  },
  {
    name: 'a config of another model',
    argv: ['sample', '--run', at('other shape'), '--text', 'x'],
    says: /^.*other shape\/ema\.safetensors: .*layers\.2/,
  },
  {
    name: 'a state cut off',
    argv: ['train', '--data', data, '--out', at('cut state'), '--steps', '3'],
    says: /cut state\/state\/model\/1\/weights\.safetensors: expected \d+ bytes, got 100 bytes$/,
  },

  // Files.
  {
    name: 'a config file that is not there',
    argv: ['train', '--data', data, '--out', fresh, '--config', at('none.json')],
    says: `${at('none.json')}: expected a file, got none`,
  },
  {
    name: 'a folder as a config file',
    argv: ['train', '--data', data, '--out', fresh, '--config', data],
    says: `${data}: expected a file, got a folder`,
  },
  {
    name: 'a typing error in a config file',
    argv: ['train', '--data', data, '--out', fresh, '--config', at('typo.json')],
    says: `${at('typo.json')}: unknown field model.widht, did you mean model.width?`,
  },
  {
    name: 'a word in a config file',
    argv: ['train', '--data', data, '--out', fresh, '--config', at('word.json')],
    says: /word\.json: model\.width: expected a whole number above 0 and at most 65536, got "wide"$/,
  },
  {
    name: 'half a config file',
    argv: ['train', '--data', data, '--out', fresh, '--config', at('torn.json')],
    says: /torn\.json: expected JSON/,
  },
  {
    name: 'a list as a config file',
    argv: ['train', '--data', data, '--out', fresh, '--config', at('list.json')],
    says: /list\.json: expected/,
  },
  {
    name: 'a run where a file is',
    argv: ['train', '--data', data, '--out', image, '--config', config],
    says: `${image}: expected a folder, got a file`,
  },
  {
    name: 'a run below a file',
    argv: ['train', '--data', data, '--out', join(image, 'run'), '--config', config],
    says: `${join(image, 'run')}: a part of the path is a file, not a folder`,
  },
  {
    name: 'images where a file is',
    argv: ['sample', '--run', run, '--text', 'x', '--outputs-dir', image],
    says: `${image}: expected a folder, got a file`,
  },
  {
    name: 'data where a file is',
    argv: ['data', 'shapes', '--out', image, '--count', '2'],
    says: `${image}: expected a folder, got a file`,
  },
  {
    name: 'scenes without pictures',
    argv: ['data', 'modes', '--out', fresh, '--per-mode', '0'],
    says: 'data modes: --per-mode: expected a whole number above 0 and at most 1000, got 0',
  },
  {
    name: 'scenes too small to be read back',
    argv: ['data', 'modes', '--out', fresh, '--size', '8'],
    says: 'data modes: --size: expected a whole number from 16 to 256, got 8',
  },
];

describe('a mistake ends with exit code 2, one line and nothing touched', () => {
  test.each(mistakes)('$name', async ({ argv, says }) => {
    const before = { run: snapshot(run), data: snapshot(data), swapped: snapshot(at('swapped')) };
    const outcome = await tessera(...argv);
    const line = complaint(outcome);
    if (typeof says === 'string') expect(line).toBe(says);
    else expect(line).toMatch(says);
    expect(line).not.toContain('\n');
    expect(outcome.stderr).not.toMatch(/^ +at /m);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect({ run: snapshot(run), data: snapshot(data), swapped: snapshot(at('swapped')) }).toEqual(before);
    if (!line.includes('can be decoded')) expect(existsSync(fresh)).toBe(false); // that shows in mid-training
  });
});

describe('as a process', () => {
  test('a mistake of the user exits with 2 and says it on stderr alone', async () => {
    const { code, stdout, stderr } = await startTessera(['sample', '--run', at('none'), '--text', 'x']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `sample: no run in ${at('none')} (looked for config.json)\n  hint: train one with \`tessera train --data datasets/emoji --out ${at('none')}\`\n`,
    );
  });

  test('a reader that closes the pipe early is no mistake', () => {
    const program = `'${process.execPath}' --import tsx src/cli.ts train --help`;
    const { status, stderr } = spawnSync('sh', ['-c', `{ ${program}; echo "exit $?" >&2; } | true`], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'exit 0\n' });
  });
});

describe('what is bad among what is good', () => {
  test('a zero-byte image is skipped, counted and named', async () => {
    const { code, stderr } = await tessera(...trainOn('one bad'));
    expect(stderr).toContain('1 item skipped, 8 used:\n  zero.png: empty file (0 bytes)\n');
    expect(stderr).toMatch(/codes: done in .*, 8 images/);
    expect(code).toBe(0);
  });

  test('an image cut off after its header is skipped, counted once and named when it is decoded', async () => {
    const { code, stderr } = await tessera(...trainOn('one cut off'));
    expect(stderr.match(/items? skipped/g)).toHaveLength(1);
    expect(stderr).toMatch(/1 item skipped, 8 used:\n {2}half\.png: .+\n/);
    expect(stderr).toMatch(/codes: done in .*, 8 images/);
    expect(code).toBe(0);
  });

  test('and stops the training with --strict', async () => {
    const outcome = await tessera(...trainOn('one cut off', '--strict'));
    expect(complaint(outcome)).toMatch(/^.*one cut off: half\.png: .+$/);
    expect(outcome.code).toBe(2);
  });

  test('data inspect counts it, and writes its sheet', async () => {
    const sheet = at('sheet.png');
    const { code, stdout } = await tessera('data', 'inspect', at('one bad'), '--sheet', sheet);
    expect(stdout).toContain('zero.png');
    expect((await sharp(readFileSync(sheet)).metadata()).format).toBe('png');
    expect(code).toBe(0);
  });
});

describe('odd images are trained on', () => {
  const frames = () =>
    sharp(Buffer.concat([Buffer.alloc(300, 200), Buffer.alloc(300, 20)]), {
      raw: { width: 10, height: 20, channels: 3, pageHeight: 10 },
    });
  const red = (space: string) =>
    sharp({ create: { width: 20, height: 20, channels: 3, background: 'red' } }).toColourspace(space);
  const odd: readonly [string, string, () => Promise<Buffer>][] = [
    ['one pixel', 'pixel.png', () => red('srgb').resize(1, 1).png().toBuffer()],
    ['one column', 'column.png', () => red('srgb').resize(1, 40, { fit: 'fill' }).png().toBuffer()],
    ['CMYK', 'cmyk.jpg', () => red('cmyk').jpeg().toBuffer()],
    ['16 bits', 'deep.png', () => red('rgb16').png().toBuffer()],
    ['grey', 'grey.png', () => red('b-w').png().toBuffer()],
    [
      'transparent',
      'clear.png',
      () =>
        sharp({ create: { width: 20, height: 20, channels: 4, background: '#f008' } })
          .png()
          .toBuffer(),
    ],
    [
      'an animated GIF',
      'moving.gif',
      () =>
        frames()
          .gif({ delay: [50, 50] })
          .toBuffer(),
    ],
    [
      'an animated WebP',
      'moving.webp',
      () =>
        frames()
          .webp({ delay: [50, 50] })
          .toBuffer(),
    ],
  ];

  test(odd.map(([name]) => name).join(', '), async () => {
    for (const [name, file, make] of odd) await writeItem(at('odd'), file, await make(), name);
    const { code, stderr } = await tessera(...trainOn('odd', '--strict'));
    expect(stderr).not.toContain('skipped');
    expect(stderr).toMatch(new RegExp(`codes: done in .*, ${odd.length} images`));
    expect(code).toBe(0);
  });

  test('and each can be put through the codes', async () => {
    const out = at('odd.png');
    const inputs = odd.map(([, file]) => join(at('odd'), file));
    const { code, stdout } = await tessera('reconstruct', '--run', run, '--out', out, ...inputs);
    expect(stdout).toContain(`${odd.length} images, mean PSNR`);
    expect(code).toBe(0);
  });

  test('a caption of 10,000 words, in Chinese, with emoji, or with a path in it paints into a folder of its own', async () => {
    const texts = ['word '.repeat(10_000), '红苹果', '🍎', '../../etc', 'CON', '.', 'a'.repeat(300)];
    const { code, stderr, stdout } = await tessera(
      ...['sample', '--run', run, '--outputs-dir', at('texts'), '--num-images', '1', '--text', texts.join('|')],
    );
    expect(stderr).toContain('is longer than 16 ids and was cut');
    expect(stderr).not.toMatch(/^ +at /m);
    expect(code).toBe(0);
    const folders = stdout.split('\n').filter(line => line.includes('1 image'));
    expect(folders).toHaveLength(texts.length);
    for (const line of folders) expect(line.startsWith(at('texts'))).toBe(true);
    expect(Object.keys(snapshot(at('texts'))).filter(file => file.endsWith('0.png'))).toHaveLength(texts.length);
  });
});
