/**
 * @file An attention mask of your own in one file: layers that see the codes up to two rows above and two columns aside
 * alternate with layers that see every second code; all see the caption. Trains a transformer with it on a folder of
 * captioned images and paints a caption:
 *
 *   node custom-mask.ts photos runs/woven 'a red house' [PRESET [CONFIG.json]]
 *
 * Whoever opens the run later defines the mask before.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { defineMask, encodePng, type MaskRule, openPainter, overImage, removeMask, train } from 'tesserae';

/** Codes are numbered in raster order; the caption is seen by all, and nobody sees what comes after. */
const near: MaskRule = overImage((query, key, { grid }) => {
  const [down, across] = [Math.floor(query / grid) - Math.floor(key / grid), (query % grid) - (key % grid)];
  return down <= 2 && Math.abs(across) <= 2;
});

const strided: MaskRule = overImage((query, key) => (query - key) % 2 === 0);

defineMask({ name: 'woven', ruleOf: layer => (layer % 2 === 0 ? near : strided) });

const [data, out, caption, preset, fields] = process.argv.slice(2);
const config = fields === undefined ? {} : JSON.parse(await readFile(fields, 'utf8'));
const { finished } = await train({
  data,
  out,
  preset: preset as 'tiny' | undefined,
  config: { ...config, model: { ...config.model, attention: 'woven' } },
  onProgress: event => {
    if (event.type === 'end') console.log(`${event.stage}: ${event.summary ?? 'done'}`);
  },
});

if (finished) {
  const painter = await openPainter(out);
  const [picture] = await painter.paint([caption], { seed: 1 });
  await writeFile('woven.png', await encodePng(picture, { text: { caption } }));
  console.log('woven.png');
  painter.dispose();
}
removeMask('woven');
