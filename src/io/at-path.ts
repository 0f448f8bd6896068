/** @file Errors of the system, as far as they are to name the file that the user knows. */

/**
 * An error of the system with the user's path: those about open files name none, and those about temporary ones name these.
 * Other errors are left as they are.
 */
export function atPath(path: string, error: unknown): unknown {
  if (error instanceof Error && 'syscall' in error) Object.assign(error, { path });
  return error;
}

/** What work gives; errors of the system that it throws name the path. */
export async function namingPath<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw atPath(path, error);
  }
}

/** The code of an error of the system, e.g. `ENOENT`; undefined for other errors. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
