/**
 * @file Asks a model how likely it finds a picture under some captions, code by code: which patches it would have painted
 * itself, and which surprise it.
 *
 *   node inspect-likelihood.ts apple.png 'red apple' 'blue heart'
 */
import { readFile } from 'node:fs/promises';
import { decodePicture, shippedModel, Tessera } from 'tesserae';

const [file, ...captions] = process.argv.slice(2);
const tessera = await Tessera.load(process.env.RUN ?? shippedModel());
const { imageSize, codec } = tessera;
const picture = await decodePicture(await readFile(file), { size: imageSize });
const codes = await tessera.encode([picture]);

for (const caption of captions) {
  const nats = await tessera.logProbabilities([caption], codes); // [grid * grid]
  console.log(`"${caption}": ${sum(nats).toFixed(1)} nats`);
  for (let row = 0; row < codec.grid; row++) {
    const places = nats.subarray(row * codec.grid, (row + 1) * codec.grid);
    console.log(Array.from(places, value => value.toFixed(1).padStart(6)).join(''));
  }
}
tessera.dispose();

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
