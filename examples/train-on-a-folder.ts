/**
 * @file Trains on a folder of captioned images (red.png beside red.txt, and the other layouts of `openDataset`) and paints a
 * caption with what it learnt. Ctrl-C stops it; the same call goes on.
 *
 *   node train-on-a-folder.ts photos runs/photos 'a red house' [PRESET [CONFIG.json]]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { encodePng, openDataset, openPainter, type ProgressEvent, train } from 'tesserae';

const [data, out, caption, preset, fields] = process.argv.slice(2);
const { items, problems } = await openDataset(data);
console.log(`${items.length} images, ${problems.length} cannot be used`);

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

function onProgress(event: ProgressEvent): void {
  if (event.type === 'step' && event.loss !== undefined && event.step % 100 === 0) {
    console.log(`${event.stage}: step ${event.step} of ${event.total}, loss ${event.loss.toFixed(3)}`);
  }
  if (event.type === 'end') console.log(`${event.stage}: ${event.summary ?? 'done'}`);
  if (event.type === 'message') console.log(event.text);
}

const { finished } = await train({
  data,
  out,
  preset: preset as 'tiny' | undefined,
  config: fields === undefined ? {} : JSON.parse(await readFile(fields, 'utf8')),
  signal: stop.signal,
  onProgress,
});

if (finished) {
  const painter = await openPainter(out);
  const [picture] = await painter.paint([caption], { seed: 1 });
  await writeFile('painted.png', await encodePng(picture, { text: { caption } }));
  console.log('painted.png');
  painter.dispose();
}
