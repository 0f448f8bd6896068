/** @file What goes with exported networks for whoever finds them: the facts, a page that explains them, two examples. */
import { readFile } from 'node:fs/promises';
import type { WeightKind } from '../../io/runfiles.ts';

/** What a program must know to paint: painting.json, and field by field the metadata of both networks. */
export interface OnnxFacts {
  readonly source: string;
  readonly weights: WeightKind;
  readonly step: number;
  /** SHA-256 of the files of the tokenizers that the weights were trained with. */
  readonly tokenizers: { readonly captions: string; readonly patch: string };
  /** Pixels along a side, codes along a side, codes of a picture, and how many codes there are to choose from. */
  readonly imageSize: number;
  readonly grid: number;
  readonly codes: number;
  readonly codebookSize: number;
  /** Positions of a caption, and all. */
  readonly captionLength: number;
  readonly positions: number;
  /** Where the start token, words, pads (one of each position of a caption) and codes begin among the ids. */
  readonly ids: { readonly start: number; readonly caption: number; readonly pad: number; readonly code: number };
  /** Which cell of the picture, row by row, each code is of, in the order in which they are painted. */
  readonly cells: readonly number[];
  /** Codes after which the temperature is multiplied by `sampling.fineTemperature`. */
  readonly coarse: number;
  /** The run's own settings of painting. */
  readonly sampling: Readonly<Record<'temperature' | 'fineTemperature' | 'topK' | 'topP' | 'cfgScale', number>>;
}

/** One of the programs that paint with the networks. */
export async function readExample(name: 'paint.py' | 'paint.mjs'): Promise<string> {
  const text = await readFile(new URL(`./examples/${name}`, import.meta.url), 'utf8');
  return text.replaceAll('\r\n', '\n');
}

/** README.md. */
export function onnxReadme(
  facts: OnnxFacts,
  { hasCard, isAttributed }: { readonly hasCard: boolean; readonly isAttributed: boolean },
): string {
  const { source, weights, step, imageSize, grid, codes, codebookSize, captionLength, positions, ids } = facts;
  const others = [
    hasCard ? ['| `MODEL.md` | what the run says of itself: data, training, licence |'] : [],
    isAttributed ? ['| `ATTRIBUTION.md` | whose images it was trained on |'] : [],
  ].flat();
  return [
    `# ${source.replaceAll(/[\r\n]/g, ' ')}, as ONNX`,
    '',
    `Paints pictures of ${imageSize} x ${imageSize} pixels for captions, as ${grid} x ${grid} codes: the ${weights} weights of step ${step}, written by`,
    '`tessera export --onnx`. Operator set 17, fp32; any ONNX runtime of 2022 or later runs it.',
    '',
    '```',
    'pip install onnxruntime numpy pillow tokenizers',
    "python paint.py 'a caption' --seed 1 --out painted.png",
    '```',
    '',
    '```',
    'npm install onnxruntime-node @huggingface/tokenizers',
    "node paint.mjs 'a caption' --seed 1 --out painted.png",
    '```',
    '',
    'In a page: `onnxruntime-web` takes the place of `onnxruntime-node`, with the same calls.',
    '',
    '| file | |',
    '|---|---|',
    '| `decoder.onnx` | continues a caption code by code |',
    '| `pixels.onnx` | codes to pixels |',
    '| `tokenizer.json` | captions to ids, in the format of Hugging Face |',
    '| `painting.json` | the numbers below, and the settings of painting; the same stand in the metadata of both networks |',
    ...others,
    '',
    '## How a picture is painted',
    '',
    `1. The caption's ids, at most ${captionLength}, each plus ${ids.caption} (\`ids.caption\`); a position i that is left over has the pad ${ids.pad} + i (\`ids.pad\`).`,
    `   The start token ${ids.start} stands before them.`,
    `2. \`decoder\` reads these ${captionLength + 1} \`ids\` at \`positions\` 0 to ${captionLength}, with a \`past\` of zeros, and gives \`logits\` of the ${codebookSize} codes, and \`present\`, which is`,
    '   the `past` of the next call.',
    `3. A code is drawn. It is read, plus ${ids.code} (\`ids.code\`), at the next position, and so on until there are ${codes}.`,
    '   Code i is of the cell `cells[i]` of the picture. From code `coarse` on the temperature is multiplied by `sampling.fineTemperature`.',
    `4. \`pixels\` takes the \`codes\` cell by cell, and gives pixels from 0 to 1, [pictures, ${imageSize}, ${imageSize}, 3].`,
    '',
    `The caches hold all ${positions} positions from the start. Rows of a batch are captions, read at the same positions. For guidance (\`cfgScale\`) a second row reads no`,
    'caption, pads alone, and logits become `uncaptioned + cfgScale * (captioned - uncaptioned)`.',
    'The likeliest codes (temperature 0) are those that Tessera paints; drawn ones are others, because every program has its own random numbers.',
    '',
  ].join('\n');
}
