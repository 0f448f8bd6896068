/** @file Paints captions in the page, tile by tile. */
import { Tessera } from 'tesserae/browser';

const form = document.querySelector('form');
const line = document.querySelector('output');
const canvas = document.querySelector('canvas');

try {
  const run = await Tessera.load('run/', {
    onProgress: ({ loaded }) => {
      line.value = `${(loaded / 1e6).toFixed(1)} MB`;
    },
  });
  canvas.width = canvas.height = run.info.imageSize;
  line.value = `${run.backendReason}. It knows, for example: ${run.info.captions.slice(0, 3).join('; ')}`;
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const { caption, seed } = Object.fromEntries(new FormData(form));
    for await (const { picture, done, total } of run.paint(caption, { seed: Number(seed) })) {
      canvas.getContext('2d').putImageData(picture, 0, 0);
      line.value = `painted ${done} of ${total} codes`;
    }
  });
} catch ({ message, hint = '' }) {
  line.value = `${message}. ${hint}`;
}
