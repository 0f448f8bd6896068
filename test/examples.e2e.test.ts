/** @file Every example runs, small, and does what it says. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePng, openPainter, type Painter, readPngText, shippedModel } from '../src/index.ts';
import { root, temporaryFolder, writeDrawings } from './cli/program.ts';

const folder = temporaryFolder();
const started: (() => void)[] = [];
afterAll(() => {
  for (const stop of started) stop();
});

/** Runs an example in a folder of its own. */
function start(name: string, ...argv: readonly string[]) {
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(root, 'examples', name), ...argv],
    {
      cwd: folder,
      env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  started.push(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  const waiting: (() => void)[] = [];
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
    for (const wake of waiting.splice(0)) wake();
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>(resolve => {
    child.once('close', code => {
      resolve({ code, stdout, stderr });
      for (const wake of waiting.splice(0)) wake();
    });
  });
  /** What it has printed once that has a match. */
  const printed = async (pattern: RegExp): Promise<RegExpMatchArray> => {
    for (;;) {
      const match = stdout.match(pattern);
      if (match !== null) return match;
      if (child.exitCode !== null) throw new Error(`${name} ended without ${pattern}: ${stdout}${stderr}`);
      await new Promise<void>(resolve => waiting.push(resolve));
    }
  };
  return { child, ended, printed };
}

test('all are in the list of README.md, and none is longer than 60 lines', () => {
  const files = readdirSync(join(root, 'examples')).filter(name => name.endsWith('.ts'));
  const readme = readFileSync(join(root, 'examples', 'README.md'), 'utf8');
  expect(files.filter(name => !readme.includes(`(${name})`))).toEqual([]);
  const long = files.filter(name => readFileSync(join(root, 'examples', name), 'utf8').split('\n').length > 61);
  expect(long).toEqual([]);
});

test('train-on-a-folder: trains with progress and paints', async () => {
  await writeDrawings(join(folder, 'photos'));
  const small = { patchTrain: { steps: 2 }, train: { steps: 2 } };
  await writeFile(join(folder, 'small.json'), JSON.stringify(small));
  const { ended } = start('train-on-a-folder.ts', 'photos', 'run', 'red circle', 'tiny', 'small.json');
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('8 images, 0 cannot be used');
  expect(stdout).toMatch(/^transformer: /m);
  expect(readPngText(readFileSync(join(folder, 'painted.png'))).caption).toBe('red circle');
});

test('custom-mask: a pattern from outside is trained with and painted with', async () => {
  await writeDrawings(join(folder, 'drawings'));
  const small = { patchTrain: { steps: 2 }, train: { steps: 2 } };
  await writeFile(join(folder, 'small.json'), JSON.stringify(small));
  const { ended } = start('custom-mask.ts', 'drawings', 'woven', 'red circle', 'tiny', 'small.json');
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^transformer: /m);
  expect(JSON.parse(readFileSync(join(folder, 'woven', 'config.json'), 'utf8')).model.attention).toBe('woven');
  expect(readPngText(readFileSync(join(folder, 'woven.png'))).caption).toBe('red circle');
  // Without the definition the run is not opened, and the message says what is missing.
  await expect(openPainter(join(folder, 'woven'))).rejects.toThrow(
    /attention: expected one of full or dalle, got "woven"/,
  );
});

describe('paint-server', () => {
  let painter: Painter;
  let server: ReturnType<typeof start>;
  let address: string;

  beforeAll(async () => {
    painter = await openPainter(shippedModel());
    server = start('paint-server.ts', '0');
    [, address] = await server.printed(/(http:\/\/localhost:\d+\/)/);
  });
  afterAll(() => painter.dispose());

  test('answers requests of the same moment with the pictures that each would get alone', async () => {
    const captions = ['red apple', 'blue heart', 'red apple'];
    const answers = await Promise.all(
      captions.map(async (caption, seed) => {
        const answer = await fetch(`${address}?${new URLSearchParams({ text: caption, seed: String(seed) })}`);
        expect(answer.headers.get('content-type')).toBe('image/png');
        return Buffer.from(await answer.arrayBuffer());
      }),
    );
    for (const [seed, caption] of captions.entries()) {
      const [picture] = await painter.paint([caption], { seed });
      const wanted = Buffer.from(await encodePng(picture, { text: { caption } }));
      expect(answers[seed].equals(wanted)).toBe(true);
    }
  });

  test('tells who asks what is wrong', async () => {
    const answer = await fetch(`${address}?text=x&seed=-1`);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toBe('paint: seed: expected a whole number from 0 to 4294967295, got -1');
  });

  test('ends when it is asked to', async () => {
    server.child.kill('SIGTERM');
    expect((await server.ended).code).toBe(0);
  });
});

test('inspect-likelihood: a picture of the model is likelier under its own caption', async () => {
  const painter = await openPainter(shippedModel());
  const [picture] = await painter.paint(['red apple'], { seed: 0 });
  painter.dispose();
  await writeFile(join(folder, 'apple.png'), await encodePng(picture));
  const { code, stdout, stderr } = await start('inspect-likelihood.ts', 'apple.png', 'red apple', 'blue heart').ended;
  expect(code, stderr).toBe(0);
  const [own, other] = [...stdout.matchAll(/": (-?[\d.]+) nats/g)].map(([, nats]) => Number(nats));
  expect(own).toBeGreaterThan(other);
  expect(own).toBeLessThan(0);
  expect(stdout.split('\n').filter(line => /^( *-?\d+\.\d){8}$/.test(line))).toHaveLength(16);
});

test('custom-command: a command beside the others, with its help and its refusals', async () => {
  const painted = await start('custom-command.ts', 'colour', 'red apple', 'blue heart', '--seed', '1').ended;
  expect(painted.code, painted.stderr).toBe(0);
  const colours = [...painted.stdout.matchAll(/^(.+): #(..)..(..)$/gm)];
  expect(colours.map(([, caption]) => caption)).toEqual(['red apple', 'blue heart']);
  const [apple, heart] = colours.map(([, , red, blue]) => Number.parseInt(red, 16) - Number.parseInt(blue, 16));
  expect(apple).toBeGreaterThan(0); // more red than blue
  expect(heart).toBeLessThan(0);
  const help = await start('custom-command.ts', '--help').ended;
  expect(help.stdout).toMatch(/^ {2}colour +say the mean colour of what captions paint$/m);
  expect(help.stdout).toMatch(/^ {2}sample +paint captions$/m);
  const wrong = await start('custom-command.ts', 'colour', 'x', '--imags', '2').ended;
  expect(wrong).toEqual({ code: 2, stdout: '', stderr: 'colour: unknown flag --imags, did you mean --images?\n' });
});
