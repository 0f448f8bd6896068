/** @file Whose folder a training may take: what is new, empty or a run, and nothing else. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { copyFirstStage } from '../../scripts/stages.ts';
import { planFeatures } from '../../src/runs/features.ts';
import { configOfRun, withRun } from '../../src/runs/run.ts';
import { hardlyTrained, snapshot, temporaryFolder, tessera, writeDrawings } from '../cli/program.ts';
import { folder } from '../data/files.ts';

const shipped = readFileSync('models/emoji/config.json', 'utf8');

test.each([
  ['pictures', { 'cat.png': 'mine' }, 'got one with cat.png'],
  ['runs', { 'a/config.json': shipped, 'b/config.json': shipped }, 'got one with a and 1 more'],
  ['weights without a config', { 'model.safetensors': 'mine' }, 'got one with model.safetensors'],
  ['a folder of states of its own', { 'state/texas.json': 'mine' }, 'got one with state'],
  [
    'a model of another program',
    { 'config.json': '{"architectures": ["CLIPModel"]}' },
    'the config.json of something else',
  ],
  ['an empty config', { 'config.json': '{}' }, 'the config.json of something else'],
])(
  'a folder with %s is refused by train and features, and nothing changes',
  async (_, files: Record<string, string>, says) => {
    const out = await folder(files);
    const before = snapshot(out);
    await expect(configOfRun(out, {})).rejects.toThrow(says);
    await expect(planFeatures(out, {})).rejects.toThrow(says);
    const config = await configOfRun(join(out, 'new'), {});
    await expect(withRun(out, { config }, async () => {})).rejects.toThrow(says);
    expect(snapshot(out)).toEqual(before);
  },
);

test.each([
  ['hidden files alone', { '.gitkeep': '', '.DS_Store': '' }],
  ['what a run has that was stopped at once', { 'state/lock': '', 'state/data.safetensors': '' }],
  ['a half-written config', { 'state/lock': '', '.config.json.1.x.tmp': '' }],
])('a folder with %s is taken', async (_, files: Record<string, string>) => {
  expect((await configOfRun(await folder(files), {})).family).toBe('transformer');
});

test('the command refuses before it reads the data', async () => {
  const out = await folder({ 'photo.jpg': 'mine' });
  for (const command of ['train', 'features']) {
    const { code, stdout, stderr } = await tessera(command, '--data', join(out, 'nowhere'), '--out', out);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `${out}: expected a new or empty folder, or a run, got one with photo.jpg\n` +
        '  hint: choose another folder; in this one nothing was changed\n',
    );
  }
});

test('a run that takes over what another trained is its own from the first file, and no longer marked once it is a run', async () => {
  const root = temporaryFolder();
  await writeDrawings(join(root, 'data'));
  const from = join(root, 'from');
  const config = join(root, 'config.json');
  writeFileSync(config, JSON.stringify(hardlyTrained));
  const argv = ['train', '--data', join(root, 'data'), '--backend', 'native'];
  expect((await tessera(...argv, '--config', config, '--out', from)).code).toBe(0);
  const to = join(root, 'to');
  await copyFirstStage('patch', from, to);
  await copyFirstStage('patch', from, to); // stopped and started again
  const begun = snapshot(to);
  expect(Object.keys(begun)).toContain('unfinished.json');
  expect(begun['patch.safetensors']).toBe(snapshot(from)['patch.safetensors']);
  expect((await tessera(...argv, '--config', config, '--out', to)).code).toBe(0);
  const { 'unfinished.json': mark, 'patch.safetensors': patch } = snapshot(to);
  expect({ mark, patch }).toEqual({ mark: undefined, patch: begun['patch.safetensors'] });
  // A user's files are not written over by what is taken over either.
  const mine = join(root, 'mine', 'codes', 'train.safetensors');
  mkdirSync(dirname(mine), { recursive: true });
  writeFileSync(mine, 'mine');
  await expect(copyFirstStage('patch', from, join(root, 'mine'))).rejects.toThrow('got one with codes');
  expect(readFileSync(mine, 'utf8')).toBe('mine');
});
