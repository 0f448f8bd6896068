/**
 * @file WebDataset shards: tar files, also compressed with gzip, in which files of one stem belong together, `0001.jpg` with
 * `0001.txt`, `0001.caption` or `0001.json`. Opening indexes where each image lies; reading seeks there, so nothing but
 * captions is held in memory.
 */

import { join } from 'node:path';
import { firstLine } from '../../src/core/errors.ts';
import type { Problem } from '../dataset.ts';
import { isImageName } from '../files.ts';
import { Choices } from '../instructions.ts';
import type { Candidate, Format, Reading } from './format.ts';
import { StillFile } from './still-file.ts';
import { holdsPicture } from './webdataset/peek.ts';
import { type Sample, samplesOf } from './webdataset/samples.ts';
import { readShard, type Shard } from './webdataset/shard.ts';
import { Spool } from './webdataset/spool.ts';

const SHARD = /\.(tar(\.(gz|bz2|xz|zst|lz4))?|tgz|tbz2?|txz|tzst)$/i;

/** Endings of members with the number of a class. */
const classEndings = ['cls', 'cls2', 'class', 'label'];

export const webdataset: Format = {
  name: 'webdataset',
  layout: 'WebDataset .tar or .tar.gz shards: 0001.jpg and 0001.txt (or 0001.json with a caption field) in a tar file',

  fileKind: name => (isShard(name) ? 'archive' : undefined),

  async recognise({ root, file, files }) {
    if (file !== undefined) return true;
    const shards = files.filter(isShard);
    if (!files.some(isImageName)) return shards.length > 0;
    for (const shard of shards) if (await holdsPicture(join(root, shard))) return true;
    return false;
  },

  async read({ root, file, files }) {
    const shards = file === undefined ? files.filter(isShard) : [file];
    const reading = new Shards(root);
    for (const shard of shards) await reading.add(shard);
    return reading.finish(shards);
  },
};

function isShard(path: string): boolean {
  return SHARD.test(path);
}

/** The reading of several shards. */
class Shards {
  private readonly root: string;
  private readonly spool = new Spool();
  private readonly items: Candidate[] = [];
  private readonly problems: Problem[] = [];
  private readonly choices = new Choices<string>();
  private readonly lonely: { readonly key: string; readonly shard: string; readonly problem: Problem }[] = [];
  private readonly unused = new Map<string, number>();
  private unpacked = 0;

  constructor(root: string) {
    this.root = root;
  }

  async add(shard: string): Promise<void> {
    const path = join(this.root, shard);
    const still = await StillFile.of(path).catch(firstLine); // before it is read, so that no change goes unseen
    if (typeof still === 'string') {
      this.problems.push({ id: shard, what: `cannot be read (${still})` });
      return;
    }
    const content = await readShard(path, this.spool);
    if (content.unpacked) this.unpacked++;
    const { samples, problems, lonely, extras } = samplesOf(content.members);
    const inShard = ({ id, what }: Problem): Problem => ({ id: `${shard}/${id}`, what });
    this.problems.push(...content.problems.map(what => ({ id: shard, what })));
    for (const problem of problems) this.problems.push(inShard(problem));
    const classes = classEndings.find(ending => content.others.has(ending));
    const hint = classes === undefined ? '' : `; .${classes} members hold numbers of classes and no captions`;
    for (const { path: id, key, what } of lonely) {
      this.lonely.push({
        key,
        shard,
        problem: inShard({ id, what: what.startsWith('no caption') ? what + hint : what }),
      });
    }
    for (const counts of [content.others, extras]) {
      for (const [field, count] of counts) this.unused.set(field, (this.unused.get(field) ?? 0) + count);
    }
    for (const sample of samples) this.items.push(this.itemOf(sample, { shard, still, unpacked: content.unpacked }));
  }

  private itemOf(
    { path, picture, text }: Sample,
    { shard, still, unpacked }: Pick<Shard, 'unpacked'> & { readonly shard: string; readonly still: StillFile },
  ): Candidate {
    const { offset, length } = picture;
    const source = unpacked ? this.spool : still;
    const item: Candidate = {
      id: `${shard}/${path}`,
      captions: text.captions,
      read: () => source.piece(offset, length),
      head: bytes => source.piece(offset, Math.min(bytes, length)),
      place: { file: still.path, part: unpacked ? path : `${offset}+${length}` },
      ...(text.split === undefined ? {} : { split: text.split }),
    };
    if (text.fields !== undefined) this.choices.see(item.id, text.fields);
    return item;
  }

  finish(used: readonly string[]): Reading {
    const problems = [...this.problems, ...this.loneliness()];
    const items = this.items.flatMap(item => {
      const { captions, why } = this.choices.captionsOf(item.id, item.captions);
      if (why === undefined) return captions === item.captions ? item : { ...item, captions };
      problems.push({ id: item.id, what: `no caption: ${why}` });
      return [];
    });
    const mib = Math.ceil(this.spool.bytes / 2 ** 20);
    const spooled =
      `${this.unpacked} compressed ${this.unpacked === 1 ? 'shard is' : 'shards are'} unpacked into ${this.spool.folder} ` +
      `(${mib} MiB) until the program ends`;
    const unused = Array.from(this.unused, ([field, count]) => ({
      id: `*.${field}`,
      what: `${count} in the shards, neither pictures of samples nor captions`,
    }));
    const notices = [...this.choices.notices(), ...(this.unpacked === 0 ? [] : [spooled])];
    return { items, problems, used, unused, notices };
  }

  /** Pictures without text and texts without picture; where two of them would make a sample, both say so. */
  private loneliness(): Problem[] {
    const places = new Map<string, Set<string>>();
    for (const { key, shard } of this.lonely) places.set(key, (places.get(key) ?? new Set()).add(shard));
    return this.lonely.map(({ key, shard, problem }) => {
      const other = [...(places.get(key) ?? [])].find(each => each !== shard);
      if (other === undefined) return problem;
      return { ...problem, what: `${problem.what}; another part of ${key} is in ${other}, and shards are not joined` };
    });
  }
}
