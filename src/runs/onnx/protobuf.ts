/**
 * @file Protocol buffers as far as ONNX needs them, written without a library: numbers, text and messages by the number of
 * their field. A message is a list of pieces that are views of what they hold, so that weights are not copied into it.
 * @see https://protobuf.dev/programming-guides/encoding/
 */

/** Encoded fields, one after another. */
export interface Encoded {
  /** Bytes in all. */
  readonly size: number;
  readonly parts: readonly Uint8Array[];
}

/** How the value after a field's number is stored. */
const WIRE = { varint: 0, bytes: 2, float: 5 } as const;

/** A whole number, also a negative one, which takes ten bytes. */
export function numberField(field: number, value: number): Encoded {
  return joined([varint(tag(field, WIRE.varint)), varint(value)]);
}

/** A 32-bit float. */
export function floatField(field: number, value: number): Encoded {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return joined([varint(tag(field, WIRE.float)), bytes]);
}

export function textField(field: number, text: string): Encoded {
  return bytesField(field, new TextEncoder().encode(text));
}

/** @param bytes not copied */
export function bytesField(field: number, bytes: Uint8Array): Encoded {
  return joined([varint(tag(field, WIRE.bytes)), varint(bytes.length), bytes]);
}

/** A message of fields. */
export function messageField(field: number, fields: readonly Encoded[]): Encoded {
  const { size, parts } = message(fields);
  const head = joined([varint(tag(field, WIRE.bytes)), varint(size)]);
  return { size: head.size + size, parts: [...head.parts, ...parts] };
}

/** Fields one after another, which is what a message is. */
export function message(fields: readonly Encoded[]): Encoded {
  const size = fields.reduce((sum, field) => sum + field.size, 0);
  return { size, parts: fields.flatMap(field => field.parts) };
}

function joined(parts: readonly Uint8Array[]): Encoded {
  return { size: parts.reduce((sum, { length }) => sum + length, 0), parts };
}

function tag(field: number, wire: number): number {
  return field * 8 + wire;
}

/** Seven bits a byte, the lowest first; the top bit says that more follow. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
