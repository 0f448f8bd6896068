/** @file A mask as a PNG, as `tessera sample --mask` reads it: white patches are painted anew, black ones kept. */

/** @param size side in pixels, a multiple of the grid */
export function maskFile(keep: readonly boolean[], size: number): Promise<Blob> {
  const grid = Math.sqrt(keep.length);
  const [canvas, context] = square(size);
  const patch = size / grid;
  context.fillStyle = '#000';
  context.fillRect(0, 0, size, size);
  context.fillStyle = '#fff';
  keep.forEach((kept, i) => {
    if (!kept) context.fillRect((i % grid) * patch, Math.floor(i / grid) * patch, patch, patch);
  });
  return new Promise((resolve, reject) => {
    canvas.toBlob(blob => (blob === null ? reject(new Error('the mask cannot be written')) : resolve(blob)));
  });
}

/** The patches that a mask picture of any size keeps. @throws Error if it is no picture */
export async function readMask(file: Blob, grid: number): Promise<boolean[]> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error('the mask is no picture: expected black where patches are kept, and white where not');
  });
  const patch = 8;
  const [, context] = square(grid * patch);
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#fff';
  context.fillRect(0, 0, grid * patch, grid * patch);
  context.drawImage(bitmap, 0, 0, grid * patch, grid * patch);
  bitmap.close();
  return Array.from({ length: grid ** 2 }, (_, i) => {
    const { data } = context.getImageData((i % grid) * patch, Math.floor(i / grid) * patch, patch, patch);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += data[at];
    return sum / (patch * patch) < 128;
  });
}

function square(size: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = document.createElement('canvas');
  canvas.width = size;
  canvas.height = size;
  return [canvas, canvas.getContext('2d', { willReadFrequently: true })!];
}
