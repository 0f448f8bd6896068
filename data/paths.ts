/**
 * @file Finding a file by the name that somebody wrote down. Names are compared as they are, then in canonical Unicode (macOS
 * decomposes accents), then without regard to case, and a name that fits several files equally well fits none.
 */

/** Longest name that is looked for; no file system has longer ones. */
const LONGEST = 4096;

/** Paths of files, to be found by other spellings of them. */
export class PathIndex {
  private readonly exact: ReadonlySet<string>;
  /** Made when a name is looked for that is not there as it is written. */
  private folded: PathGroups | undefined;

  /** @param paths with `/` between folders */
  constructor(paths: Iterable<string>) {
    this.exact = new Set(paths);
  }

  /**
   * The files that a name means: none, one, or several that fit equally well, which the caller names as a problem.
   * @param name a path with `/` between folders
   */
  find(name: string): readonly string[] {
    if (this.exact.has(name)) return [name];
    if (name.length > LONGEST) return [];
    this.folded ??= this.fold();
    const alike = this.folded.get(fold(name));
    const canonical = name.normalize('NFC');
    const same = alike.filter(path => path.normalize('NFC') === canonical);
    return same.length > 0 ? same : alike;
  }

  private fold(): PathGroups {
    const groups = new PathGroups();
    for (const path of this.exact) groups.add(fold(path), path);
    return groups;
  }
}

/** A path as file systems compare it that know no case: two paths of one fold are the same file there. */
export function fold(path: string): string {
  return path.normalize('NFC').toLowerCase().normalize('NFC');
}

/** Paths by a key that several may have. Most have one of their own, so a list is kept only for those that do not. */
export class PathGroups {
  private readonly groups = new Map<string, string | string[]>();

  add(key: string, path: string): void {
    const there = this.groups.get(key);
    if (there === undefined) this.groups.set(key, path);
    else if (typeof there === 'string') this.groups.set(key, [there, path]);
    else there.push(path);
  }

  /** The paths of a key, in the order in which they were added. */
  get(key: string): readonly string[] {
    const there = this.groups.get(key);
    return there === undefined ? [] : typeof there === 'string' ? [there] : there;
  }

  get isEmpty(): boolean {
    return this.groups.size === 0;
  }
}
