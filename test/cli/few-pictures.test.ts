/** @file What is said on screen, in the log and on a page where data is too small for what was asked: 5, 20 and 100 pictures. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { draw, hardlyTrained, temporaryFolder, tessera, writeConfig, writeItem } from './program.ts';

const folder = temporaryFolder();
const config = join(folder, 'config.json');
const runOf = (family: string, count: number) => join(folder, `${family}-${count}`);
const dataOf = (count: number) => join(folder, `data-${count}`);
const train = (family: string, count: number, ...flags: string[]) =>
  tessera(
    'train',
    '--data',
    dataOf(count),
    '--out',
    runOf(family, count),
    '--config',
    config,
    '--family',
    family,
    ...flags,
  );
const records = (run: string) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

beforeAll(async () => {
  writeConfig(config, {
    ...hardlyTrained,
    images: { ...hardlyTrained.images, validation: 0.1 },
    textTrain: { steps: 2, batchSize: 4 },
    gan: { width: 8 },
    train: { steps: 2, batchSize: 4, evalEvery: 1, sampleEvery: 2, saveEvery: 2 },
  });
  const shapes = ['circle', 'square'];
  for (const count of [5, 20, 100]) {
    for (let i = 0; i < count; i++) {
      const shade = `#${((i * 0x2b3) % 0x1000).toString(16).padStart(3, '0')}`;
      await writeItem(dataOf(count), `${i}.png`, await draw(`${shade} ${shapes[i % 2]}`), `shape ${i}`);
    }
  }
});

/** The findings of a comparison of one run, which read its log alone. */
async function findings(family: string, count: number): Promise<{ readonly text: string; readonly page: string }> {
  const page = join(folder, `${family}-${count}.html`);
  const { stdout, stderr, code } = await tessera('compare', runOf(family, count), '--out', page);
  expect([code, stderr]).toEqual([0, '']);
  return { text: stdout, page: readFileSync(page, 'utf8') };
}

describe('a GAN of 5 pictures', () => {
  test('is refused before anything is trained where the check was asked for', async () => {
    const { code, stderr } = await train('dcgan', 5, '--check-samples', '16');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /train: train\.checkSamples 16: samples are watched beside 8 held-out and 8 training images at least, got \d and \d\n {2}hint: --check-samples 0 trains without\n$/,
    );
    expect(existsSync(runOf('dcgan', 5))).toBe(false);
  });

  test('says at its beginning that nobody looks at its samples, logs it, and is not called diverged', async () => {
    const { code, stderr } = await train('dcgan', 5);
    expect(code).toBe(0);
    const why =
      /samples are not watched for collapse: that needs 8 held-out and 8 training images, there are \d and \d/;
    expect(stderr.match(new RegExp(why, 'g'))).toHaveLength(1);
    expect(stderr.search(why)).toBeLessThan(stderr.indexOf('text encoder'));
    expect(records(runOf('dcgan', 5)).filter(({ note }) => why.test(String(note)))).toHaveLength(1);
    const { text, page } = await findings('dcgan', 5);
    expect(text).toMatch(new RegExp(`1 DCGAN run was not checked \\(${why.source}\\)\\.`));
    expect(page).toMatch(new RegExp(`No run looked at its samples in training: ${why.source}\\.`));
    for (const claim of ['diverged</span>', 'collapsed</span>', 'stable</span>']) expect(page).not.toContain(claim);
  });
});

describe.each([20, 100])('a transformer of %i pictures', count => {
  test('says what so few held-out ones are worth, and the page says how many they are', async () => {
    const { code, stderr } = await train('transformer', count);
    expect(code).toBe(0);
    const run = runOf('transformer', count);
    const validations = records(run).filter(record => record.stage === 'transformer' && 'val_loss' in record);
    const { val_items: items, val_margin: margin } = validations[0] as { val_items: number; val_margin: number };
    expect(items).toBe(heldOutOf(run));
    const said = `${items} held-out pictures: held-out loss is good to about ±${margin.toPrecision(2)}; --validation holds out more`;
    expect(stderr.split(said)).toHaveLength(2);
    expect(stderr).toMatch(/painting takes the averaged weights of the last step, 2[,;]/);
    const { text, page } = await findings('transformer', count);
    expect(page).toContain(`2 validation losses of ${items} held-out images`);
    expect(text).not.toMatch(/diverged \(|by heart/);
  });
});

/** As many as the codes of the validation side name. */
function heldOutOf(run: string): number {
  const bytes = readFileSync(join(run, 'codes', 'validation.safetensors'));
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  return (JSON.parse(header.__metadata__.ids) as string[]).length;
}
