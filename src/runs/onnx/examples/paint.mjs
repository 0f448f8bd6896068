/**
 * Paints a caption: node paint.mjs 'red apple' --seed 1 --out painted.png
 * Needs: npm install onnxruntime-node @huggingface/tokenizers
 * In a page: onnxruntime-web, fetch instead of readFileSync, and a canvas instead of a PNG; the rest stays.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { crc32, deflateSync } from 'node:zlib';
import { Tokenizer } from '@huggingface/tokenizers';
import ort from 'onnxruntime-node';

const at = name => new URL(name, import.meta.url);
const about = JSON.parse(readFileSync(at('painting.json'), 'utf8'));
const { captionLength: L, codes: N, ids: first, imageSize: S } = about;
const text = { type: 'string' };
const { values: flags, positionals } = parseArgs({
  options: { seed: text, out: text, temperature: text, fineTemperature: text, topK: text, topP: text, cfgScale: text },
  allowPositionals: true,
});
const asked = { seed: 0, ...about.sampling };
for (const name of Object.keys(asked)) if (name in flags) asked[name] = Number(flags[name]);

const tokenizer = new Tokenizer(JSON.parse(readFileSync(at('tokenizer.json'), 'utf8')), {});
const [decoder, pixels] = await Promise.all(
  ['decoder', 'pixels'].map(name => ort.InferenceSession.create(readFileSync(at(`${name}.onnx`)))),
);
const int64 = (values, shape) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);

/** Words, then the pads of the positions that are left. */
function readCaption(caption) {
  const words = caption === '' ? [] : tokenizer.encode(caption).ids.slice(0, L);
  const pads = Array.from({ length: L - words.length }, (_, i) => first.pad + words.length + i);
  return [first.start, ...words.map(word => first.caption + word), ...pads];
}

/** Numbers in [0, 1) from the seed (mulberry32). */
function random() {
  asked.seed = (asked.seed + 0x6d2b79f5) | 0;
  let t = Math.imul(asked.seed ^ (asked.seed >>> 15), 1 | asked.seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

function draw(logits, temperature) {
  const most = logits.reduce((a, b) => Math.max(a, b));
  if (temperature === 0) return logits.indexOf(most);
  const sum = list => list.reduce((total, [chance]) => total + chance, 0);
  let kept = Array.from(logits, (logit, code) => [Math.exp((logit - most) / temperature), code]);
  kept.sort(([a], [b]) => b - a);
  if (asked.topK > 0) kept = kept.slice(0, asked.topK);
  let share = asked.topP * sum(kept);
  kept = kept.filter(([chance], i) => {
    share -= chance;
    return i === 0 || share + chance > 0;
  });
  let left = random() * sum(kept);
  for (const [chance, code] of kept) {
    left -= chance;
    if (left < 0) return code;
  }
  return kept[0][1];
}

const captions = asked.cfgScale === 1 ? [positionals[0] ?? ''] : [positionals[0] ?? '', ''];
const rows = captions.length;
let ids = int64(captions.flatMap(readCaption), [rows, 1 + L]);
let positions = int64(Array(1 + L).keys(), [1 + L]);
let past = {};
for (const { name, shape } of decoder.inputMetadata.slice(2)) {
  const size = [rows, ...shape.slice(1)];
  past[name] = new ort.Tensor('float32', new Float32Array(size.reduce((a, b) => a * b)), size);
}
const codes = Array(N).fill(0);
for (let place = 0; place < N; place++) {
  const { logits, ...present } = await decoder.run({ ids, positions, ...past });
  const [K, all] = [logits.dims[1], logits.data];
  const twin = all.subarray((rows - 1) * K);
  const temperature = asked.temperature * (place < about.coarse ? 1 : asked.fineTemperature);
  const code = draw(
    twin.map((value, k) => value + asked.cfgScale * (all[k] - value)),
    temperature,
  );
  codes[about.cells[place]] = code;
  past = Object.fromEntries(Object.entries(present).map(([name, cache]) => [name.replace('present', 'past'), cache]));
  [ids, positions] = [int64(Array(rows).fill(first.code + code), [rows, 1]), int64([1 + L + place], [1])];
}

/** A PNG of rows of red, green and blue. */
function png(values) {
  const lines = Buffer.alloc(S * (1 + 3 * S));
  for (let i = 0; i < values.length; i++) lines[i + 1 + Math.floor(i / (3 * S))] = Math.round(values[i] * 255);
  const chunk = (name, data) => {
    const [body, ends] = [Buffer.concat([Buffer.from(name), data]), Buffer.alloc(8)];
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const head = Buffer.from([0, 0, S >> 8, S & 255, 0, 0, S >> 8, S & 255, 8, 2, 0, 0, 0]);
  const parts = [chunk('IHDR', head), chunk('IDAT', deflateSync(lines)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
}

const out = flags.out ?? 'painted.png';
writeFileSync(out, png((await pixels.run({ codes: int64(codes, [1, N]) })).pixels.data));
console.log(`${out}: codes [${codes.join(', ')}]`);
