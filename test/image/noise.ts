/** @file Pictures of noise, and the search for the nearest of them by its definition. */
import type { Random } from '../../src/core/random.ts';
import type { Picture } from '../../src/image/images.ts';

/** A picture of random bytes around `centre`, at most `spread` apart. */
export function noise(random: Random, size: number, centre = 127, spread = 255): Picture {
  const data = Uint8Array.from({ length: size * size * 3 }, () =>
    Math.max(0, Math.min(255, centre + random.integer(spread + 1) - (spread >> 1))),
  );
  return { width: size, height: size, data };
}

/** Moves every byte by `step` towards the middle of the range, so that the root mean square is `step` exactly. */
export function disturb(picture: Picture, step: number): Picture {
  return { ...picture, data: picture.data.map(byte => (byte < 128 ? byte + step : byte - step)) };
}

/** The definition: every distance, in floating point, and the first smallest. */
export function naive(picture: Picture, references: readonly Picture[]): { index: number; distance: number } {
  const distances = references.map(({ data }) => {
    const squares = [...data].map((byte, i) => ((byte - picture.data[i]) / 255) ** 2);
    return Math.sqrt(squares.reduce((a, b) => a + b) / squares.length);
  });
  const distance = Math.min(...distances);
  return { index: distances.indexOf(distance), distance };
}
