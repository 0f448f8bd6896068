/** @file The quantizers there are, by name. */
import type { PatchConfig } from '../../src/config/patch.ts';
import type { Parameters } from '../../src/nn/module.ts';
import { DvaeQuantizer } from './dvae.ts';
import { FsqQuantizer } from './fsq.ts';
import type { Quantizer } from './quantizer.ts';
import { VqQuantizer } from './vq.ts';

/** Makes the quantizer that a config names, with its parameters (if any) in the given scope. */
export function createQuantizer(config: PatchConfig, patchSize: number, parameters: Parameters): Quantizer {
  switch (config.quantizer) {
    case 'fsq':
      return new FsqQuantizer(config.levels);
    case 'vq':
      return new VqQuantizer(config.codebookSize, config.codeDim, parameters);
    case 'dvae':
      return new DvaeQuantizer(config.codebookSize, patchSize, parameters);
    default:
      throw new Error(`no quantizer ${config.quantizer satisfies never}`);
  }
}
