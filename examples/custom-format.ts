/**
 * @file A format of data of your own in one file: images with a captions.lst, on each line a number, the path of an image and a
 * caption of it, with tabs between. Loaded before the program, every command that reads data recognises it:
 *
 *   node --import ./custom-format.ts node_modules/.bin/tessera data inspect photos
 *   node --import ./custom-format.ts node_modules/.bin/tessera train --data photos --out runs/photos
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { captionsFrom, defineFormat, imageFile, type Problem } from 'tesserae';

const INDEX = 'captions.lst';

defineFormat({
  name: 'lst',
  layout: `images and a ${INDEX}: on each line a number, the path of an image and a caption of it`,

  fileKind: name => (name === INDEX ? 'index' : undefined),

  recognise: ({ files }) => files.includes(INDEX),

  async read({ root, files }) {
    const captions = new Map<string, string[]>();
    const problems: Problem[] = [];
    const lines = (await readFile(join(root, INDEX), 'utf8')).split(/\r?\n/);
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue;
      const [, path = '', ...said] = line.split('\t');
      const caption = captionsFrom(said.join(' '));
      if (!files.includes(path)) problems.push({ id: path, what: `missing file (named in ${INDEX}:${i + 1})` });
      else if (caption.length === 0) problems.push({ id: path, what: `no caption in ${INDEX}:${i + 1}` });
      else captions.set(path, [...(captions.get(path) ?? []), ...caption]);
    }
    return { items: Array.from(captions, ([path, all]) => imageFile(root, path, all)), problems, used: [INDEX] };
  },
});
