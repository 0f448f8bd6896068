/**
 * @file A metric of your own in one file: how colourful images are, by Hasler and Süsstrunk 2003. Loaded before the program,
 * it is measured, printed and put on pages as the others are:
 *
 *   node --import ./custom-metric.ts node_modules/.bin/tessera eval --run runs/emoji --data datasets/emoji \
 *     --metrics kid,colourfulness
 */
import { bootstrap, defineMetric, mean, type Picture } from 'tesserae';

defineMetric({
  name: 'colourfulness',
  gives: [
    {
      name: 'colourfulness',
      better: null, // right is what real images have
      note: 'about 0 for grey images, 100 for very colourful ones',
    },
  ],
  needs: ['pictures'],
  least: 2,
  measure: ({ pictures: { pictures } }, random) => {
    const values = pictures.map(colourfulness);
    const interval = bootstrap(values, mean, { random });
    return [{ metric: 'colourfulness', value: mean(values), interval, n: values.length, reference: 0 }];
  },
});

/** The spread of the opponent colours, and a part of how far they lie from grey on average. */
function colourfulness({ data }: Picture): number {
  const pixels = Array.from({ length: data.length / 3 }, (_, i) => data.subarray(3 * i, 3 * i + 3));
  const redGreen = pixels.map(([red, green]) => red - green);
  const yellowBlue = pixels.map(([red, green, blue]) => (red + green) / 2 - blue);
  const centre = Math.hypot(mean(redGreen), mean(yellowBlue));
  return Math.hypot(spread(redGreen), spread(yellowBlue)) + 0.3 * centre;
}

function spread(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map(value => (value - centre) ** 2)));
}
