/**
 * @file Undoes the compression of a page of Parquet into exactly as many bytes as its header says, never more.
 */

import { brotliDecompressSync, gunzipSync } from 'node:zlib';

/** Undoes a compression. @param length bytes that come out @throws Error in one line if other than that come out */
export async function unpacker(codec: string): Promise<(bytes: Uint8Array, length: number) => Uint8Array> {
  if (codec === 'UNCOMPRESSED') return bytes => bytes;
  if (codec === 'GZIP') return (bytes, length) => gunzipSync(bytes, { maxOutputLength: Math.max(1, length) });
  if (codec === 'BROTLI')
    return (bytes, length) => brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, length) });
  const { compressors } = await import('hyparquet-compressors');
  if (codec === 'ZSTD') {
    return (bytes, length) => {
      checkZstd(bytes, length);
      return compressors.ZSTD?.(bytes, length) ?? new Uint8Array();
    };
  }
  const known = codec === 'SNAPPY' || codec === 'LZ4' || codec === 'LZ4_RAW' ? compressors[codec] : undefined;
  if (known === undefined) throw new Error(`compressed with ${codec}, which is not read`);
  return known;
}

/** Most bytes of a block. */
const BLOCK = 2 ** 17;

/**
 * Checks that Zstandard data give about `length` bytes: the decoder does not, and three bytes may stand for 128 KiB.
 * @see RFC 8878, 3.1.1
 */
function checkZstd(bytes: Uint8Array, length: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let most = 0;
  for (let at = 0; at < bytes.length; ) {
    const magic = view.getUint32(at, true);
    if (magic >>> 4 === 0x184d2a5) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (magic !== 0xfd2fb528) throw new Error('not compressed with zstd');
    const flags = view.getUint8(at + 4);
    const isSingle = (flags & 32) !== 0;
    const window = isSingle ? 0 : view.getUint8(at + 5) >> 3;
    if (window > 17) throw new Error('a zstd window of more than 128 MiB');
    const dictionary = [0, 1, 2, 4][flags & 3];
    const sized = flags >> 6 === 0 ? Number(isSingle) : 1 << (flags >> 6);
    if (sized > 0 && contentSize(view, at + 5 + Number(!isSingle) + dictionary, sized) > length) tooLong(length);
    at += 5 + Number(!isSingle) + dictionary + sized;
    for (let isLast = false; !isLast; ) {
      const head = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
      isLast = (head & 1) === 1;
      const kind = (head >> 1) & 3; // 0 as it is, 1 one byte many times, 2 compressed
      const size = head >> 3;
      most += kind === 2 ? BLOCK : size;
      if (most > 4 * length + 8 * BLOCK) tooLong(length);
      at += 3 + (kind === 1 ? 1 : size);
    }
    at += flags & 4;
  }
}

function contentSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, true) + 256;
  return bytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

function tooLong(length: number): never {
  throw new Error(`unpacks to more than the ${length} bytes that the page should have`);
}
