/**
 * @file The files of a run as a page loads them: the weights that painting reads, matrices in bf16, in the run's own files; what
 * codes pictures apart, because only a picture that is to be completed needs it, and in fp32, so that its codes are the run's.
 */
import { existsSync } from 'node:fs';
import { readRun } from '../../families/config.ts';
import { fingerprintKeys } from '../../families/family.ts';
import { omittedKey } from '../../families/transformer/omitted.ts';
import { readBytes } from '../../io/bytes.ts';
import { readSafetensors } from '../../io/files.ts';
import { runFiles, type WeightKind } from '../../io/runfiles.ts';
import { fingerprint, runPaths } from '../../io/runfolder.ts';
import { encodeSafetensors, type TensorData, toBfloat16, toFloat32 } from '../../io/safetensors.ts';

/** The file that is loaded when a picture is to be coded. */
export const ENCODER_FILE = 'encoder.safetensors';

type Tensors = ReadonlyMap<string, TensorData>;

/** By their names in a run. */
export async function pageFiles(
  run: string,
  { weights, dtype }: { readonly weights: WeightKind; readonly dtype: 'bf16' | 'f32' },
): Promise<ReadonlyMap<string, Uint8Array>> {
  await readRun(run, 'export');
  const paths = runPaths(run);
  const model = await readSafetensors(paths.weights[weights]);
  const patch = await readSafetensors(paths.patch);
  const { [fingerprintKeys.patch]: _, ...metadata } = model.metadata; // of a file that is another here
  const written = (tensors: Tensors) =>
    new Map([...tensors].map(([name, tensor]) => [name, rounded(name, tensor, dtype)]));
  const isRead = (name: string) => !name.startsWith('caption_head.');
  const [encoder, decoder] = split(patch.tensors, name => name.startsWith('encoder.'));
  const [painting] = split(model.tensors, isRead);
  const files = new Map<string, Uint8Array>([
    [runFiles.config, await readBytes(paths.config)],
    [runFiles.captions, await readBytes(paths.captions)],
    [runFiles[weights], bytesOf(written(painting), { ...metadata, [omittedKey]: 'caption_head' })],
    [runFiles.patch, bytesOf(written(decoder), { ...patch.metadata, [omittedKey]: 'encoder' })],
    [ENCODER_FILE, bytesOf(encoder, { format: 'tessera patch tokenizer: encoder' })],
  ]);
  if (existsSync(paths.learnt)) files.set(runFiles.learnt, await readBytes(paths.learnt));
  return files;
}

/** What a picture says of the weights that it was painted with. */
export function weightsFingerprint(run: string, weights: WeightKind): Promise<string> {
  return fingerprint(runPaths(run).weights[weights]);
}

function split(tensors: Tensors, isFirst: (name: string) => boolean): [Tensors, Tensors] {
  const all = [...tensors];
  return [new Map(all.filter(([name]) => isFirst(name))), new Map(all.filter(([name]) => !isFirst(name)))];
}

/** Matrices in half the bytes; vectors, codebooks and what a quantizer remembers stay. */
function rounded(name: string, tensor: TensorData, dtype: 'bf16' | 'f32'): TensorData {
  const data = toFloat32(tensor);
  const { shape } = tensor;
  const isExact = shape.length < 2 || /^(quantizer|state)\./.test(name);
  return dtype === 'f32' || isExact ? { dtype: 'F32', shape, data } : { dtype: 'BF16', shape, data: toBfloat16(data) };
}

function bytesOf(tensors: Tensors, metadata: Readonly<Record<string, string>>): Uint8Array {
  return Buffer.concat(encodeSafetensors(tensors, metadata));
}
