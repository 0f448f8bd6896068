/** @file The lines that name the pictures a training writes: of a short one, which writes many, a few. */
import type { Session } from '../session.ts';

/** Milliseconds within which a picture is named once. */
const QUIET = 10_000;

interface Named {
  /** When it was named last. */
  readonly at: number;
  /** What was written since, and not said. */
  readonly unsaid?: string;
}

/** Names each picture when it is first written, then every ten seconds at most, and at the end what was written last. */
export class PictureLines {
  private readonly session: Pick<Session, 'reporter' | 'now'>;
  private readonly named = new Map<string, Named>();

  constructor(session: Pick<Session, 'reporter' | 'now'>) {
    this.session = session;
  }

  /** @param path of the picture that was written */
  wrote(step: number, path: string): void {
    const now = this.session.now();
    const line = `step ${step}: wrote ${path}`;
    const before = this.named.get(path);
    if (before !== undefined && now - before.at < QUIET) {
      this.named.set(path, { ...before, unsaid: line });
      return;
    }
    this.named.set(path, { at: now });
    this.session.reporter.message(line);
  }

  /** Says what is left to be said; whatever comes after begins anew. */
  end(): void {
    for (const { unsaid } of this.named.values()) {
      if (unsaid !== undefined) this.session.reporter.message(unsaid);
    }
    this.named.clear();
  }
}
