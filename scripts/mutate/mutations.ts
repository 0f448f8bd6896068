/**
 * @file Damage to files, drawn from a seed: what a broken disk, a careless editor or a malicious author may make of a file
 * of a run. Knows bytes, JSON and safetensors headers; not runs, and not what is done with the files.
 */
import type { Random } from '../../src/core/random.ts';

/** What a file's bytes are, as far as damage can be aimed at their meaning. */
export type FileKind = 'json' | 'lines' | 'safetensors';

/** What stands where the file was: other bytes, or what is no file at all. */
export type Damage =
  | { readonly what: string; readonly bytes: Uint8Array }
  | { readonly what: string; readonly place: 'folder' | 'fifo' | 'loop' | 'dangling' };

/** Draws one damage. The bytes stay as they are. */
export function damage(bytes: Uint8Array, kind: FileKind, random: Random): Damage {
  const draw = random.uniform();
  if (draw < 0.02) return pick(places, random);
  if (draw < 0.3) return ofBytes(bytes, random);
  if (kind === 'safetensors') return ofTensors(bytes, random);
  const { what, text } = ofText(decode(bytes), kind, random);
  return { what, bytes: encode(text) };
}

const places = [
  { what: 'a folder', place: 'folder' },
  { what: 'a FIFO', place: 'fifo' },
  { what: 'a link to itself', place: 'loop' },
  { what: 'a link to nothing', place: 'dangling' },
] as const satisfies readonly Damage[];

function pick<T>(list: readonly T[], random: Random): T {
  return list[random.integer(list.length)];
}

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Damage that knows nothing of what the bytes mean. */
function ofBytes(bytes: Uint8Array, random: Random): Damage {
  const at = () => random.integer(Math.max(1, bytes.length));
  const [from, to] = [at(), at()].sort((a, b) => a - b);
  switch (random.integer(7)) {
    case 0: {
      const changed = bytes.slice();
      const flips = Math.min(bytes.length, 1 + random.integer(8));
      for (let i = 0; i < flips; i++) changed[at()] ^= 1 << random.integer(8);
      return { what: `${flips} flipped bits`, bytes: changed };
    }
    case 1:
      return { what: `cut after ${from} bytes`, bytes: bytes.slice(0, from) };
    case 2:
      return { what: `bytes ${from} to ${to} taken out`, bytes: join(bytes.subarray(0, from), bytes.subarray(to)) };
    case 3: {
      const more = Uint8Array.from({ length: 1 + random.integer(64) }, () => random.integer(256));
      const parts = [bytes.subarray(0, from), more, bytes.subarray(from)];
      return { what: `${more.length} bytes put in at ${from}`, bytes: join(...parts) };
    }
    case 4: {
      const parts = [bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to)];
      return { what: `bytes ${from} to ${to} twice`, bytes: join(...parts) };
    }
    case 5: {
      const changed = bytes.slice();
      changed.fill(pick([0, 0x20, 0x7f, 0xff], random), from, to);
      return { what: `bytes ${from} to ${to} overwritten`, bytes: changed };
    }
    default:
      return { what: 'empty', bytes: new Uint8Array() };
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Damage to JSON, or to one line of a file of JSON lines. */
function ofText(
  text: string,
  kind: 'json' | 'lines',
  random: Random,
): { readonly what: string; readonly text: string } {
  if (kind === 'json') return ofJson(text, random);
  const lines = text.split('\n');
  const at = random.integer(lines.length);
  if (random.uniform() < 0.2) {
    const other = pick(lines, random);
    return { what: `line ${at + 1} twice`, text: lines.toSpliced(at, 0, other).join('\n') };
  }
  const changed = ofJson(lines[at], random);
  return { what: `line ${at + 1}: ${changed.what}`, text: lines.with(at, changed.text).join('\n') };
}

/** Values that numbers, texts, lists and objects are exchanged for. */
const strangers: readonly unknown[] = [
  ...[0, -1, 1, 0.5, 2 ** 31, 2 ** 32, 1e9, 1e15, 2 ** 53, 1e308, -1e308, 1e-45],
  ...[null, true, false, '', 'x', '1e9', '\u001b[31mred', '../../etc/passwd', [], {}, [[]], [0], { length: 1e9 }],
];

/** Stands in a value for what JSON.stringify cannot write: it is put into the text afterwards. */
const RAW = '@raw@';
const rawTexts: readonly (() => string)[] = [
  () => 'NaN',
  () => 'Infinity',
  () => '-0',
  () => '1'.repeat(400),
  () => `"${'a'.repeat(1 << 20)}"`,
  () => '['.repeat(20000) + ']'.repeat(20000),
  () => `${'{"a":'.repeat(20000)}1${'}'.repeat(20000)}`,
  () => `[${'0,'.repeat(100000)}0]`,
  () => '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
];

const keys = ['__proto__', 'constructor', 'toString', 'x', '', 'a'.repeat(1 << 20), '\u001b]0;title\u0007'] as const;

/** Replaces, removes or adds something somewhere in a JSON text; text that is no JSON is damaged as bytes. */
function ofJson(text: string, random: Random): { readonly what: string; readonly text: string } {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    const changed = ofBytes(encode(text), random);
    return { what: changed.what, text: 'bytes' in changed ? decode(changed.bytes) : '' };
  }
  const place = pickPlace(root, random);
  const raw = random.uniform() < 0.15 ? pick(rawTexts, random)() : undefined;
  const { what, root: changed } = changePlace(root, place, random, raw === undefined ? undefined : RAW);
  const written = JSON.stringify(changed) ?? 'null';
  return { what, text: raw === undefined ? written : written.replace(`"${RAW}"`, () => raw) };
}

/** Somewhere in a JSON value: the containers on the way, and the key in the last one; none is the whole value. */
type Place = readonly { readonly container: unknown[] | Record<string, unknown>; readonly key: string }[];

/** Walks down at random; large lists and objects count no more than small ones, so that every field is hit. */
function pickPlace(root: unknown, random: Random): Place {
  const place: { container: unknown[] | Record<string, unknown>; key: string }[] = [];
  let value = root;
  while (typeof value === 'object' && value !== null && (place.length === 0 || random.uniform() < 0.8)) {
    const container = value as unknown[] | Record<string, unknown>;
    const names = Object.keys(container);
    if (names.length === 0) break;
    const key = pick(names, random);
    place.push({ container, key });
    value = (container as Record<string, unknown>)[key];
  }
  return place;
}

function changePlace(
  root: unknown,
  place: Place,
  random: Random,
  raw: string | undefined,
): { readonly what: string; readonly root: unknown } {
  const path = place.map(({ key }) => (key.length > 40 ? `${key.slice(0, 40)}...` : key)).join('.') || 'all of it';
  const last = place.at(-1);
  const value = raw ?? exchanged(last === undefined ? root : valueAt(last), random);
  const what = `${path}: ${raw === undefined ? (JSON.stringify(value)?.slice(0, 40) ?? 'left out') : 'raw text'}`;
  if (last === undefined) return { what, root: value };
  const { container, key } = last;
  const draw = random.uniform();
  if (Array.isArray(container)) {
    if (draw < 0.6) container[Number(key)] = value;
    else if (draw < 0.8) container.splice(Number(key), 1);
    else container.splice(Number(key), 0, value);
  } else if (draw < 0.7) setOwn(container, key, value);
  else if (draw < 0.85) delete container[key];
  else setOwn(container, pick(keys, random), value);
  return { what, root };
}

/** An own field, also where it is called `__proto__`. */
function setOwn(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function valueAt({ container, key }: Place[number]): unknown {
  return (container as Record<string, unknown>)[key];
}

/** Something else than a value: a stranger, or for numbers one nearby. */
function exchanged(value: unknown, random: Random): unknown {
  if (typeof value !== 'number' || random.uniform() < 0.5) return pick(strangers, random);
  return pick([value + 1, value - 1, value * 2, value / 2, -value, value * 1000, value + 0.5], random);
}

/** Damage to a safetensors file: its header's length, its JSON, or the numbers after it. */
function ofTensors(bytes: Uint8Array, random: Random): Damage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 8 ? 0 : Number(view.getBigUint64(0, true));
  const draw = random.uniform();
  if (draw < 0.1) {
    const changed = bytes.slice();
    const lengths = [0n, 1n, 8n, BigInt(bytes.length), 100_000_000n, 8_589_934_592n, 2n ** 63n, 2n ** 64n - 1n];
    const wrong = pick(lengths, random);
    if (changed.length >= 8) new DataView(changed.buffer).setBigUint64(0, wrong, true);
    return { what: `header of ${wrong} bytes`, bytes: changed };
  }
  if (draw < 0.3) {
    const changed = bytes.slice();
    const [data, value] = [changed.subarray(8 + length), pick([0, 0x7f, 0x80, 0xff], random)];
    const from = random.integer(Math.max(1, data.length));
    data.fill(value, from, Math.min(data.length, from + 4 * (1 + random.integer(64))));
    return { what: `data filled with ${value} from ${from} on`, bytes: changed };
  }
  const { what, text } = ofJson(decode(bytes.subarray(8, 8 + length)), random);
  return { what: `header: ${what}`, bytes: withHeader(text, bytes.subarray(8 + length)) };
}

/** A safetensors file of a header's text and the data. */
export function withHeader(text: string, data: Uint8Array): Uint8Array {
  const header = encode(text);
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true);
  return join(start, header, data);
}
