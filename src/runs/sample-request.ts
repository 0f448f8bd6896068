/** @file What can be asked of a painting by `sample`, and which of it does not go together. */
import type { Split } from '../../data/dataset.ts';
import type { RunConfig } from '../config/run.ts';
import { kebab } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { familyOf } from '../families/families.ts';
import { type SamplingSetting, samplingSettings, whyIgnored } from '../families/family.ts';
import type { SamplingOptions } from '../families/transformer/generate.ts';
import type { WeightKind } from '../io/runfiles.ts';
import type { CompletionFlags } from './completion.ts';
import type { EngineFlags } from './session.ts';

export interface SampleRequest extends EngineFlags, SamplingOptions, CompletionFlags {
  /** Default: the model that comes with the package. */
  readonly run?: string;
  /** Of a diffusion model. */
  readonly steps?: number;
  readonly seed: number;
  /** Paints `numImages` of each of these instead; the files are named by them. */
  readonly seeds?: readonly number[];
  /** Each once; '' is none. */
  readonly captions: readonly string[];
  /** Images of each caption and seed. */
  readonly numImages: number;
  /** Most images painted at once; default: as many as fit. */
  readonly batchSize?: number;
  readonly outputsDir: string;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  readonly preview: boolean;
  readonly rerank?: string;
  readonly bestOf?: number;
  readonly nearest: boolean;
  readonly data?: string;
  /** Sides of the data that the nearest images are of; default: what the run was trained on. */
  readonly split?: readonly Split[];
}

/** A request whose run is known. */
export interface Chosen extends SampleRequest {
  readonly run: string;
}

/** @throws UserError if flags do not go together: said before anything slow begins */
export function checkFlags({ bestOf, numImages, image, keepRows, mask, nearest, data }: SampleRequest): void {
  const refuse = (what: string, hint: string) => {
    throw new UserError('sample', what, hint);
  };
  if (bestOf !== undefined && bestOf < numImages) {
    refuse(
      `expected --best-of of at least --num-images, which is ${numImages}, got ${bestOf}`,
      'e.g. --best-of 32 --num-images 4',
    );
  }
  if (image === undefined && (keepRows !== undefined || mask !== undefined)) {
    refuse(`expected --image with ${mask === undefined ? '--keep-rows' : '--mask'}, got none`, 'add --image FILE');
  }
  if (image !== undefined && (keepRows === undefined) === (mask === undefined)) {
    refuse(
      `expected either --keep-rows or --mask with --image, got ${mask === undefined ? 'neither' : 'both'}`,
      'e.g. --image x.png --keep-rows 14',
    );
  }
  if (nearest && data === undefined) {
    refuse('expected --data with --nearest, got none', 'add --data, the folder that the run was trained on');
  }
}

/** Flags that only families understand whose images appear piece by piece. */
const PIECEWISE = ['image', 'keepRows', 'mask', 'preview'] as const;

function isSetting(flag: string): flag is SamplingSetting {
  return samplingSettings.some(setting => setting === flag);
}

/** @throws UserError if the run's family cannot follow a flag */
export function checkFamilyFlags(request: Chosen, config: RunConfig): void {
  const { sampling, piecewise, words } = familyOf(config.family);
  const followed = sampling(config);
  const ignored = [
    ...samplingSettings.filter(setting => followed[setting] === undefined),
    ...(piecewise === true ? [] : PIECEWISE),
  ];
  const stray = ignored.find(flag => request[flag] !== undefined && request[flag] !== false);
  if (stray === undefined) return;
  throw new UserError(
    'sample',
    `--${kebab(stray)}: ${request.run} is a ${config.family} run; ${isSetting(stray) ? whyIgnored(stray, words) : words.paints}`,
    'leave the flag out, or paint with a run of another family',
  );
}
