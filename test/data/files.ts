/** @file Pictures and folders that the tests of data/ make for themselves, and what a data set says of them. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { expect, onTestFinished } from 'vitest';
import { type OpenOptions, openDataset } from '../../data/open.ts';
import { UserError } from '../../src/core/errors.ts';

/** A new folder that goes away with the test. */
export async function folder(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'tessera-data-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

/** A picture of one colour. */
export async function plain(
  background: string,
  width = 12,
  height = 10,
  format: 'png' | 'jpeg' | 'webp' = 'png',
): Promise<Buffer> {
  return await sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** What a dataset says, small enough to compare. */
export async function said(
  path: string,
): Promise<{ format: string; captions: Record<string, readonly string[]>; problems: Record<string, string> }> {
  const { format, items, problems } = await openDataset(path);
  return {
    format,
    captions: Object.fromEntries(items.map(({ id, captions }) => [id, captions])),
    problems: Object.fromEntries(problems.map(({ id, what }) => [id, what])),
  };
}

/** The error of a user with which something fails, in one line. */
export async function failure(promise: Promise<unknown>): Promise<UserError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  if (!(error instanceof UserError)) throw error;
  expect(error.message).not.toContain('\n');
  return error;
}

/** A member of a tar file that is more than a name and bytes. */
export interface TarEntry {
  readonly name: string;
  readonly content?: string | Uint8Array;
  readonly type?: 'file' | 'link' | 'symlink' | 'directory' | 'fifo';
  readonly linkname?: string;
  readonly pax?: Readonly<Record<string, string>>;
}

/** A tar file; one name may come more than once in a list. */
export async function tar(
  entries: Readonly<Record<string, string | Uint8Array>> | readonly TarEntry[],
): Promise<Buffer> {
  const list = Array.isArray(entries) ? entries : Object.entries(entries).map(([name, content]) => ({ name, content }));
  const archive = pack();
  for (const { content = '', ...header } of list as readonly TarEntry[]) archive.entry(header, Buffer.from(content));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What a dataset would train on: each item's captions beside the colour of its picture, and all that it says besides. */
export interface Seen {
  readonly format: string;
  /** The colour's name, and the captions. */
  readonly items: Readonly<Record<string, readonly [string, ...string[]]>>;
  readonly problems: Readonly<Record<string, string>>;
  readonly unused: Readonly<Record<string, string>>;
  readonly notices: readonly string[];
}

export async function seen(path: string, options: OpenOptions = {}): Promise<Seen> {
  const { format, items, problems, unused, notices } = await openDataset(path, options);
  const shown: [string, [string, ...string[]]][] = [];
  for (const { id, captions, read } of items) shown.push([id, [await colourOf(await read()), ...captions]]);
  const said = (list: typeof problems) => Object.fromEntries(list.map(({ id, what }) => [id, what]));
  return { format, items: Object.fromEntries(shown), problems: said(problems), unused: said(unused), notices };
}

const COLOURS = { red: [255, 0, 0], lime: [0, 255, 0], blue: [0, 0, 255], white: [255, 255, 255], black: [0, 0, 0] };

/** The name of a picture's colour, which is one of a few. */
async function colourOf(bytes: Uint8Array): Promise<string> {
  const pixels = await sharp(bytes).toColourspace('srgb').removeAlpha().raw().toBuffer();
  const near = Object.entries(COLOURS).find(([, rgb]) => rgb.every((value, i) => Math.abs(value - pixels[i]) < 9));
  return near?.[0] ?? `rgb ${pixels.subarray(0, 3).join(' ')}`;
}
