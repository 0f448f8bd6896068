/**
 * @file Runs the program for its tests, as a process of its own or in this one, and makes what it works on: eight tiny
 * captioned drawings, and a config that learns them by heart in seconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, vi } from 'vitest';
import { runTessera } from '../../src/cli.ts';
import type { RunConfigInput } from '../../src/config/run.ts';
import type { Stop } from './stopping.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Outcome {
  /** null: killed by a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program as a process of its own, which may stop itself (stopping.ts). `onError` sees all of its stderr so far. */
export function startTessera(
  argv: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly onError?: (soFar: string, child: ChildProcess) => void;
    readonly stop?: Stop;
  } = {},
): Promise<Outcome> {
  const stopping =
    options.stop === undefined ? [] : ['--import', pathToFileURL(join(root, 'test/cli/stopping.ts')).href];
  return startProgram([...stopping, join('src', 'cli.ts')], argv, options);
}

/** A program of this repository as a process of its own. @param program flags of Node, then its file */
export function startProgram(
  program: readonly string[],
  argv: readonly string[],
  options: Parameters<typeof startTessera>[1] = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...program, ...argv], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env, TESSERA_TEST_STOP: JSON.stringify(options.stop ?? null) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
    options.onError?.(stderr, child);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** The program in this process, which is quicker: same flags, same output, same exit code. */
export function tessera(...argv: readonly string[]): Promise<Outcome> {
  return captured(() => runTessera(argv));
}

/** What a call of the program writes, and its exit code. */
export async function captured(program: () => Promise<void>): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(text => {
    stdout += text;
    return true;
  });
  const error = vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    stderr += text;
    return true;
  });
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await program();
    return { code: Number(process.exitCode), signal: null, stdout, stderr };
  } finally {
    process.exitCode = before;
    out.mockRestore();
    error.mockRestore();
  }
}

/** A folder that goes away with the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Captions of the drawings that `writeDrawings` makes. */
export const captions = ['red', 'blue', 'green', 'orange'].flatMap(colour =>
  ['circle', 'square'].map(shape => `${colour} ${shape}`),
);

/** The file of a drawing. */
export const fileOf = (caption: string) => `${caption.replace(' ', '-')}.png`;

/** A shape on white, `size` pixels wide, as a PNG. */
export async function draw(caption: string, size = 32): Promise<Buffer> {
  const [colour, shape] = caption.split(' ');
  const drawn =
    shape === 'circle'
      ? `<circle cx="16" cy="16" r="11" fill="${colour}"/>`
      : `<rect x="5" y="5" width="22" height="22" fill="${colour}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 32 32">${drawn}</svg>`;
  return sharp(Buffer.from(svg)).flatten({ background: 'white' }).png().toBuffer();
}

/** Eight drawings with their captions beside them. */
export async function writeDrawings(folder: string, size = 32): Promise<void> {
  for (const caption of captions) await writeItem(folder, fileOf(caption), await draw(caption, size), caption);
}

/**
 * The eight drawings twice, as a training and as a validation split: what is learnt by heart can be measured. @returns the
 * folder of the training split
 */
export async function writeSplitDrawings(folder: string, size = 32): Promise<string> {
  for (const side of ['train', 'validation']) await writeDrawings(join(folder, side), size);
  return join(folder, 'train');
}

/** An image and, unless undefined, its caption. */
export async function writeItem(folder: string, name: string, image: Uint8Array, caption?: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), image);
  if (caption !== undefined) writeFileSync(join(folder, name.replace(/\.\w+$/, '.txt')), caption);
}

/** Learns the eight drawings by heart: 4 x 4 codes of 32 x 32 pixels, all of it trained on. */
export const byHeart = {
  images: { imageSize: 32, validation: 0, crops: 1 },
  caption: { vocabSize: 300, bpeDropout: 0 },
  patch: { grid: 4, levels: [4, 4, 4], width: 8, maxWidth: 24, stem: 2, blocks: 1, codeBlocks: 1 },
  patchTrain: { steps: 200, batchSize: 8, lr: 0.005, ema: 0.9 },
  model: { captionLength: 16, width: 32, layers: 2, heads: 2, dropout: 0, captionDrop: 0.1 },
  train: {
    steps: 200,
    batchSize: 16,
    lr: 0.005,
    ema: 0.9,
    weightDecay: 0,
    evalEvery: 100,
    sampleEvery: 200,
    saveEvery: 100,
  },
} satisfies RunConfigInput;

/** Two steps of everything: a run that is there, and knows nothing. Small enough for the plain backend. */
export const hardlyTrained = {
  ...byHeart,
  patch: { ...byHeart.patch, width: 4, maxWidth: 8 },
  patchTrain: { ...byHeart.patchTrain, steps: 2, batchSize: 2 },
  train: { ...byHeart.train, steps: 2, batchSize: 2 },
} satisfies RunConfigInput;

export function writeConfig(path: string, config: RunConfigInput): string {
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** Every file below a folder with a hash of its bytes: equal before and after means that nothing was touched. */
export function snapshot(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
  const hashes = files.map(entry => {
    const path = join(entry.parentPath, entry.name);
    return [relative(folder, path), createHash('sha256').update(readFileSync(path)).digest('hex')] as const;
  });
  return Object.fromEntries(hashes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
