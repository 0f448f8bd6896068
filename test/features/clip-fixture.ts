/**
 * @file Writes a CLIP small enough to work out by hand, in the layout of the Hugging Face hub: ONNX graphs with CLIP's
 * inputs and outputs, a byte-level BPE with `</w>`, and the preprocessor's settings. Embeddings have four numbers: mean
 * red, green and blue of the picture in [-1, 1], and how much brighter its upper half is than its lower; the words are
 * vectors in the same space. ONNX is protobuf, written here field by field (onnx.proto3 of ONNX 1.8, opset 13).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Side of the pictures that the vision tower reads. */
export const CLIP_SIZE = 8;
/** Positions that the text tower has, with its start and end marks. */
const CLIP_POSITIONS = 7;

/** Embeddings of the words; `|` marks the end of a caption, and has one too, so that losing it shows. */
export const CLIP_WORDS = {
  green: [-1, 1, -1, 0],
  blue: [-1, -1, 1, 0],
  red: [1, -1, -1, 0],
  sky: [0, 0, 0.25, 1],
  '|': [0.125, 0, 0, 0.25],
} as const;

const START = '<|startoftext|>';
const END = '<|endoftext|>';
const WIDTH = 4;

export interface ClipFixture {
  /** Two ONNX files or one; default towers. */
  readonly layout?: 'towers' | 'joint';
  /** Ends the names of the ONNX files, e.g. `_quantized`. */
  readonly suffix?: string;
  /** Where in the folder they lie; '' is the root. */
  readonly subfolder?: string;
}

/** Fills a folder with the model. */
export function writeClip(
  folder: string,
  { layout = 'towers', suffix = '', subfolder = 'onnx' }: ClipFixture = {},
): void {
  mkdirSync(join(folder, subfolder), { recursive: true });
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value, null, 2));
  const onnx = (name: string, bytes: Uint8Array) =>
    writeFileSync(join(folder, subfolder, `${name}${suffix}.onnx`), bytes);
  const { vocab, merges } = vocabulary();

  json('config.json', {
    model_type: 'clip',
    architectures: ['CLIPModel'],
    projection_dim: WIDTH,
    text_config: { model_type: 'clip_text_model', max_position_embeddings: CLIP_POSITIONS },
    vision_config: { model_type: 'clip_vision_model', image_size: CLIP_SIZE },
  });
  json('preprocessor_config.json', {
    image_processor_type: 'CLIPImageProcessor',
    do_resize: true,
    size: { shortest_edge: CLIP_SIZE },
    resample: 3,
    do_center_crop: true,
    crop_size: { height: CLIP_SIZE, width: CLIP_SIZE },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  });
  json('tokenizer_config.json', {
    tokenizer_class: 'CLIPTokenizer',
    bos_token: START,
    eos_token: END,
    unk_token: END,
    pad_token: END,
    model_max_length: 77,
  });
  json('tokenizer.json', tokenizer(vocab, merges));
  if (layout === 'joint') {
    onnx('model', model([...textNodes(), ...visionNodes(), ...jointNodes()], textParts(vocab), visionParts(), JOINT));
  } else {
    onnx('text_model', model(textNodes(), textParts(vocab)));
    onnx('vision_model', model(visionNodes(), visionParts()));
  }
}

/** Single letters, letters that end a word, and one chain of merges a word: g r, gr e, gre e, gree n</w>. */
function vocabulary(): { vocab: Record<string, number>; merges: string[] } {
  const letters = [...new Set(Object.keys(CLIP_WORDS).join(''))].sort();
  const tokens = [...letters, ...letters.map(letter => `${letter}</w>`)];
  const merges: string[] = [];
  for (const word of Object.keys(CLIP_WORDS).filter(key => key.length > 1)) {
    const symbols = [...word.slice(0, -1), `${word.at(-1)}</w>`];
    let left = symbols[0];
    for (const right of symbols.slice(1)) {
      merges.push(`${left} ${right}`);
      left += right;
      tokens.push(left);
    }
  }
  return { vocab: Object.fromEntries([...tokens, START, END].map((token, id) => [token, id])), merges };
}

/** The pipeline of openai/clip-vit-base-patch32's tokenizer.json. */
function tokenizer(vocab: Record<string, number>, merges: readonly string[]): object {
  const special = (content: string) => ({
    id: vocab[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: content === START,
    special: true,
  });
  const words = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(START), special(END)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: words }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [END, vocab[END]],
      cls: [START, vocab[START]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: END,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges,
    },
  };
}

/** What a graph is made of besides its nodes: sizes are numbers, or names of sizes that vary. */
interface Parts {
  readonly inputs: Record<string, { readonly type: number; readonly shape: readonly (number | string)[] }>;
  readonly outputs: Record<string, readonly (number | string)[]>;
  readonly constants: readonly Uint8Array[];
}

const FLOAT = 1;
const INT64 = 7;

/** Sums the embeddings of the words that the mask keeps. */
const textNodes = () => [
  node('Gather', ['words', 'input_ids'], 'looked_up'), // [B, T, 4]
  node('Cast', ['attention_mask'], 'mask', attribute('to', FLOAT)),
  node('Unsqueeze', ['mask', 'last'], 'mask_column'), // [B, T, 1]
  node('Mul', ['looked_up', 'mask_column'], 'kept'),
  node('ReduceSum', ['kept', 'positions'], 'text_embeds', attribute('keepdims', 0)), // [B, 4]
];

function textParts(vocab: Record<string, number>): Parts {
  const table = new Float32Array(Object.keys(vocab).length * WIDTH);
  for (const [word, embedding] of Object.entries(CLIP_WORDS)) {
    table.set(embedding, vocab[word === '|' ? END : `${word}</w>`] * WIDTH);
  }
  const ids = { type: INT64, shape: ['batch', 'length'] };
  return {
    inputs: { input_ids: ids, attention_mask: ids },
    outputs: { text_embeds: ['batch', WIDTH] },
    constants: [
      tensor('words', [table.length / WIDTH, WIDTH], table),
      tensor('last', [1], new BigInt64Array([2n])),
      tensor('positions', [1], new BigInt64Array([1n])),
    ],
  };
}

/** A matrix product with every pixel, so that channels or rows in a wrong order give other numbers. */
const visionNodes = () => [
  node('Flatten', ['pixel_values'], 'pixels', attribute('axis', 1)), // [B, 3 S S]
  node('MatMul', ['pixels', 'projection'], 'image_embeds'), // [B, 4]
];

function visionParts(): Parts {
  const area = CLIP_SIZE * CLIP_SIZE;
  const projection = new Float32Array(3 * area * WIDTH);
  for (let i = 0; i < 3 * area; i++) {
    projection[i * WIDTH + Math.floor(i / area)] = 1 / area;
    projection[i * WIDTH + 3] = (i % area < area / 2 ? 1 : -1) / (3 * area);
  }
  return {
    inputs: { pixel_values: { type: FLOAT, shape: ['images', 3, CLIP_SIZE, CLIP_SIZE] } },
    outputs: { image_embeds: ['images', WIDTH] },
    constants: [tensor('projection', [3 * area, WIDTH], projection)],
  };
}

const jointNodes = () => [
  node('Transpose', ['text_embeds'], 'text_columns'),
  node('MatMul', ['image_embeds', 'text_columns'], 'logits_per_image'), // [images, batch]
];

const JOINT: Parts = { inputs: {}, outputs: { logits_per_image: ['images', 'batch'] }, constants: [] };

/** The file: one graph. */
function model(nodes: readonly Uint8Array[], ...parts: readonly Parts[]): Uint8Array {
  const inputs = parts.flatMap(part => Object.entries(part.inputs));
  const outputs = parts.flatMap(part => Object.entries(part.outputs));
  const graph = bytes(
    ...nodes.map(each => field(1, each)),
    field(2, 'clip'),
    ...parts.flatMap(part => part.constants).map(each => field(5, each)),
    ...inputs.map(([name, { type, shape }]) => field(11, valueInfo(name, type, shape))),
    ...outputs.map(([name, shape]) => field(12, valueInfo(name, FLOAT, shape))),
  );
  const opset = bytes(field(1, ''), field(2, 13));
  return bytes(field(1, 7), field(2, 'tests'), field(7, graph), field(8, opset)); // IR version 7 goes with opset 13
}

/** NodeProto with one output. */
function node(operator: string, inputs: readonly string[], output: string, ...attributes: Uint8Array[]): Uint8Array {
  return bytes(
    ...inputs.map(name => field(1, name)),
    field(2, output),
    field(3, output),
    field(4, operator),
    ...attributes.map(each => field(5, each)),
  );
}

/** AttributeProto that holds an integer (type INT is 2). */
function attribute(name: string, value: number): Uint8Array {
  return bytes(field(1, name), field(3, value), field(20, 2));
}

/** TensorProto; its numbers are little-endian, as they are here. */
function tensor(name: string, dims: readonly number[], values: Float32Array | BigInt64Array): Uint8Array {
  const type = values instanceof Float32Array ? FLOAT : INT64;
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return bytes(...dims.map(dim => field(1, dim)), field(2, type), field(8, name), field(9, raw));
}

/** ValueInfoProto of a tensor; a size that is a word is a dim_param. */
function valueInfo(name: string, type: number, shape: readonly (number | string)[]): Uint8Array {
  const dims = shape.map(size => field(1, field(typeof size === 'number' ? 1 : 2, size)));
  return bytes(field(1, name), field(2, field(1, bytes(field(1, type), field(2, bytes(...dims))))));
}

/** One field of a protobuf message: a varint, or bytes with their length before them. */
function field(number: number, value: number | string | Uint8Array): Uint8Array {
  if (typeof value === 'number') return bytes(varint(number << 3), varint(value));
  const content = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return bytes(varint((number << 3) | 2), varint(content.length), content);
}

function varint(value: number): Uint8Array {
  const groups: number[] = [];
  let rest = value;
  while (rest > 127) {
    groups.push((rest & 127) | 128);
    rest >>>= 7;
  }
  return Uint8Array.from([...groups, rest]);
}

function bytes(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
