/**
 * @file Changed pictures of the same thing, as more data of a small set: a model that is told of each picture how it was changed
 * learns from all of them and still paints plain ones (Jun et al. 2020, Distribution augmentation for generative modeling).
 */
import { blank, type Picture, paste } from './images.ts';
import { resizeArea } from './resize.ts';

/** How much of the side is left of a picture that is made small. */
const SMALL = 0.75;

const changes = {
  mirrored: (picture: Picture) => mapped(picture, (x, y, side) => [side - 1 - x, y]),
  turned: (picture: Picture) => mapped(picture, (x, y, side) => [y, side - 1 - x]),
  recoloured,
  small,
} as const;

export type Variant = keyof typeof changes;

/**
 * The ways to change a picture: left for right; a quarter turned, clockwise; red, green and blue each in the next one's place, which
 * turns every hue by a third and leaves greys; three quarters as large, on white.
 */
export const variantNames = Object.keys(changes) as readonly Variant[];

/** A changed copy. @param picture square. @throws RangeError if it is not */
export function changed(picture: Picture, variant: Variant): Picture {
  const { width, height } = picture;
  if (width !== height) throw new RangeError(`changed: expected a square picture, got ${width} x ${height}`);
  return changes[variant](picture);
}

/** Takes every pixel from where a function says. */
function mapped(picture: Picture, from: (x: number, y: number, side: number) => readonly [number, number]): Picture {
  const { width: side } = picture;
  const data = new Uint8Array(picture.data.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [fromX, fromY] = from(x, y, side);
      const at = (fromY * side + fromX) * 3;
      data.set(picture.data.subarray(at, at + 3), (y * side + x) * 3);
    }
  }
  return { ...picture, data };
}

function recoloured(picture: Picture): Picture {
  const data = picture.data.map((_, i) => picture.data[i - (i % 3) + ((i + 2) % 3)]);
  return { ...picture, data };
}

function small(picture: Picture): Picture {
  const { width: side } = picture;
  const inner = Math.max(1, Math.round(side * SMALL));
  const result = blank(side, side);
  const at = Math.floor((side - inner) / 2);
  paste(result, resizeArea(picture, inner, inner), at, at);
  return result;
}
