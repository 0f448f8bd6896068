/** @file Opening a run of any family as what paints it. */
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { BackendName } from '../device/backends.ts';
import type { PrecisionName } from '../device/precision.ts';
import { loadTowers } from '../families/contrastive/towers.ts';
import { type Painter, TransformerPainter } from '../families/painter.ts';
import { captionEncoder, createRival } from '../families/rivals.ts';
import { Tessera } from '../families/transformer/tessera.ts';
import { readJson, readSafetensors } from '../io/files.ts';
import { startBackend } from '../kernels/start.ts';
import { namedValues } from '../training/loop.ts';
import { chooseWeights, expectTrained, expectTrainedWith, readRun, runPaths, type WeightKind } from './run.ts';

export type { Painter, PainterOptions } from '../families/painter.ts';

export interface OpenOptions {
  /**
   * `ema`: averaged weights; `best`: the average at the best validation; `last`: as trained last. Default `ema`, or the only
   * ones that are there.
   */
  readonly weights?: WeightKind;
  /** Where to compute; default `auto`. */
  readonly backend?: BackendName;
  readonly precision?: PrecisionName;
}

/**
 * Loads a run of any family.
 * @throws UserError if something of it is missing, or its text encoder is not the one that it was trained with
 */
export async function openPainter(run: string, options: OpenOptions = {}): Promise<Painter> {
  const { backend = 'auto', precision = 'auto' } = options;
  const config = await readRun(run, 'load');
  const paths = runPaths(run);
  const path = paths.weights[chooseWeights(run, options.weights)];
  if (config.family === 'transformer') {
    return new TransformerPainter(await Tessera.load(run, options));
  }
  expectTrained(run, [
    [paths.captions, 'caption tokenizer'],
    [paths.text, 'text encoder'],
    [path, config.family],
  ]);
  await startBackend(backend, { precision });
  const { tensors, metadata } = await readSafetensors(path);
  await expectTrainedWith(path, [['text encoder', paths.text, metadata.text_encoder]]);
  const captions = BpeTokenizer.fromJSON(
    (await readJson(paths.captions)) as Parameters<typeof BpeTokenizer.fromJSON>[0],
  );
  const text = await loadTowers(paths.text);
  const rival = createRival(config, {
    folder: run,
    encode: captionEncoder(text, captions),
    encoderParameters: text.textCount(),
    step: Number(metadata.step ?? 0),
    onDispose: () => text.dispose(),
  });
  rival.load(namedValues(tensors), path);
  return rival.painter;
}
