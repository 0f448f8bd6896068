/** @file Small GANs for tests: every parameter random, because branches that start at zero would hide mistakes. */

import { Random } from '../../../src/core/random.ts';
import { type GanConfig, ganSchema } from '../../../src/families/gan/config.ts';
import { Gan, type GanKind } from '../../../src/families/gan/gan.ts';

export const kinds: readonly GanKind[] = ['dcgan', 'r3gan'];

export const textDim = 5;

export function tinyConfig(options: Partial<GanConfig> = {}): GanConfig {
  return ganSchema.parse({ latent: 4, width: 4, ...options });
}

export function tinyGan(kind: GanKind, options: Partial<GanConfig> = {}, imageSize = 8): Gan {
  const gan = new Gan(tinyConfig(options), { imageSize, textDim }, new Random(1), kind);
  const values = new Map(
    gan.parameters.list().map(({ name, variable }) => {
      const inputs = variable.rank < 2 ? 1 : variable.size / (variable.shape[0] as number);
      const drawn = new Random(2).fork(name).normals(variable.size, variable.rank < 2 ? 0.3 : 1.2 / Math.sqrt(inputs));
      const gain = name.endsWith('norm.weight') || name.endsWith('variance');
      return [name, { shape: [...variable.shape], values: gain ? drawn.map(x => 1 + Math.abs(x)) : drawn }] as const;
    }),
  );
  gan.parameters.load(new Map(values), 'test');
  return gan;
}
