/**
 * @file The config of a transformer's run as a page reads it, which brings no schemas along: the settings that painting
 * needs, with the defaults and ranges that the schemas give them (config.ts, src/config). Tests hold the two together.
 */
import {
  booleanCheck,
  type Check,
  checkValue,
  choiceCheck,
  found,
  isRecord,
  listCheck,
  numberCheck,
  wholeCheck,
} from '../../core/checks.ts';
import { UserError } from '../../core/errors.ts';
import { maskPatterns } from '../../nn/masks.ts';
import { codeOrders } from '../../nn/orders.ts';
import type { PaintedConfig } from './codepainter.ts';
import { checkTransformer } from './config-checks.ts';

/** What a field must be, and what it is where it is left out. */
type Field = readonly [check: Check, otherwise?: unknown];

const count = (most = 1e9) => wholeCheck({ least: 1, most });
const channels = wholeCheck({ least: 1, most: 65536 });
const depth = wholeCheck({ least: 1, most: 1024 });
const share = numberCheck({ least: 0, most: 1 });
const amount = numberCheck({ least: 0 });

const imageFields: Readonly<Record<string, Field>> = { imageSize: [wholeCheck({ least: 8, most: 4096 }), 128] };

const patchFields: Readonly<Record<string, Field>> = {
  grid: [count(128), 32],
  quantizer: [choiceCheck(['fsq', 'vq', 'dvae']), 'fsq'],
  levels: [listCheck('whole numbers', wholeCheck({ least: 2, most: 65536 }), { least: 1 }), [8, 5, 5, 5]],
  codebookSize: [wholeCheck({ least: 2, most: 65536 }), 8192],
  codeDim: [count(4096), 8],
  width: [channels, 32],
  maxWidth: [channels, 96],
  stem: [count(64), 2],
  blocks: [depth, 2],
  codeBlocks: [depth, 2],
};

const modelFields = (): Readonly<Record<string, Field>> => ({
  captionLength: [count(4096), 256],
  width: [channels, 256],
  layers: [depth, 6],
  heads: [count(1024), 4],
  mlp: [choiceCheck(['swiglu', 'gelu']), 'swiglu'],
  mlpWidth: [count(2 ** 20)],
  norm: [choiceCheck(['rms', 'layer']), 'rms'],
  qkNorm: [booleanCheck, true],
  positions: [choiceCheck(['rope', 'learned', 'both']), 'both'],
  order: [choiceCheck(codeOrders), 'raster'],
  coarse: [wholeCheck({ least: 0, most: 256 }), 0],
  attention: [choiceCheck([...maskPatterns().keys()]), 'full'],
  convKernel: [count(255), 11],
  dropout: [share, 0.1],
  dropoutAfter: [amount, 0],
  codeNoise: [share, 0],
  variants: [listCheck('names', { expected: 'a name', fits: value => typeof value === 'string' }), []],
  captionDrop: [share, 0.1],
  captionWeight: [share, 0.125],
  zLoss: [amount, 1e-5],
});

const samplingFields: Readonly<Record<string, Field>> = {
  temperature: [numberCheck({ least: 0, most: 100 }), 1],
  fineTemperature: [numberCheck({ least: 0, most: 100 }), 1],
  topK: [wholeCheck({ least: 0 }), 0],
  topP: [numberCheck({ above: 0, most: 1 }), 1],
  cfgScale: [numberCheck({ least: 0, most: 100 }), 3],
};

/**
 * Takes what painting needs out of a parsed config.json.
 * @param where the file, for messages
 * @throws UserError naming what is wrong, unknown, or of another family than the transformer
 */
export function readPaintedConfig(config: unknown, where: string): PaintedConfig {
  if (!isRecord(config)) throw new UserError(where, `expected the config of a run, got ${found(config)}`);
  const { family = 'transformer' } = config;
  if (family !== 'transformer') {
    throw new UserError(where, `expected a run of the family transformer, got ${found(family)}`, notPainted);
  }
  const { images = {} } = config;
  const read = {
    images: section(`${where}: images`, isRecord(images) ? { imageSize: images.imageSize } : images, imageFields),
    patch: section(`${where}: patch`, config.patch, patchFields),
    model: section(`${where}: model`, config.model, modelFields()),
    sampling: section(`${where}: sampling`, config.sampling, samplingFields),
  } as unknown as PaintedConfig; // every field has been checked
  checkTransformer(read);
  return Object.freeze(read);
}

const notPainted = '`tessera sample --run RUN` paints runs of every family';

/** A section whose fields are checked, and at their defaults where they are left out. */
function section(where: string, given: unknown, fields: Readonly<Record<string, Field>>): Record<string, unknown> {
  const values = given ?? {};
  if (!isRecord(values)) throw new UserError(where, `expected an object, got ${found(values)}`);
  const stray = Object.keys(values).find(name => !Object.hasOwn(fields, name));
  if (stray !== undefined) {
    throw new UserError(`${where}: ${stray}`, 'expected a setting that this version knows, got another', newer);
  }
  const read = Object.entries(fields).map(([name, [check, otherwise]]) => {
    const value = values[name] ?? otherwise;
    if (value !== undefined) checkValue(`${where}: ${name}`, value, check);
    return [name, value] as const;
  });
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}

const newer = 'take the version of tesserae that the run was trained with, or a later one';
