/**
 * @file WebDataset shards: tar files in which files of one stem belong together, `0001.jpg` with `0001.txt`, `0001.caption` or
 * `0001.json` (a `caption` or `text` field). Opening indexes where each image lies; reading seeks there, so nothing but
 * captions is held in memory.
 */

import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { firstLine, UserError } from '../../src/core/errors.ts';
import type { Problem } from '../dataset.ts';
import { isImageName, readPiece } from '../files.ts';
import { captionsFrom, decodeText } from '../text.ts';
import type { Candidate, Format } from './format.ts';

const TEXT = /^(txt|text|caption|captions)$/i;

/** What is known of one stem of a shard. */
interface Sample {
  image?: { readonly name: string; readonly offset: number; readonly length: number };
  captions: string[];
  /** Why there is no caption although there is a file for it. */
  what?: string;
}

export const webdataset: Format = {
  name: 'webdataset',
  layout: 'WebDataset .tar shards: 0001.jpg and 0001.txt (or 0001.json with a caption field) in a tar file',

  // A compressed one is recognised so that it can be refused with the command that unpacks it.
  fileKind: name => (/\.(tar|tar\.gz|tgz)$/i.test(name) ? 'archive' : undefined),

  recognise: ({ file, files }) => file !== undefined || files.some(isShard),

  async read({ root, file, files }) {
    const items: Candidate[] = [];
    const problems: Problem[] = [];
    const used = file === undefined ? files.filter(isShard) : [file];
    for (const shard of used) {
      if (!isShard(shard))
        throw new UserError(shard, 'a compressed archive cannot be read in place', `gunzip ${shard}`);
      const samples = await indexOf(join(root, shard), shard, problems);
      for (const [stem, sample] of samples) {
        const item = itemOf(root, shard, stem, sample, problems);
        if (item !== undefined) items.push(item);
      }
    }
    return { items, problems, used };
  },
};

function isShard(path: string): boolean {
  return /\.tar$/i.test(path);
}

function itemOf(root: string, shard: string, stem: string, sample: Sample, problems: Problem[]): Candidate | undefined {
  const { image, captions, what } = sample;
  const id = `${shard}/${image?.name ?? stem}`;
  if (image === undefined) {
    if (captions.length > 0 || what !== undefined) problems.push({ id, what: 'a caption without its image' });
    return undefined;
  }
  if (captions.length === 0) {
    problems.push({ id, what: what ?? `no caption (looked for ${stem}.txt and ${stem}.json)` });
    return undefined;
  }
  const path = join(root, shard);
  const read = (): Promise<Uint8Array> => readPiece(path, image.offset, image.length);
  const head = (bytes: number): Promise<Uint8Array> => readPiece(path, image.offset, Math.min(bytes, image.length));
  return { id, captions, read, head, place: { file: path, part: `${image.offset}+${image.length}` } };
}

/** Reads a shard's headers and captions. A shard that breaks off gives what came before the break. */
async function indexOf(path: string, shard: string, problems: Problem[]): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample>();
  const { extract } = await import('tar-stream'); // loaded for those who have such files only
  const tar = extract();
  tar.on('entry', (header, body, next) => {
    const { stem, extension } = parts(header.name);
    const wanted = header.type === 'file' && !basename(header.name).startsWith('.');
    const picture = wanted && isImageName(header.name);
    const text = wanted && (TEXT.test(extension) || /^json$/i.test(extension));
    const chunks: Buffer[] = [];
    if (text) body.on('data', chunk => chunks.push(chunk as Buffer)); // a byte stream
    // The stream ends only when all of the entry was there.
    body.on('end', () => {
      if (picture || text) {
        const sample = samples.get(stem) ?? { captions: [] };
        samples.set(stem, sample);
        if (text) addCaptions(sample, extension, decodeText(Buffer.concat(chunks)).text, header.name);
        // `byteOffset` is where the body begins; tar-stream's types leave it out.
        else
          sample.image ??= {
            name: header.name,
            offset: (header as unknown as { byteOffset: number }).byteOffset,
            length: header.size ?? 0,
          };
      }
      next();
    });
    body.on('error', () => {}); // the archive's own error says it
    body.resume();
  });
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), tar);
  } catch (error) {
    problems.push({
      id: shard,
      what: `the archive breaks off or is damaged (${firstLine(error)}); kept what came before`,
    });
  }
  return samples;
}

/** WebDataset's rule: the stem ends at the first dot of the file's name, folders belong to it. */
function parts(name: string): { stem: string; extension: string } {
  const file = name.slice(name.lastIndexOf('/') + 1);
  const dot = file.indexOf('.');
  const cut = dot < 0 ? file.length : dot;
  return { stem: name.slice(0, name.length - file.length + cut), extension: file.slice(file.lastIndexOf('.') + 1) };
}

function addCaptions(sample: Sample, extension: string, text: string | undefined, name: string): void {
  if (text === undefined) {
    sample.what = `${name} is not UTF-8 text`;
    return;
  }
  let captions: string[] = [];
  if (/^json$/i.test(extension)) {
    try {
      const fields: unknown = JSON.parse(text);
      const record = typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {}; // each value is checked
      captions = ['caption', 'captions', 'text', 'prompt'].flatMap(field => captionsFrom(record[field]));
    } catch (error) {
      sample.what = `${name}: ${firstLine(error)}`;
    }
  } else {
    captions = captionsFrom(text.split(/\r?\n|\r/));
    if (captions.length === 0) sample.what = `empty caption (${name})`;
  }
  sample.captions = [...new Set([...sample.captions, ...captions])];
}
