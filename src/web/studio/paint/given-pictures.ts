/** @file Pictures that somebody wants completed: taken from a request, fitted to a run's size, and kept in memory, the newest few. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { firstLine, UserError } from '../../../core/errors.ts';
import { decodeImage } from '../../../image/decode.ts';
import type { Picture } from '../../../image/images.ts';
import { pictureKind } from '../../../image/kind.ts';
import { encodePng } from '../../../image/png.ts';
import { Refusal } from '../../guard.ts';

/** Most bytes of a picture, and most pictures that are kept. */
const MOST_BYTES = 20_000_000;
const MOST = 32;

const TYPES: Readonly<Record<string, string>> = { PNG: 'image/png', JPEG: 'image/jpeg', WebP: 'image/webp' };

/** One picture in a run's size. */
export interface Given {
  readonly id: string;
  readonly picture: Picture;
  readonly png: Uint8Array;
  /** What the run's patch tokenizer makes of it. */
  readonly copy: Uint8Array;
}

export class GivenPictures {
  private readonly kept = new Map<string, Given>();

  /** @throws Refusal if it is gone */
  get(id: string): Given {
    const given = this.kept.get(id);
    if (given === undefined) throw new Refusal(404, 'this picture is not kept any more: give it again');
    this.kept.delete(id); // what is used is the newest
    this.kept.set(id, given);
    return given;
  }

  async add(picture: Picture, copy: Uint8Array): Promise<Given> {
    const given = { id: randomBytes(6).toString('hex'), picture, copy, png: await encodePng(picture) };
    this.kept.set(given.id, given);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST) this.kept.delete(oldest);
    return given;
  }
}

/**
 * The picture that a request brings, its middle square in a run's size.
 * @throws Refusal of another kind of content; UserError of a picture that cannot be decoded
 */
export async function readPicture(request: IncomingMessage, size: number): Promise<Picture> {
  const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  const types = Object.values(TYPES);
  if (!types.includes(type)) throw new Refusal(415, `expected ${types.join(', ')}`);
  const bytes = await readBytes(request);
  const kind = pictureKind(bytes.subarray(0, 512))?.name ?? '';
  if (!Object.hasOwn(TYPES, kind)) throw new UserError('picture', 'expected a PNG, JPEG or WebP, got something else');
  try {
    return await decodeImage(bytes, { size });
  } catch (error) {
    throw new UserError('picture', firstLine(error));
  }
}

async function readBytes(request: IncomingMessage): Promise<Uint8Array> {
  const tooLong = new Refusal(413, `expected at most ${MOST_BYTES} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES) throw tooLong;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw tooLong;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
