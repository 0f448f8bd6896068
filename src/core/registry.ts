/**
 * @file What a program may add to by a name, and take out again: families, metrics, kernels, masks, formats. One rule for
 * all of them: a name is given once, and only what was added from outside can be removed.
 */
import { checkValue, textCheck } from './checks.ts';
import { UserError } from './errors.ts';

/** Whether a name is lower-case words with hyphens. */
export function isPlainName(name: string): boolean {
  return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name);
}

let changes = 0;

/** A number that changes whenever anything is defined or removed: what was made of definitions holds while it stays. */
export function definitionsVersion(): number {
  return changes;
}

/** Definitions by their names, in the order in which they were added. */
export class Registry<Definition extends { readonly name: string }> {
  private readonly kind: string;
  private readonly definitions = new Map<string, Definition>();
  private readonly builtIn = new Set<string>();

  /** @param kind in the names of its functions, e.g. `Metric` for `defineMetric` and `removeMetric` */
  constructor(kind: string) {
    this.kind = kind;
  }

  /** All definitions by name. */
  all(): ReadonlyMap<string, Definition> {
    return this.definitions;
  }

  /** The names of those that were added from outside, in their order. */
  added(): readonly string[] {
    return [...this.definitions.keys()].filter(name => !this.builtIn.has(name));
  }

  /**
   * Adds a definition.
   * @param options.builtIn whether it comes with the program, and so stays
   * @throws UserError if the name is taken
   */
  add(definition: Definition, options: { readonly builtIn?: boolean } = {}): void {
    const { name } = definition;
    if (this.definitions.has(name)) {
      const hint = this.builtIn.has(name) ? undefined : `remove${this.kind} takes one out`;
      throw new UserError(`define${this.kind}`, `expected a new name, got ${name}, which is taken`, hint);
    }
    changes++;
    this.definitions.set(name, definition);
    if (options.builtIn === true) this.builtIn.add(name);
  }

  /**
   * Takes out what was added from outside.
   * @returns what it was
   * @throws UserError if there is nothing of that name, or it is built in
   */
  remove(name: string): Definition {
    const where = `remove${this.kind}`;
    checkValue(`${where}: name`, name, textCheck);
    const definition = this.definitions.get(name);
    if (definition === undefined || this.builtIn.has(name)) {
      const found = definition === undefined ? `${name}, which is not defined` : `${name}, which is built in`;
      throw new UserError(where, `expected a name that define${this.kind} was given, got ${found}`);
    }
    changes++;
    this.definitions.delete(name);
    return definition;
  }
}
