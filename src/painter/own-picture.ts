/** @file A picture of the visitor's own: chosen, dropped or pasted, and cut to a square of the run's size. It stays on the device. */
import { UserError } from '../core/errors.ts';
import { element, fill } from '../web/page/dom.ts';

/** @throws UserError if the file is no picture that the browser can read */
export async function readPicture(file: Blob, size: number): Promise<ImageData> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new UserError('your picture', 'this browser cannot read the file as a picture', 'PNG and JPEG always work');
  });
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = element('canvas', { width: size, height: size });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('this browser has no 2-D canvas');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = 'high';
  const [x, y] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, x, y, side, side, 0, 0, size, size);
  bitmap.close();
  return context.getImageData(0, 0, size, size);
}

/** The way in for a picture: a button, and the whole page for what is dropped or pasted on it. */
export function pictureInput(onPicture: (file: Blob) => void): HTMLElement {
  const input = element('input', { type: 'file', accept: 'image/*', id: 'own-picture', class: 'hidden' });
  const take = (files: FileList | null | undefined) => {
    const file = [...(files ?? [])].find(({ type }) => type.startsWith('image/'));
    if (file !== undefined) onPicture(file);
  };
  input.addEventListener('change', () => {
    take(input.files);
    input.value = '';
  });
  document.addEventListener('dragover', event => event.preventDefault());
  document.addEventListener('drop', event => {
    event.preventDefault();
    take(event.dataTransfer?.files);
  });
  document.addEventListener('paste', event => take(event.clipboardData?.files));
  return fill(
    element('p', { class: 'ask-own' }),
    input,
    element('label', { class: 'button', for: 'own-picture' }, 'Begin with a picture of yours'),
    element('small', { class: 'soft' }, 'or drop one here: a part of it is painted anew. It stays on this device.'),
  );
}
