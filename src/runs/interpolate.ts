/** @file Painting the way from picture to picture into an animated file: between captions, between seeds, or both at once. */

import { existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { RunConfig } from '../config/run.ts';
import { kebab } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { counted } from '../core/numbers.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import type { Keyframe } from '../families/painter.ts';
import { type AnimationFormat, encodeAnimation } from '../image/animation.ts';
import { writeAtomic } from '../io/atomic.ts';
import { expectOutput } from '../io/outputs.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { openPainter } from './open-painter.ts';
import { type EngineFlags, type Session, startEngine } from './session.ts';

export interface InterpolateRequest extends EngineFlags {
  readonly run: string;
  /** What is passed, in order: as many captions as seeds, or one of either for all. */
  readonly captions: readonly string[];
  readonly seeds: readonly number[];
  readonly frames: number;
  readonly fps: number;
  readonly loop: boolean;
  /** The file; its ending says which kind. Default: a new one in `outputs`. */
  readonly out?: string;
  /** Default: so that pictures are 256 pixels wide or a little more. */
  readonly scale?: number;
  readonly cfgScale?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly weights?: WeightKind;
}

/** What was written. */
export interface Interpolated {
  readonly path: string;
  readonly frames: number;
  readonly seconds: number;
  readonly bytes: number;
}

/** Settings that only some families follow. */
const SETTINGS = ['cfgScale', 'steps'] as const;

/**
 * Paints and writes the file.
 * @throws UserError if the run's family has nothing between two pictures, or an argument does not fit
 */
export async function interpolateRun(session: Session, request: InterpolateRequest): Promise<Interpolated> {
  const { run, frames, fps, loop, backend, precision, threads, weights, batchSize, cfgScale, steps } = request;
  const keyframes = keyframesOf(request);
  checkFamily(request, await readRun(run, 'interpolate'));
  const out = request.out ?? freeName();
  const format = formatOf(out);
  await expectOutput('interpolate: --out', out, { kind: 'animation', named: true, inputs: [run] });
  await startEngine(session, request);
  const painter = await openPainter(run, { weights, backend, precision, threads });
  try {
    if (painter.interpolate === undefined) throw new Error(`${painter.family} says that it interpolates, and does not`);
    const { reporter, signal } = session;
    reporter.stage('interpolating', { total: frames, counts: 'image', unit: 'images' });
    const pictures = await painter.interpolate(keyframes, {
      frames,
      loop,
      cfgScale,
      steps,
      batchSize,
      onProgress: done => reporter.update({ step: Math.floor(done), amount: done }),
      signal,
    });
    const scale = request.scale ?? Math.max(1, Math.ceil(256 / painter.imageSize));
    const bytes = await encodeAnimation(pictures, { format, fps, scale });
    await writeAtomic(out, bytes);
    reporter.done(counted(pictures.length, 'image'));
    return { path: out, frames: pictures.length, seconds: pictures.length / fps, bytes: bytes.length };
  } finally {
    painter.dispose();
  }
}

/** @throws UserError unless captions and seeds go together */
function keyframesOf({ captions, seeds, frames, loop }: InterpolateRequest): Keyframe[] {
  const count = Math.max(captions.length, seeds.length);
  const [all, some] = [captions.length, seeds.length];
  if ((all !== count && all !== 1) || (some !== count && some !== 1)) {
    throw new UserError('interpolate', `expected as many seeds as captions, or one of either, got ${all} and ${some}`);
  }
  if (count < 2) {
    throw new UserError(
      'interpolate',
      'expected two captions or two seeds at least, got one of each',
      "e.g. --text 'red apple|green apple' or --seeds 1,2",
    );
  }
  const least = count + (loop ? 1 : 0);
  if (frames < least) throw new UserError('interpolate: --frames', `expected at least ${least}, got ${frames}`);
  return Array.from({ length: count }, (_, i) => ({
    caption: captions[all === 1 ? 0 : i],
    seed: seeds[some === 1 ? 0 : i],
  }));
}

/** @throws UserError if nothing lies between two pictures of the run's family, or it does not follow a setting */
function checkFamily(request: InterpolateRequest, config: RunConfig): void {
  const { interpolates, sampling, words } = familyOf(config.family);
  if (interpolates !== true) {
    throw new UserError(
      'interpolate: --run',
      `nothing lies between two pictures of ${request.run}: ${words.paints}, not out of noise that could be moved`,
      'name a run of a GAN or a diffusion model',
    );
  }
  const followed = sampling(config);
  const stray = SETTINGS.find(name => request[name] !== undefined && followed[name] === undefined);
  if (stray === undefined) return;
  throw new UserError('interpolate', `--${kebab(stray)}: ${request.run} is a ${config.family} run; ${words.paints}`);
}

function formatOf(path: string): AnimationFormat {
  const ending = extname(path).toLowerCase();
  if (ending === '.webp' || ending === '.gif') return ending === '.gif' ? 'gif' : 'webp';
  throw new UserError('interpolate: --out', `expected a name that ends in .webp or .gif, got ${path}`);
}

/** Nothing tells whose animation a file is: a name that is not taken. */
function freeName(): string {
  for (let number = 1; ; number++) {
    const path = join('outputs', `interpolation${number === 1 ? '' : `_${number}`}.webp`);
    if (!existsSync(path)) return path;
  }
}
