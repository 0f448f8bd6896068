/**
 * @file What the system may refuse for reasons that the user can mend, as one line that names the user's file. Codes that
 * are not here speak of a mistake of the program.
 */
import { UserError } from '../core/errors.ts';

interface Refusal {
  readonly reason: string;
  readonly hint?: string;
}

const NO_SPACE = 'nothing that was saved before is lost: make room and give the same command again';
const NO_FILES = 'raise the limit (ulimit -n), or close other programs';

const refusals: Readonly<Record<string, Refusal>> = {
  EACCES: { reason: 'permission denied' },
  EPERM: { reason: 'permission denied' },
  EROFS: { reason: 'the file system is read-only' },
  ENOENT: { reason: 'no such file or folder' },
  ENOTDIR: { reason: 'a part of the path is a file, not a folder' },
  EEXIST: { reason: 'there is a file where a folder should be' },
  EISDIR: { reason: 'there is a folder where a file should be' },
  ENOTEMPTY: { reason: 'the folder is not empty' },
  ENAMETOOLONG: { reason: 'the name is longer than the file system takes' },
  ELOOP: { reason: 'the symbolic links of the path lead round in a circle' },
  EINVAL: { reason: 'the file system does not take such a name or request' },
  EILSEQ: { reason: 'the file system does not take such characters in a name' },
  ENOSPC: { reason: 'the disk is full', hint: NO_SPACE },
  EDQUOT: { reason: 'the disk quota is used up', hint: NO_SPACE },
  EFBIG: {
    reason: 'the file would be larger than is allowed',
    hint: 'raise the limit (ulimit -f), or use a file system that takes larger files',
  },
  EMFILE: { reason: 'this process has too many files open', hint: NO_FILES },
  ENFILE: { reason: 'the machine has too many files open', hint: NO_FILES },
  ENOMEM: { reason: 'there is no memory left', hint: 'close other programs, or use smaller batches' },
  EAGAIN: { reason: 'the system has no process, thread or lock left to give' },
  EIO: { reason: 'the disk or the network behind it failed', hint: 'see the log of the system (dmesg)' },
  ESTALE: { reason: 'the file was replaced or removed on its server' },
  ETIMEDOUT: { reason: 'the disk or the network behind it does not answer' },
  ENODEV: { reason: 'the device is gone' },
  ENXIO: { reason: 'the device is gone' },
  ENOTCONN: { reason: 'the file system is not connected' },
  EHOSTDOWN: { reason: 'the server of the file system is down' },
  EBUSY: { reason: 'another program or the system uses it' },
  ETXTBSY: { reason: 'another program runs it' },
  EXDEV: { reason: 'it lies on another file system' },
  EMLINK: { reason: 'the file system takes no more links or folders' },
  ENOTSUP: { reason: 'the file system cannot do that' },
  EOPNOTSUPP: { reason: 'the file system cannot do that' },
  ENOSYS: { reason: 'the file system cannot do that' },
  ENOLCK: { reason: 'the file system has no locks left' },
  EOVERFLOW: { reason: 'the file is larger than this system can read' },
};

/** What Node and the kernels say where an allocation fails. */
const NO_MEMORY = /Array buffer allocation failed|^native: out of memory/;

/** An error of the system as one line; undefined for any other error. */
export function refusalOfSystem(error: unknown): UserError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, syscall } = error as NodeJS.ErrnoException; // fields that other errors lack
  if (NO_MEMORY.test(error.message)) {
    return new UserError(
      'memory',
      'there is not enough memory left for this',
      'use a smaller --batch-size, smaller images or a smaller model',
    );
  }
  const refusal = code === undefined || !Object.hasOwn(refusals, code) ? undefined : refusals[code];
  if (refusal === undefined || syscall === undefined) return undefined;
  return new UserError(path ?? syscall, `${refusal.reason} (${code}: ${syscall})`, refusal.hint);
}
