/**
 * @file Speed of the transformer, measured and compared: `npm run bench -- train|sample [--rival FILE]`. Ours and the rival
 * run in turn, each round a process of its own, and medians are printed; so a machine whose speed drifts treats both
 * alike. A rival is a Python script that prints one JSON line with tokens_per_s or ms_per_step, and maxrss_mib.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { selectBackend } from '../src/backends/index.ts';
import { activeNative } from '../src/backends/native.ts';
import { runProgram } from '../src/cli.ts';
import type { Session } from '../src/commands/session.ts';
import { modelSchema } from '../src/config.ts';
import { Dalle } from '../src/dalle.ts';
import { UserError } from '../src/errors.ts';
import { generate } from '../src/generate.ts';
import { valueAndGradients } from '../src/kernels/autodiff.ts';
import { Optimizer } from '../src/optim.ts';
import { Random } from '../src/random.ts';

const modes = ['train', 'sample'] as const;

const flags = z.object({
  rival: z.string().optional().describe('Python script to compare with').meta({ title: 'file' }),
  python: z.string().default('/usr/bin/python3').describe('what runs the rival'),
  rounds: z.number().int().positive().default(3).describe('processes of each'),
  width: z.number().int().positive().default(256),
  layers: z.number().int().positive().default(6),
  heads: z.number().int().positive().default(4),
  captionLength: z.number().int().positive().default(256),
  grid: z.number().int().positive().default(32),
  captionVocab: z.number().int().positive().default(1024).describe('caption ids without pads'),
  imageVocab: z.number().int().positive().default(8192),
  batch: z.number().int().positive().default(4).describe('sequences a training step, or images painted at once'),
  steps: z.number().int().positive().default(5).describe('steps measured in a round, after two that warm up'),
  tokens: z.number().int().positive().default(128).describe('codes painted in a round'),
  json: z.boolean().default(false).describe('print one JSON object'),
  worker: z.enum(['fp32', 'bf16']).optional().describe('measure in this process (used by the rounds)'),
});
type Flags = z.output<typeof flags>;

/** One measurement; the greater `rate` is the better. */
interface Measured {
  readonly tokensPerSecond: number;
  readonly msPerStep: number;
  readonly peakMib: number;
}

function makeModel(f: Flags): Dalle {
  const config = modelSchema.parse({
    width: f.width,
    layers: f.layers,
    heads: f.heads,
    captionLength: f.captionLength,
    dropout: 0,
  });
  return new Dalle(config, { caption: f.captionVocab, image: f.imageVocab, grid: f.grid }, new Random(0));
}

function randomIds(random: Random, count: number, below: number): Int32Array {
  return Int32Array.from({ length: count }, () => random.integer(below));
}

async function measureTraining(f: Flags): Promise<number[]> {
  const model = makeModel(f);
  const random = new Random(1);
  const variables = model.parameters.list().map(({ variable }) => variable);
  const optimizer = new Optimizer(model.parameters.list(), {
    beta1: 0.9,
    beta2: 0.95,
    weightDecay: 0.05,
    clip: 1,
    ema: 0,
  });
  const batch = {
    captions: randomIds(random, f.batch * f.captionLength, f.captionVocab),
    codes: randomIds(random, f.batch * f.grid ** 2, f.imageVocab),
  };
  const times: number[] = [];
  for (let step = 0; step < f.steps + 2; step++) {
    const started = performance.now();
    const { loss, gradients } = valueAndGradients(() => {
      const losses = model.loss(batch, { random: new Random(step) });
      return { loss: losses.loss };
    }, variables);
    await optimizer.step(gradients, 1e-4);
    await loss.data();
    loss.dispose();
    times.push(performance.now() - started);
  }
  return times.slice(2);
}

async function measureSampling(f: Flags): Promise<number[]> {
  const model = makeModel(f);
  const caption = randomIds(new Random(1), f.captionLength, f.captionVocab);
  const times: number[] = [];
  let before = performance.now();
  const painting = generate(model, { captions: [caption], imagesPerCaption: f.batch, every: 1 });
  for (let i = 0; i < f.tokens; i++) {
    await painting.next();
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  await painting.return(new Float64Array());
  return times.slice(1); // the first holds the prefill
}

async function worker(mode: (typeof modes)[number], f: Flags, precision: 'fp32' | 'bf16'): Promise<Measured> {
  await selectBackend('native', { precision });
  const times = mode === 'train' ? await measureTraining(f) : await measureSampling(f);
  const msPerStep = median(times);
  const tokens = mode === 'train' ? f.batch * (f.captionLength + f.grid ** 2) : f.batch;
  return { msPerStep, tokensPerSecond: (1000 * tokens) / msPerStep, peakMib: process.resourceUsage().maxRSS / 1024 };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Runs a process and parses the last line it prints. */
function runJson(program: string, args: readonly string[]): Record<string, number> {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    const why = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    throw new UserError('bench', `${program} ${args[0]} failed (${why})`);
  }
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, number>;
}

function runRival(mode: (typeof modes)[number], f: Flags, precision: 'fp32' | 'bf16'): Measured {
  const shape = {
    d: f.width,
    layers: f.layers,
    heads: f.heads,
    seq: f.captionLength + f.grid ** 2,
    prompt: f.captionLength,
    vocab: f.captionLength + f.captionVocab + f.imageVocab,
    batch: f.batch,
    threads: availableParallelism(),
    ...(mode === 'train' ? { steps: f.steps } : { sample: f.tokens }),
  };
  const args = Object.entries(shape).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const said = runJson(f.python, [f.rival as string, ...args, ...(precision === 'bf16' ? ['--bf16'] : [])]);
  return {
    tokensPerSecond: said.tokens_per_s,
    msPerStep: said.ms_per_step ?? 1000 * said.s_per_step,
    peakMib: said.maxrss_mib,
  };
}

function summary(rounds: readonly Measured[]): Measured {
  return {
    tokensPerSecond: median(rounds.map(r => r.tokensPerSecond)),
    msPerStep: median(rounds.map(r => r.msPerStep)),
    peakMib: median(rounds.map(r => r.peakMib)),
  };
}

async function compare(session: Session, mode: (typeof modes)[number], f: Flags): Promise<void> {
  const me = fileURLToPath(import.meta.url);
  const { supportsBf16 } = await nativeFacts();
  const precisions = supportsBf16 ? (['fp32', 'bf16'] as const) : (['fp32'] as const);
  const rows: { name: string; runs: Measured[] }[] = [];
  const record = (name: string, measured: Measured) => {
    const row = rows.find(r => r.name === name);
    if (row === undefined) rows.push({ name, runs: [measured] });
    else row.runs.push(measured);
  };
  for (let round = 0; round < f.rounds; round++) {
    for (const precision of precisions) {
      const ours = runJson(process.execPath, [me, ...process.argv.slice(2), '--worker', precision]);
      record(`tessera ${precision}`, ours as unknown as Measured); // what `worker` printed
      if (f.rival !== undefined) record(`rival ${precision}`, runRival(mode, f, precision));
    }
  }
  const table = rows.map(({ name, runs }) => ({ name, ...summary(runs) }));
  const rate = (name: string) => table.find(row => row.name === name)?.tokensPerSecond ?? Number.NaN;
  const ratios = Object.fromEntries(
    precisions.flatMap(p => (f.rival === undefined ? [] : [[`ratio_${p}`, rate(`tessera ${p}`) / rate(`rival ${p}`)]])),
  );
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, node ${process.versions.node}`;
  if (f.json) {
    session.print(JSON.stringify({ mode, machine, table, ...ratios }));
    return;
  }
  session.print(`${mode}, batch ${f.batch}, medians of ${f.rounds} rounds on ${machine}`);
  for (const { name, tokensPerSecond, msPerStep, peakMib } of table) {
    session.print(
      `${name.padEnd(14)} ${tokensPerSecond.toFixed(0).padStart(8)} tokens/s ${msPerStep.toFixed(2).padStart(9)} ms/step ${peakMib.toFixed(0).padStart(6)} MiB`,
    );
  }
  for (const [name, value] of Object.entries(ratios)) session.print(`${name}: ${value.toFixed(2)}`);
}

async function nativeFacts(): Promise<{ supportsBf16: boolean }> {
  await selectBackend('native');

  return { supportsBf16: activeNative()?.supportsBf16 === true };
}

await runProgram(
  {
    name: 'bench',
    summary: 'measure training or sampling speed',
    examples: ['npm run bench -- train', 'npm run bench -- sample --batch 16 --rival torch_gpt.py'],
    positionals: [{ name: 'MODE', description: modes.join(' or ') }],
    flags,
    run: async (session, { values, positionals }) => {
      const mode = modes.find(name => name === positionals[0]);
      if (mode === undefined) throw new UserError('bench', `expected ${modes.join(' or ')}, got ${positionals[0]}`);
      if (values.worker === undefined) await compare(session, mode, values);
      else session.print(JSON.stringify(await worker(mode, values, values.worker)));
    },
  },
  process.argv.slice(2),
);
