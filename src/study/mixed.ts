/** @file Pictures that nobody takes for whole ones, for control trials, and the noise that ends an exposure. */
import type { Random } from '../core/random.ts';
import { fill, type Picture, paste, type Size } from '../image/images.ts';

/** Pieces along each side, and how far noise moves a colour. */
const PIECES = 4;
const NOISE = 48;

/** The picture cut into 16 pieces, none of which stays in its place, and noise over all of it. */
export function mixUp(picture: Picture, random: Random): Picture {
  const { width, height } = picture;
  const mixed: Picture = { width, height, data: Uint8Array.from(picture.data) };
  const cuts = (size: number) => Array.from({ length: PIECES }, (_, i) => Math.floor((i * size) / PIECES));
  const [side, tall] = [Math.floor(width / PIECES), Math.floor(height / PIECES)];
  const places = cuts(height).flatMap(top => cuts(width).map(left => ({ left, top })));
  const order = random.permutation(places.length);
  // A permutation that is turned by one moves every piece.
  order.forEach((place, i) => {
    const { left, top } = places[order[(i + 1) % order.length]];
    const piece = cut(picture, places[place], { width: side, height: tall });
    paste(mixed, piece, left, top);
  });
  for (let i = 0; i < mixed.data.length; i++) {
    mixed.data[i] = Math.max(0, Math.min(255, Math.round(mixed.data[i] + NOISE * random.normal())));
  }
  return mixed;
}

function cut(picture: Picture, { left, top }: { readonly left: number; readonly top: number }, size: Size): Picture {
  const piece = { ...size, data: new Uint8Array(size.width * size.height * 3) };
  paste(piece, picture, -left, -top);
  return piece;
}

/** Squares of random greys, by which what was seen before does not linger. */
export function maskPicture({ width, height }: Size, random: Random): Picture {
  const mask = { width, height, data: new Uint8Array(width * height * 3) };
  const side = Math.max(1, Math.floor(Math.min(width, height) / 16));
  for (let top = 0; top < height; top += side) {
    for (let left = 0; left < width; left += side) {
      const grey = random.integer(256);
      fill(mask, { left, top, width: side, height: side }, [grey, grey, grey]);
    }
  }
  return mask;
}
