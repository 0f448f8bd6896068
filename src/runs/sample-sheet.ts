/** @file The sheet of samples that training and the demo leave: captions that were trained on above captions never seen. */

import { type Picture, spreadPlaces } from '../image/images.ts';
import { drawSheet } from '../image/sheet.ts';
import type { Painter } from './open-painter.ts';
import type { Labelled } from './session.ts';

export interface SampleCaptions {
  readonly trained: readonly string[];
  readonly unseen: readonly string[];
}

/** Always the same draws, so that sheets of one training can be compared. */
const SEED = 1;
/** Most captions of each side. */
const MOST = 12;

/** Paints the captions and lays them out; also returns the pictures, unseen ones interleaved, for a terminal. */
export async function drawSampleSheet(
  painter: Painter,
  captions: SampleCaptions,
  options: { readonly note?: string; readonly columns?: number; readonly signal?: AbortSignal } = {},
): Promise<{ readonly sheet: Picture; readonly painted: readonly Labelled[] }> {
  const { trained, unseen } = captions;
  const all = [...trained, ...unseen];
  const pictures = await painter.paint(all, { seed: SEED, signal: options.signal });
  const cells = pictures.map((picture, i) => ({ picture, label: all[i] }));
  const sheet = await drawSheet(cells, {
    columns: options.columns ?? 6,
    cellScale: Math.max(1, Math.round(128 / painter.imageSize)),
    title: 'Samples',
    note: [options.note, painter.settings, `seed ${SEED}`].filter(Boolean).join(', '),
    headings: [
      ...(trained.length > 0 ? [{ before: 0, text: 'captions it was trained on' }] : []),
      ...(unseen.length > 0 ? [{ before: trained.length, text: 'captions it has never seen' }] : []),
    ],
  });
  const painted: Labelled[] = [];
  for (let i = 0; i < Math.max(trained.length, unseen.length); i++) {
    if (i < trained.length) painted.push(cells[i]);
    if (i < unseen.length) painted.push(cells[trained.length + i]);
  }
  return { sheet, painted };
}

/** The captions of each item of a side of the data. */
type Captions = readonly (readonly string[])[];

/** Some captions that were trained on and some that never were, spread over the data. */
export function pickCaptions(training: Captions, heldOut: Captions): SampleCaptions {
  const known = new Set(training.flat());
  const spread = (captions: readonly string[]) => spreadPlaces(captions.length, MOST).map(i => captions[i]);
  const first = (captions: Captions) => captions.map(([caption]) => caption);
  const unseen = first(heldOut).filter(caption => !known.has(caption));
  return { trained: spread(first(training)), unseen: spread(unseen) };
}
