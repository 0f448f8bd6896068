/**
 * @file Finding a file by the name that somebody wrote down. Names are compared as they are, then in canonical Unicode (macOS
 * decomposes accents), then without regard to case, and a name that fits several files equally well fits none.
 */

/** Paths of files, to be found by other spellings of them. */
export class PathIndex {
  private readonly exact: ReadonlySet<string>;
  private others: { readonly canonical: Map<string, string[]>; readonly folded: Map<string, string[]> } | undefined;

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
    this.others ??= this.spellings(); // most data sets need none
    return this.others.canonical.get(name.normalize('NFC')) ?? this.others.folded.get(fold(name)) ?? [];
  }

  private spellings() {
    const canonical = new Map<string, string[]>();
    const folded = new Map<string, string[]>();
    for (const path of this.exact) {
      add(canonical, path.normalize('NFC'), path);
      add(folded, fold(path), path);
    }
    return { canonical, folded };
  }
}

/** A path as file systems compare it that know no case: two paths of one fold are the same file there. */
export function fold(path: string): string {
  return path.normalize('NFC').toLowerCase().normalize('NFC');
}

function add(map: Map<string, string[]>, key: string, path: string): void {
  const there = map.get(key);
  if (there === undefined) map.set(key, [path]);
  else there.push(path);
}
