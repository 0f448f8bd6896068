/** @file Reads the event files of a folder, by the specification of protocol buffers and not by what writes them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

type Value = number | Buffer;
/** Fields of a message by their number; each may come several times. */
type Message = ReadonlyMap<number, readonly Value[]>;

export interface Events {
  /** Of each curve: step, value, seconds since the file's beginning. */
  readonly curves: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly sheets: readonly object[];
}

/** All curves and pictures of a folder with one event file. */
export function readEvents(folder: string): Events {
  const [name, ...others] = readdirSync(folder);
  if (others.length > 0) throw new Error(`expected one event file, got ${others.length + 1}`);
  const bytes = readFileSync(join(folder, name));
  const curves: Record<string, number[][]> = {};
  const sheets: object[] = [];
  let begin: number | undefined;
  for (const event of recordsOf(bytes).map(parse)) {
    const wallTime = number(event, 1);
    begin ??= wallTime;
    const seconds = Math.round((wallTime - begin) * 1e3) / 1e3;
    const step = number(event, 2);
    for (const summary of event.get(5) ?? []) {
      for (const value of (parse(summary as Buffer).get(1) ?? []).map(part => parse(part as Buffer))) {
        const tag = String(value.get(1)?.[0]);
        const [scalar] = value.get(2) ?? [];
        const [image] = value.get(4) ?? [];
        if (typeof scalar === 'number') curves[tag] = [...(curves[tag] ?? []), [step, scalar, seconds]];
        if (image instanceof Buffer) sheets.push({ tag, step, seconds, ...imageOf(parse(image)) });
      }
    }
  }
  return { curves, sheets };
}

function imageOf(image: Message) {
  const [png] = image.get(4) ?? [];
  return {
    height: number(image, 1),
    width: number(image, 2),
    png: png instanceof Buffer ? png.toString('hex') : undefined,
  };
}

function number(message: Message, field: number): number {
  return Number(message.get(field)?.[0] ?? 0);
}

/** The data of TFRecords: 8 bytes of length, 4 of checksum, the data, 4 of checksum. */
function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    if (at + length + 16 > bytes.length) throw new Error(`a torn record at byte ${at}`);
    records.push(bytes.subarray(at + 12, at + 12 + length));
    at += length + 16;
  }
  return records;
}

function parse(bytes: Buffer): Message {
  const fields = new Map<number, Value[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key % 8;
    let value: Value;
    if (kind === 0) value = varint();
    else if (kind === 1) value = take(8).readDoubleLE();
    else if (kind === 2) value = take(varint());
    else if (kind === 5) value = take(4).readFloatLE();
    else throw new Error(`no such kind of field: ${kind}`);
    const field = Math.floor(key / 8);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}
