/** @file Whole files: JSON and safetensors, written atomically, and read with errors that name the file. */
import { UserError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { writeAtomic } from './atomic.ts';
import { readRegular } from './regular.ts';
import { encodeSafetensors, parseSafetensors, type SafetensorsFile, type TensorData } from './safetensors.ts';

/** Writes a value as indented JSON, atomically. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomic(path, `${printableJson(value, 2)}\n`);
}

/**
 * Reads a JSON file; the caller checks what it holds.
 * @throws UserError if the file is missing or not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(path)); // drops a byte order mark, which editors leave
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(path, `expected JSON, got something else (${error instanceof Error ? error.message : error})`);
  }
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

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readRegular(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new UserError(path, 'expected a file, got none');
  if (code === 'EISDIR') return new UserError(path, 'expected a file, got a folder');
  if (code === 'EACCES' || code === 'EPERM') return new UserError(path, 'expected a readable file, got no permission');
  return error;
}
