/** @file Pictures: decoded from files, laid out on sheets, and read as masks. */
import {
  type Check,
  checkOptions,
  checkValue,
  listCheck,
  numberCheck,
  objectCheck,
  pictureCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { decodePicture as decode } from '../image/decode.ts';
import type { Picture } from '../image/images.ts';
import { keptPatches } from '../image/kept-patches.ts';
import type { Nearest } from '../image/nearest.ts';
import type { Cell, SheetOptions } from '../image/sheet.ts';

const bytesCheck: Check = { expected: 'the bytes of an image file', fits: value => value instanceof Uint8Array };

/**
 * Decodes an image file: PNG, JPEG, WebP, GIF (its first frame), SVG and whatever else sharp reads, on white.
 * @param bytes of the file
 * @param options.size side in pixels of the square that is cut from the middle and scaled; default: the whole image, in its
 *   own size
 * @throws UserError if the bytes are no image
 */
export async function decodePicture(bytes: Uint8Array, options: { readonly size?: number } = {}): Promise<Picture> {
  checkValue('decodePicture', bytes, bytesCheck);
  checkOptions('decodePicture', options, { size: wholeCheck({ least: 1, most: 16384 }) });
  return decode(bytes, 'decodePicture', options);
}

/**
 * The patches of a picture that a mask keeps, for `completion` of a painter's `paint`: those where the mask is mostly black.
 * @param mask a square picture, black where the picture is kept and white where it is painted anew
 * @param grid patches along each side, `painter.grid`
 * @returns [grid * grid] in raster order
 * @throws UserError if the mask is not square, or its side no multiple of the grid
 */
export function keepOf(mask: Picture, grid: number): boolean[] {
  checkValue('keepOf: mask', mask, pictureCheck());
  checkValue('keepOf: grid', grid, wholeCheck({ least: 1, most: 4096 }));
  const { width, height } = mask;
  const expected = `a square picture whose side is a multiple of ${grid}`;
  checkValue('keepOf: mask', mask, {
    expected,
    fits: () => (width === height && width % grid === 0) || `${width} x ${height} pixels`,
  });
  return keptPatches(mask, grid);
}

const pictureFits = pictureCheck();
const cellCheck: Check = {
  expected: 'a cell, { picture, label }',
  fits: value => {
    if (objectCheck.fits(value) !== true) return false;
    const { picture, label } = value as Partial<Cell>; // looked at next
    const texts = label === undefined ? [] : [label].flat();
    return texts.every(text => typeof text === 'string') && pictureFits.fits(picture);
  },
};
const headingCheck: Check = {
  expected: 'a heading, { before, text }',
  fits: value => {
    if (objectCheck.fits(value) !== true) return false;
    const { before, text } = value as { readonly before?: unknown; readonly text?: unknown };
    return Number.isSafeInteger(before) && typeof text === 'string';
  },
};
const texts = listCheck('texts', textCheck);
const sheetChecks: Readonly<Record<keyof SheetOptions, Check>> = {
  columns: wholeCheck({ least: 1, most: 10000 }),
  gap: wholeCheck({ least: 0, most: 4096 }),
  title: textCheck,
  note: textCheck,
  rowLabels: texts,
  rowLabelWidth: numberCheck({ above: 0, most: 16384 }),
  columnLabels: texts,
  cellScale: wholeCheck({ least: 1, most: 64 }),
  labelLines: wholeCheck({ least: 1, most: 100 }),
  headings: listCheck('headings', headingCheck),
  rowsTogether: wholeCheck({ least: 1 }),
};

/**
 * Draws pictures in labelled rows on white, as `tessera sample` does. Labels are wrapped to the cell's width.
 * @param cells at least one, in reading order; pictures may differ in size, the largest sets the cell
 * @throws UserError naming the first argument that does not fit
 */
export async function drawSheet(cells: readonly Cell[], options: SheetOptions): Promise<Picture> {
  checkValue('drawSheet: cells', cells, listCheck('cells', cellCheck, { least: 1 }));
  checkOptions('drawSheet', options, sheetChecks, ['columns']);
  return (await import('../image/sheet.ts')).drawSheet(cells, options);
}

/**
 * For each picture the nearest of some references, as `tessera sample --nearest` shows: distances are between small pictures,
 * pixel by pixel, which finds copies and near copies.
 * @param references square, at least one, all of one size; pictures are reduced to it
 * @returns one a picture: the place of its nearest reference, and how far it is
 * @throws UserError naming the first argument that does not fit
 */
export async function findNearest(references: readonly Picture[], pictures: readonly Picture[]): Promise<Nearest[]> {
  const some = listCheck('pictures', pictureCheck());
  checkValue('findNearest: references', references, some);
  checkValue('findNearest: pictures', pictures, some);
  const side = references[0]?.width;
  checkValue('findNearest: references', references, listCheck('pictures', pictureCheck(side), { least: 1 }));
  const { Images } = await import('../image/images.ts');
  const { NearestImages } = await import('../image/nearest.ts');
  const index = new NearestImages(Images.of(references));
  return pictures.map(picture => index.find(picture));
}
