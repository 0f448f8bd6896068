/** @file A transformer's run out of the bytes of its files, wherever they came from: what paints it. */
import { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import { sha256 } from '../../core/platform/platform.ts';
import { parseJson } from '../../io/json.ts';
import { expectCompanion, type RunBytes, runFiles } from '../../io/runfiles.ts';
import { parseSafetensors } from '../../io/safetensors.ts';
import { Checkpoint } from '../../nn/module.ts';
import { namedValues } from '../../training/named-values.ts';
import { fingerprintKeys, stageTitles } from '../family.ts';
import { CodePainter, type PaintedConfig } from './codepainter.ts';
import { Dalle } from './dalle.ts';
import { omittedKey } from './omitted.ts';
import { readPaintedConfig } from './painted-config.ts';
import { patchOfTensors } from './patch-weights.ts';

/**
 * What paints a run, on the backend that is active.
 * @param name of the run, for messages
 * @throws UserError if a file is damaged, or not of the same run as the others
 */
export function openRunBytes(name: string, bytes: RunBytes): CodePainter<PaintedConfig> {
  const config = readPaintedConfig(jsonOf(bytes.config, runFiles.config), runFiles.config);
  const { tensors, metadata } = parseSafetensors(bytes.weights, bytes.weightsFile);
  for (const part of ['captions', 'patch'] as const) {
    const companion = [stageTitles[part], runFiles[part], metadata[fingerprintKeys[part]]] as const;
    expectCompanion(bytes.weightsFile, companion, sha256(bytes[part]));
  }
  const captions = BpeTokenizer.fromJSON(jsonOf(bytes.captions, runFiles.captions), runFiles.captions);
  const values = namedValues(tensors, bytes.weightsFile);
  const patch = patchOfTensors(config, parseSafetensors(bytes.patch, runFiles.patch), runFiles.patch);
  try {
    const checkpoint = new Checkpoint(values, bytes.weightsFile).without(metadata[omittedKey]);
    const vocabulary = { caption: captions.vocabSize, image: codebookSizeOf(config.patch), grid: config.patch.grid };
    const model = new Dalle(config.model, vocabulary, checkpoint);
    model.parameters.load(values, bytes.weightsFile);
    return new CodePainter({ folder: name, config, captions, patch, model });
  } catch (error) {
    patch.dispose();
    throw error;
  }
}

function jsonOf(bytes: Uint8Array, where: string): unknown {
  return parseJson(new TextDecoder().decode(bytes), where);
}
