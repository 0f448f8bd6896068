/**
 * @file Which pixels a shape covers, and by how much. The inside tests are written out here, apart from the outlines that
 * draw scenes (shapes.ts), so that a mistake in one shows as a disagreement.
 */
import type { SceneShape } from './shapes.ts';

/** Centre of the bounding box, and its larger side. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly extent: number;
}

/** Whether a point lies in the shape in a box of side 1 about the origin, y down. */
export const insideShape: Readonly<Record<SceneShape, (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y < 0.25,
  square: (x, y) => Math.abs(x) < 0.46 && Math.abs(y) < 0.46,
  triangle: (x, y) => y < 0.45 && Math.abs(x) < (y + 0.45) / 1.8,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) < 0.5,
  star: insideStar,
  cross: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.5 && Math.min(Math.abs(x), Math.abs(y)) < 0.16,
  heart: insideHeart,
  ring: (x, y) => x * x + y * y < 0.25 && x * x + y * y > 0.27 ** 2,
};

/** In polar form: between two tips the edge is a straight line from tip to notch. */
function insideStar(x: number, y: number): boolean {
  const outer = 0.5 / Math.sin((2 * Math.PI) / 5);
  const down = y - (outer * (1 - Math.cos(Math.PI / 5))) / 2;
  const fifth = (2 * Math.PI) / 5;
  const turn = Math.abs(((Math.atan2(x, -down) + 10 * Math.PI + fifth / 2) % fifth) - fifth / 2);
  const radius = Math.hypot(x, down);
  // In the frame of the tip: the line from (outer, 0) to the notch at angle pi/5.
  const [nx, ny] = [0.42 * outer * Math.cos(Math.PI / 5), 0.42 * outer * Math.sin(Math.PI / 5)];
  const [px, py] = [radius * Math.cos(turn), radius * Math.sin(turn)];
  return (nx - outer) * py - ny * (px - outer) > 0;
}

/** Two lobes and a point. */
function insideHeart(x: number, y: number): boolean {
  const across = Math.abs(x);
  if (y < -0.17) return ((across - 0.25) / 0.25) ** 2 + ((y + 0.17) / 0.28) ** 2 < 1 && y > -0.45;
  const down = (y + 0.17) / 0.64;
  return down < 1 && across < 0.5 * (1 - down ** 1.55) ** 0.92;
}

/**
 * The coverage of a shape, from 4 x 4 points a pixel.
 * @param place centre and extent of the bounding box, in pixels; @param size the picture's side
 * @returns [size, size] in [0, 1]
 */
export function shapeCoverage(shape: SceneShape, { x, y, extent }: Box, size: number): Float32Array {
  const inside = insideShape[shape];
  const drawn = new Float32Array(size * size);
  const from = (v: number): number => Math.max(0, Math.floor(v - 0.75 * extent));
  const to = (v: number): number => Math.min(size, Math.ceil(v + 0.75 * extent));
  for (let v = from(y); v < to(y); v++) {
    for (let u = from(x); u < to(x); u++) {
      let points = 0;
      for (let k = 0; k < 16; k++) {
        if (inside((u + ((k & 3) + 0.5) / 4 - x) / extent, (v + ((k >> 2) + 0.5) / 4 - y) / extent)) points++;
      }
      drawn[v * size + u] = points / 16;
    }
  }
  return drawn;
}
