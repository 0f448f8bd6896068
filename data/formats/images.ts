/**
 * @file A folder of images, each with a text file of the same name beside it: `cats/a.jpg` and `cats/a.txt`. One caption a
 * line. Paired by relative path, so `cats/a` and `dogs/a` never meet.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '../dataset.ts';
import { isImageName, mapBounded, withoutExtension } from '../files.ts';
import { captionLines, decodeText } from '../text.ts';
import { type Candidate, type Format, imageFile } from './format.ts';

const NOT_CAPTIONS = /^(readme|licen[cs]e|attribution|notice|requirements|classes|labels)\b/i;

export const images: Format = {
  name: 'images',
  layout: 'images with a text file of the same name beside each, one caption a line: cats/a.jpg and cats/a.txt',

  recognise: ({ files }) => files.some(isImageName),

  async read({ root, files }) {
    const texts = new Map(files.filter(path => /\.txt$/i.test(path)).map(path => [withoutExtension(path), path]));
    const pictures = files.filter(isImageName);
    const problems: Problem[] = [];
    const used: string[] = [];
    const found = await mapBounded(pictures, 16, async (id): Promise<Candidate | undefined> => {
      const text = texts.get(withoutExtension(id));
      if (text === undefined) {
        problems.push({ id, what: `no caption (looked for ${withoutExtension(id)}.txt)` });
        return undefined;
      }
      const decoded = decodeText(await readFile(join(root, text)));
      used.push(text);
      const captions = captionLines(decoded.text ?? '');
      if (captions.length === 0) {
        problems.push({ id, what: decoded.why === undefined ? `empty caption (${text})` : `${text} ${decoded.why}` });
        return undefined;
      }
      return imageFile(root, id, captions);
    });
    const stems = new Set(pictures.map(withoutExtension));
    for (const [stem, id] of texts) {
      const name = id.slice(id.lastIndexOf('/') + 1);
      if (!stems.has(stem) && !NOT_CAPTIONS.test(name)) problems.push({ id, what: 'a caption without its image' });
    }
    return { items: found.filter(item => item !== undefined), problems, used };
  },
};
