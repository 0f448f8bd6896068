/** @file The grid of samples that training and the demo leave: captions that were trained on above captions never seen. */

import type { GenerateRequest } from '../generate.ts';
import { type Cell, grid } from '../grid.ts';
import type { Picture } from '../pictures.ts';
import type { Tessera } from '../pipeline.ts';

export interface SampleCaptions {
  readonly trained: readonly string[];
  readonly unseen: readonly string[];
}

/** How grids are painted unless asked otherwise: sharper than plain sampling, which a small model needs. */
export const gridSampling = { temperature: 0.7, cfgScale: 2, seed: 1 } as const;

/** Paints the captions and lays them out; also returns the pictures, unseen ones interleaved, for a terminal. */
export async function drawSampleGrid(
  tessera: Tessera,
  captions: SampleCaptions,
  options: { readonly note?: string; readonly columns?: number; readonly sampling?: Partial<GenerateRequest> } = {},
): Promise<{ readonly sheet: Picture; readonly painted: readonly Cell[] }> {
  const { trained, unseen } = captions;
  const all = [...trained, ...unseen];
  const pictures = await tessera.paintFinished(all, { ...gridSampling, ...options.sampling });
  const cells = pictures.map((picture, i) => ({ picture, label: all[i] }));
  const { temperature, cfgScale, seed } = { ...gridSampling, ...options.sampling };
  const settings = `temperature ${temperature}, guidance ${cfgScale}, seed ${seed}`;
  const sheet = await grid(cells, {
    columns: options.columns ?? 6,
    cellScale: Math.max(1, Math.round(128 / tessera.imageSize)),
    title: 'Samples',
    note: [options.note, settings].filter(Boolean).join(', '),
    headings: [
      ...(trained.length > 0 ? [{ before: 0, text: 'captions it was trained on' }] : []),
      ...(unseen.length > 0 ? [{ before: trained.length, text: 'captions it has never seen' }] : []),
    ],
  });
  const painted: Cell[] = [];
  for (let i = 0; i < Math.max(trained.length, unseen.length); i++) {
    if (i < trained.length) painted.push(cells[i]);
    if (i < unseen.length) painted.push(cells[trained.length + i]);
  }
  return { sheet, painted };
}
