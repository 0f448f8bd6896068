/** @file The captions that a command is asked for: separated by | in a flag, or one a line in a file or on standard input. */
import { UserError } from '../core/errors.ts';
import { readBytes } from '../io/bytes.ts';
import { captionsOfFile, splitCaptions } from '../runs/captions.ts';
import type { Session } from '../runs/session.ts';

/** The two flags of a command that name captions, e.g. `--text` and `--text-file`, and what they were given. */
export interface CaptionFlags {
  readonly command: string;
  readonly text: readonly [flag: string, given: string | undefined];
  readonly file: readonly [flag: string, given: string | undefined];
  /** Default: that of the process. */
  readonly stdin?: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean };
}

/** Longest file of captions, in bytes. */
const MOST_BYTES = 2 ** 26;

/**
 * Reads the captions, each once; says what was left out.
 * @returns undefined if neither flag was given
 * @throws UserError if both were, or a file is no text or has no caption
 */
export async function askedCaptions(
  { reporter }: Pick<Session, 'reporter'>,
  flags: CaptionFlags,
): Promise<string[] | undefined> {
  const { command, stdin = process.stdin } = flags;
  const [[textFlag, text], [fileFlag, path]] = [flags.text, flags.file];
  if (text !== undefined && path !== undefined) {
    throw new UserError(command, `expected either ${textFlag} or ${fileFlag}, got both`, 'leave one of them out');
  }
  if (text !== undefined) return eachOnce(reporter, splitCaptions(`${command}: ${textFlag}`, text));
  if (path === undefined) return undefined;
  const where = `${command}: ${fileFlag}`;
  const isPiped = path === '-';
  if (isPiped && stdin.isTTY === true) reporter.message('captions, one a line; Ctrl-D ends them');
  const name = isPiped ? 'standard input' : path;
  const bytes = isPiped ? await readAll(stdin, where) : await readNamed(path, where);
  const { captions, empty } = captionsOfFile(where, name, bytes);
  if (empty > 0) {
    const lines = empty === 1 ? '1 empty line was' : `${empty} empty lines were`;
    reporter.message(`${name}: ${captions.length} caption${captions.length === 1 ? '' : 's'}; ${lines} skipped`);
  }
  return eachOnce(reporter, captions);
}

/** A caption that comes twice is the same images twice. */
function eachOnce(reporter: Session['reporter'], captions: readonly string[]): string[] {
  const once = new Set<string>();
  const again = new Set<string>();
  for (const caption of captions) (once.has(caption) ? again : once).add(caption);
  if (again.size > 0) {
    const few = [...again].slice(0, 3).map(caption => `"${caption}"`);
    const more = again.size > 3 ? `, ... (${again.size} captions)` : '';
    reporter.message(`asked for more than once, painted once: ${few.join(', ')}${more}`);
  }
  return [...once];
}

async function readNamed(path: string, where: string): Promise<Uint8Array> {
  try {
    return await readBytes(path, { most: MOST_BYTES });
  } catch (error) {
    throw error instanceof UserError ? new UserError(where, error.message, error.hint) : error;
  }
}

async function readAll(stdin: AsyncIterable<Uint8Array>, where: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stdin) {
    bytes += piece.length;
    if (bytes > MOST_BYTES)
      throw new UserError(where, `standard input: expected at most ${MOST_BYTES} bytes, got more`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
