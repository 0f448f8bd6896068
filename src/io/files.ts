/** @file Whole files: JSON and safetensors, written atomically, and read with errors that name the file. */
import { printableJson } from '../core/printable.ts';
import { writeAtomic } from './atomic.ts';
import { type ReadOptions, readBytes } from './bytes.ts';
import { parseJson } from './json.ts';
import { encodeSafetensors, parseSafetensors, type SafetensorsFile, type TensorData } from './safetensors.ts';

/** Writes a value as indented JSON, atomically. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomic(path, `${printableJson(value, 2)}\n`);
}

/** Longest JSON file that is read, in bytes: a tokenizer of a million entries has half of it. */
const MOST_JSON = 2 ** 27;

/**
 * Reads a JSON file; the caller checks what it holds.
 * @param options.most longest file that is read, in bytes; default 128 MiB
 * @throws UserError if the file is missing, too long, or not JSON as `parseJson` takes it
 */
export async function readJson(path: string, { most = MOST_JSON }: ReadOptions = {}): Promise<unknown> {
  const bytes = await readBytes(path, { most });
  return parseJson(new TextDecoder().decode(bytes), path); // drops a byte order mark, which editors leave
}

/** Writes tensors as a safetensors file, atomically. The tensors must not change before the promise resolves. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeAtomic(path, encodeSafetensors(tensors, metadata));
}

/**
 * Reads a safetensors file with one allocation; the tensors are views of it.
 * @throws UserError if the file is missing, truncated or not what the format asks for
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return parseSafetensors(await readBytes(path), path);
}
