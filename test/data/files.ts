/** @file Pictures and folders that the tests of data/ make for themselves, and what a data set says of them. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { expect, onTestFinished } from 'vitest';
import { openDataset } from '../../data/open.ts';
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
  format: 'png' | 'jpeg' = 'png',
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
