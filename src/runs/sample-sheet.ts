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
/** Captions in all, those that were trained on and at most half of them never seen, in rows of so many. */
const CAPTIONS = 24;
const COLUMNS = 6;
/** What the two kinds are called. */
const TRAINED = 'captions it was trained on';
const UNSEEN = 'captions it has never seen';

/** Paints the captions and lays them out; also returns the pictures in two rows, for a terminal. */
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
    columns: options.columns ?? COLUMNS,
    cellScale: Math.max(1, Math.round(128 / painter.imageSize)),
    title: 'Samples',
    note: [options.note, painter.settings, `seed ${SEED}`].filter(Boolean).join(', '),
    headings: [
      ...(trained.length > 0 ? [{ before: 0, text: TRAINED }] : []),
      ...(unseen.length > 0 ? [{ before: trained.length, text: UNSEEN }] : []),
    ],
  });
  return { sheet, painted: cells.map((cell, i) => ({ ...cell, row: i < trained.length ? TRAINED : UNSEEN })) };
}

/** The captions of each item of a side of the data. */
type Captions = readonly (readonly string[])[];

/**
 * Some captions that were trained on and some that never were, spread over the data, none twice. Where few were never seen,
 * more of those that were trained on take their place.
 */
export function pickCaptions(training: Captions, heldOut: Captions): SampleCaptions {
  const known = new Set(training.flat());
  const first = (captions: Captions) => [...new Set(captions.map(([caption]) => caption))];
  const spread = (captions: readonly string[], count: number) =>
    spreadPlaces(captions.length, count).map(i => captions[i]);
  const unseen = spread(
    first(heldOut).filter(caption => !known.has(caption)),
    CAPTIONS / 2,
  );
  const rows = Math.ceil(unseen.length / COLUMNS);
  return { trained: spread(first(training), CAPTIONS - rows * COLUMNS), unseen };
}
