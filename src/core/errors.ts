/**
 * @file The two errors the project throws on purpose. `UserError` is something the person at the keyboard can mend: the
 * command line prints its message alone and exits with 2. `ShapeError` is a tensor that does not fit, a bug in a caller.
 */

/** A mistake the user can fix. Its message reads `where: what`, and `hint` is a command or an action that mends it. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly hint: string | undefined;

  /**
   * @param where the command, file or field the error is about, e.g. `sample` or `config.json: width`
   * @param what one line: what was expected and what was found
   * @param hint how to mend it, preferably a command that can be run
   */
  constructor(where: string, what: string, hint?: string) {
    super(`${where}: ${what}`);
    this.hint = hint;
  }
}

/** A tensor of the wrong shape. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** A named axis size, or a number that must match exactly; a name binds at its first use. */
export type Axis = number | string;

/**
 * Checks one tensor's shape against axis sizes or names and returns what the names are bound to.
 * @param where e.g. `attention: k`
 * @param shape the shape found
 * @param expected e.g. `['B', 'H', 'T', 64]`
 * @param bound sizes of names already known; extended in place, so one object checks several tensors against each other
 * @throws ShapeError naming both shapes and the axis that differs
 */
export function expectShape(
  where: string,
  shape: readonly number[],
  expected: readonly Axis[],
  bound: Record<string, number> = {},
): Record<string, number> {
  const want = `[${expected.join(', ')}]`;
  const got = `[${shape.join(', ')}]`;
  if (shape.length !== expected.length) {
    throw new ShapeError(`${where}: expected ${want}, got ${got} (rank ${shape.length}, not ${expected.length})`);
  }
  expected.forEach((axis, i) => {
    if (typeof axis === 'string' && bound[axis] === undefined) bound[axis] = shape[i];
    const size = typeof axis === 'number' ? axis : bound[axis];
    if (shape[i] !== size) {
      const name = typeof axis === 'number' ? '' : `${axis} is `;
      throw new ShapeError(`${where}: expected ${want}, got ${got} (axis ${i} is ${shape[i]}, ${name}${size})`);
    }
  });
  return bound;
}

/** The first line of whatever was thrown, for the line of a message or of a list of problems. */
export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0].trim();
}
