/**
 * @file `npm run pictures -- emoji`: what the shipped model paints, by its own settings and from its own data: captions that
 * it was trained on above captions that it has never seen, and samples beside their nearest training images.
 */

import { decodeAll } from '../../data/decoded.ts';
import { openDataset } from '../../data/open.ts';
import type { Picture } from '../../src/image/images.ts';
import { NearestImages } from '../../src/image/nearest.ts';
import { type Cell, drawSheet } from '../../src/image/sheet.ts';
import { openPainter } from '../../src/runs/open-painter.ts';
import { divideData } from '../../src/runs/run-images.ts';
import { drawSampleSheet, pickCaptions, type SampleCaptions } from '../../src/runs/sample-sheet.ts';

/** Captions shown beside their nearest training image: half of them trained on, half held out. */
const COMPARED: SampleCaptions = {
  trained: ['red apple', 'rocket', 'sunflower', 'thumbs up, medium skin tone, noto style'],
  unseen: [
    'women wrestling, dark skin tone, noto style',
    'keycap 2, noto style',
    'man astronaut, dark skin tone, fluent style',
    'squinting face with tongue, noto style',
  ],
};

/** Side that pictures are reduced to before they are compared. */
const SIDE = 64;

export interface EmojiPictures {
  readonly samples: Picture;
  readonly nearest: Picture;
}

/**
 * Paints both pictures.
 * @param data the drawings that the run was trained on; captions are taken at even distances from both sides of its split
 */
export async function paintEmoji(run: string, data: string): Promise<EmojiPictures> {
  const painter = await openPainter(run);
  try {
    const { config, step } = painter;
    const { training, heldOut } = divideData(await openDataset(data, { check: false }), config.images);
    const captionsOf = (items: typeof training) => items.map(({ captions }) => captions);
    const captions = pickCaptions(captionsOf(training), captionsOf(heldOut));
    const note = `step ${step}, top-p ${config.sampling.topP}`;
    const { sheet: samples } = await drawSampleSheet(painter, captions, { note });

    const { images, items } = await decodeAll(training, { size: SIDE });
    const index = new NearestImages(images);
    const asked = [...COMPARED.trained, ...COMPARED.unseen];
    const painted = await painter.paint(asked, { seed: 1 });
    const cells = painted.flatMap((picture, i): Cell[] => {
      const found = index.find(picture);
      const [name] = items[found.index].captions;
      return [
        { picture, label: asked[i] },
        { picture: index.reference(found.index), label: `nearest (${found.distance.toFixed(3)}): ${name}` },
      ];
    });
    const nearest = await drawSheet(cells, {
      columns: 8,
      title: 'Samples and their nearest training images',
      note: `${note}, ${painter.settings}, seed 1; distances from 0 to 1`,
      headings: [
        { before: 0, text: 'captions it was trained on' },
        { before: 2 * COMPARED.trained.length, text: 'captions it has never seen' },
      ],
    });
    return { samples, nearest };
  } finally {
    painter.dispose();
  }
}
