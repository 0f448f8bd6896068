/**
 * @file What the mutation loop damages: a tiny run of every kind, its files, and the commands that load and use each of
 * them. Knows the layout of a run; not how files are damaged or watched.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RunConfigInput } from '../../src/config/run.ts';
import { encodePng } from '../../src/image/png.ts';
import { fingerprint, runPaths } from '../../src/io/runfolder.ts';
import { type FileKind, withHeader } from './mutations.ts';

/** A file of a run, and what is done with a copy of the run in which it is damaged. */
export interface Target {
  /** Which of the runs, and the file in it: `transformer/config.json`; `#...` tells apart what is done with it. */
  readonly name: string;
  /** The run's folder under `runs`. */
  readonly run: string;
  readonly file: string;
  readonly kind: FileKind;
  /** @param run the copy; @param out a folder that is not there yet; @returns argv of each command, in order */
  readonly commands: (run: string, out: string) => readonly (readonly string[])[];
}

const common = {
  images: { imageSize: 8, validation: 0.3, crops: 1 },
  caption: { vocabSize: 260, bpeDropout: 0 },
  train: { steps: 1, batchSize: 2, evalEvery: 1, sampleEvery: 1, saveEvery: 1, logEvery: 1, checkSamples: 0 },
} satisfies RunConfigInput;

const text = {
  text: { length: 4, dim: 4, width: 8, layers: 1, heads: 2, imageWidth: 8 },
  textTrain: { steps: 1, batchSize: 2 },
} satisfies RunConfigInput;

/** As small as the families allow. */
const configs = {
  transformer: {
    ...common,
    patch: { grid: 2, quantizer: 'vq', codebookSize: 4, codeDim: 2, width: 8, maxWidth: 8, stem: 2, blocks: 1 },
    patchTrain: { steps: 1, batchSize: 2 },
    model: { captionLength: 4, width: 8, layers: 1, heads: 2, dropout: 0 },
  },
  dcgan: { ...common, ...text, family: 'dcgan', gan: { latent: 4, width: 4, predict: 'both' } },
  diffusion: {
    ...common,
    ...text,
    family: 'diffusion',
    diffusion: { stem: 2, width: 8, multipliers: [1], attention: [4], embedding: 8, sampleSteps: 1 },
  },
} satisfies Record<string, RunConfigInput>;

type Name = keyof typeof configs;
const names = Object.keys(configs) as readonly Name[];

/** Runs a command of the program. @returns its exit code and what it said */
export type Program = (argv: readonly string[]) => Promise<{ readonly code: number; readonly said: string }>;

/** Where the pictures that the runs are trained on lie. */
const dataOf = (folder: string) => join(folder, 'data');

/**
 * Draws pictures and trains the runs on them, each as it is when its last stage has a step left to do, and once more as it
 * is when the stage before has.
 * @throws Error if a training fails
 */
export async function makeRuns(folder: string, tessera: Program): Promise<void> {
  mkdirSync(dataOf(folder), { recursive: true });
  for (let i = 0; i < 5; i++) {
    const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, at) => (i * 48 + (at % 3) * 60) % 256);
    writeFileSync(join(dataOf(folder), `${i}.png`), await encodePng({ width: 16, height: 16, data }));
    writeFileSync(join(dataOf(folder), `${i}.txt`), `picture ${i}`);
  }
  for (const name of names) {
    const run = join(folder, name);
    const config = join(folder, `${name}.json`);
    writeFileSync(config, JSON.stringify(configs[name]));
    const argv = ['train', '--data', dataOf(folder), '--out', run, '--config', config, '--precision', 'fp32'];
    const { code, said } = await tessera(argv);
    if (code !== 0) throw new Error(`the training of ${name} ended with ${code}:\n${said}`);
    const before = join(folder, `${name}-before`);
    cpSync(run, before, { recursive: true });
    // One step more of the model; and of what comes before it, from where the model begins anew.
    writeSteps(run, 'train');
    writeSteps(before, name === 'transformer' ? 'patchTrain' : 'textTrain');
    const { weights, modelState, trainingCodes } = runPaths(before);
    for (const path of [...Object.values(weights), modelState, dirname(trainingCodes)]) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function writeSteps(run: string, section: 'train' | 'patchTrain' | 'textTrain'): void {
  const { config } = runPaths(run);
  const stored = JSON.parse(readFileSync(config, 'utf8')) as Record<typeof section, object>;
  writeFileSync(config, JSON.stringify({ ...stored, [section]: { ...stored[section], steps: 2 } }));
}

/** What there is to damage. @param folder where `makeRuns` has made the runs */
export function targetsOf(folder: string): readonly Target[] {
  const train = (run: string) => [['train', '--data', dataOf(folder), '--out', run, '--precision', 'fp32']];
  const sample = (weights: string) => (run: string, out: string) => [
    ['sample', '--run', run, '--text', 'picture 1', '-n', '1', '--weights', weights, '--outputs-dir', out],
  ];
  const compare = (run: string, out: string) => [['compare', run, '--out', join(out, 'page.html')]];
  const stateFiles: readonly (readonly [string, FileKind])[] = [
    ['current', 'json'],
    ['state.json', 'json'],
    ['weights.safetensors', 'safetensors'],
    ['optimizer.safetensors', 'safetensors'],
    ['task.safetensors', 'safetensors'],
  ];
  return names.flatMap(name => {
    const target = (run: string, file: string, kind: FileKind, commands: Target['commands'], use = ''): Target => {
      return { name: `${run}/${file}${use}`, run, file, kind, commands };
    };
    const part = name === 'transformer' ? 'patch' : 'text';
    const states = (run: string, stage: string) =>
      stateFiles.map(([file, kind]) => target(run, stateFile(join(folder, run), stage, file), kind, train));
    const weights = ['model', 'ema', 'best'].filter(file => existsSync(join(folder, name, `${file}.safetensors`)));
    return [
      target(name, 'config.json', 'json', sample('ema')),
      target(name, 'config.json', 'json', train, '#train'),
      target(name, 'tokenizer.json', 'json', sample('ema')),
      target(name, 'captions.jsonl.gz', 'lines', (run, out) => [
        ...sample('ema')(run, out),
        ['captions', '--run', run, '--search', 'picture'],
      ]),
      target(name, `${part}.safetensors`, 'safetensors', sample('ema')),
      ...weights.map(file =>
        target(name, `${file}.safetensors`, 'safetensors', sample(file === 'model' ? 'last' : file)),
      ),
      ...(name === 'transformer' ? ['train', 'validation'] : []).map(side =>
        target(name, join('codes', `${side}.safetensors`), 'safetensors', train),
      ),
      target(name, join('state', 'data.safetensors'), 'safetensors', train),
      target(name, join('state', 'engine.json'), 'json', train),
      target(name, 'metrics.jsonl', 'lines', compare),
      target(name, 'metrics.jsonl', 'lines', train, '#train'),
      ...states(name, 'model'),
      ...states(`${name}-before`, part),
    ];
  });
}

/** A file of a saved state: `current` beside the generations, the others in the last of them. */
function stateFile(run: string, stage: string, file: string): string {
  const folder = join('state', stage);
  if (file === 'current') return join(folder, file);
  const { generation } = JSON.parse(readFileSync(join(run, folder, 'current'), 'utf8')) as { generation: number };
  return join(folder, String(generation), file);
}

/**
 * Makes the rest of a run agree with a file that was changed, as whoever makes a file to do harm would: the fingerprints in
 * the weights of the model, the sizes in a saved state. Otherwise all changes would be refused for their bytes alone.
 */
export async function makeAgree(run: string, file: string): Promise<void> {
  const path = join(run, file);
  if (!lstatSync(path).isFile()) return;
  const key = keys[file];
  if (key !== undefined) {
    const hash = await fingerprint(path);
    for (const weights of Object.values(runPaths(run).weights)) if (existsSync(weights)) sign(weights, key, hash);
  }
  const current = join(dirname(dirname(path)), 'current');
  if (!/^state.[a-z]+.\d+/.test(file) || !existsSync(current)) return;
  const pointer = JSON.parse(readFileSync(current, 'utf8')) as { generation: number; files: Record<string, number> };
  const files = { ...pointer.files, [basename(path)]: statSync(path).size };
  writeFileSync(current, JSON.stringify({ ...pointer, files }));
}

/** The fingerprints that weights carry of other files. */
const keys: Readonly<Partial<Record<string, string>>> = {
  'tokenizer.json': 'caption_tokenizer',
  'patch.safetensors': 'patch_tokenizer',
  'text.safetensors': 'text_encoder',
};

function sign(weights: string, key: string, hash: string): void {
  const bytes = readFileSync(weights);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as { __metadata__: Record<string, string> };
  header.__metadata__[key] = hash;
  writeFileSync(weights, withHeader(JSON.stringify(header), bytes.subarray(8 + length)));
}
