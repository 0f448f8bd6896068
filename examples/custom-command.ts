/**
 * @file A command of your own beside those of the program: the mean colour of what a caption paints.
 *
 *   node custom-command.ts colour 'red apple' 'blue heart' --images 4
 */
import { defineCommand, openPainter, type Picture, shippedModel } from 'tesserae';
import { commands, runTessera } from 'tesserae/cli';
import { z } from 'zod';

const colour = defineCommand({
  name: 'colour',
  summary: 'say the mean colour of what captions paint',
  examples: ["tessera colour 'red apple' 'blue heart' --images 4"],
  positionals: [{ name: 'CAPTION', description: 'what is painted', many: true }],
  flags: () =>
    z.object({
      images: z.number().int().positive().max(64).default(1).describe('images of each caption'),
      seed: z.number().int().min(0).default(0).describe('the same seed paints the same images'),
    }),
  run: async ({ print, reporter, signal }, { values: { images, seed }, positionals }) => {
    const painter = await openPainter(shippedModel());
    for (const caption of positionals) {
      if (signal.aborted) break;
      reporter.stage(caption, { total: images, unit: 'images' });
      const pictures = await painter.paint(Array<string>(images).fill(caption), { seed });
      reporter.done();
      print(`${caption}: ${hex(meanColour(pictures))}`);
    }
    painter.dispose();
  },
});

/** Mean red, green and blue of all pixels, from 0 to 255. */
function meanColour(pictures: readonly Picture[]): number[] {
  const sums = [0, 0, 0];
  let pixels = 0;
  for (const { data, width, height } of pictures) {
    for (let i = 0; i < data.length; i++) sums[i % 3] += data[i];
    pixels += width * height;
  }
  return sums.map(sum => Math.round(sum / pixels));
}

function hex(colour: readonly number[]): string {
  return `#${colour.map(part => part.toString(16).padStart(2, '0')).join('')}`;
}

await runTessera(process.argv.slice(2), [...commands, colour]);
