/** @file What `POST /api/paint` may ask for: its shape, and what of it the run follows. */
import { z } from 'zod';
import { cleanCaption, LIMIT_CAPTION } from '../../../../data/text.ts';
import { type RunConfig, samplingSchema } from '../../../config/run.ts';
import { UserError } from '../../../core/errors.ts';
import { familyOf } from '../../../families/families.ts';
import { type SamplingSetting, samplingSettings, whyIgnored } from '../../../families/family.ts';
import { weightKinds } from '../../../io/runfiles.ts';
import { Refusal } from '../../guard.ts';
import type { PaintOrder } from './messages.ts';

/** Captions of a painting, images of each, and in all. */
const MOST_CAPTIONS = 16;
const MOST_EACH = 16;
const MOST_IMAGES = 64;

const id = z.string().regex(/^[0-9a-f]{12}$/);
const { temperature, fineTemperature, topK, topP, cfgScale } = samplingSchema.shape;

const orderSchema = z.strictObject({
  run: id,
  captions: z.array(z.string().max(LIMIT_CAPTION)).min(1).max(MOST_CAPTIONS),
  seed: z.number().int().min(0).max(0xffffffff),
  numImages: z.number().int().min(1).max(MOST_EACH),
  temperature: temperature.removeDefault().optional(),
  fineTemperature: fineTemperature.removeDefault().optional(),
  topK: topK.removeDefault().optional(),
  topP: topP.removeDefault().optional(),
  cfgScale: cfgScale.removeDefault().optional(),
  steps: z.number().int().min(1).max(1000).optional(),
  weights: z.enum(weightKinds).optional(),
  completion: z.strictObject({ picture: id, keep: z.array(z.boolean()).min(1).max(65_536) }).optional(),
});

/** The order in a body, its captions cleaned as those of a data set, each once. @throws Refusal naming what does not fit */
export function readOrder(body: unknown): PaintOrder {
  const { data: order, error } = orderSchema.safeParse(body);
  if (order === undefined) {
    const [{ path, message }] = error?.issues ?? [{ path: [], message: '' }];
    throw new Refusal(400, [path.join('.'), message].filter(Boolean).join(': '));
  }
  const captions = [...new Set(order.captions.map(cleanCaption))];
  if (captions.length * order.numImages > MOST_IMAGES) {
    const got = `${captions.length} captions of ${order.numImages} each`;
    throw new Refusal(400, `expected at most ${MOST_IMAGES} images, got ${got}`);
  }
  return { ...order, captions };
}

/** The settings of an order. @throws UserError naming one that the run's family does not follow */
export function followedSettings(
  order: PaintOrder,
  config: RunConfig,
): Readonly<Partial<Record<SamplingSetting, number>>> {
  const { sampling, words } = familyOf(config.family);
  const followed = sampling(config);
  const asked = samplingSettings.filter(name => order[name] !== undefined);
  const stray = asked.find(name => followed[name] === undefined);
  if (stray !== undefined) throw new UserError(`paint: ${stray}`, `has no effect, since ${whyIgnored(stray, words)}`);
  return Object.fromEntries(asked.map(name => [name, order[name]]));
}
