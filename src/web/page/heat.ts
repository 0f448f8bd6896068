/** @file How unsure a model was, code by code, as a layer over its picture: the fainter the surer. */

/** Nats from which on a code is as unlikely as the scale tells. */
const MOST = 6;

/** @param logProbabilities [grid * grid] in nats; 0 where a code was given */
export function heatLayer(logProbabilities: readonly number[]): HTMLCanvasElement {
  const grid = Math.round(Math.sqrt(logProbabilities.length));
  const canvas = document.createElement('canvas');
  canvas.width = grid;
  canvas.height = grid;
  canvas.className = 'paint-heat';
  const context = canvas.getContext('2d')!;
  const pixels = context.createImageData(grid, grid);
  logProbabilities.forEach((value, i) => {
    pixels.data.set(colourOf(-value), i * 4);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Orange to dark red, as strong as it is unlikely: over a picture without colours (red, green, blue, opacity). */
function colourOf(nats: number): [number, number, number, number] {
  const share = Math.min(1, nats / MOST);
  return [255 - 95 * share, 150 * (1 - share), 0, 235 * Math.min(1, share * 1.6)];
}

/** The scale in words and steps. */
export function heatLegend(): HTMLElement {
  const root = document.createElement('p');
  root.className = 'paint-legend soft';
  const steps = document.createElement('canvas');
  steps.width = 64;
  steps.height = 1;
  const context = steps.getContext('2d')!;
  const pixels = context.createImageData(64, 1);
  for (let i = 0; i < 64; i++) pixels.data.set(colourOf((MOST * i) / 63), i * 4);
  context.putImageData(pixels, 0, 0);
  root.append(
    'sure ',
    steps,
    ` unsure: each code by the chance that it was drawn with, from 1 to 1 in ${Math.round(Math.exp(MOST))}`,
  );
  return root;
}
