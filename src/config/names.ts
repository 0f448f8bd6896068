/**
 * @file Fields whose value is a name that other code gives a meaning to (a mask pattern, say), which has the list of the
 * built-in ones; a program adds its own.
 */
import { z } from 'zod';

/** The names that a field takes. */
export class OpenNames {
  private readonly names: Set<string>;

  constructor(builtIn: readonly string[]) {
    this.names = new Set(builtIn);
  }

  /** Every name there is now, the built-in ones first. */
  list(): readonly string[] {
    return [...this.names];
  }

  /**
   * Adds a name.
   * @throws Error if there is such a name
   */
  add(name: string): void {
    if (this.names.has(name)) throw new Error(`names: ${name} is defined twice`);
    this.names.add(name);
  }

  /** Takes a name out again. */
  remove(name: string): void {
    this.names.delete(name);
  }

  /** A schema that takes the names there are when it is used, in help and in errors as well. */
  schema(): z.ZodType<string, string> {
    const { names } = this;
    return z
      .string()
      .superRefine((value, context) => {
        if (names.has(value)) return;
        context.addIssue({ code: 'invalid_value', values: [...names], input: value });
      })
      .meta({
        get enum() {
          return [...names];
        },
      });
  }
}
