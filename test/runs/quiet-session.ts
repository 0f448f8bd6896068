/** @file A session that shows nothing, keeps what is said, and has the clock that a test gives it. */
import type { Reporter, Session } from '../../src/runs/session.ts';

/** @param options.now milliseconds */
export function quietSession(options: {
  readonly now: () => number;
  readonly signal?: AbortSignal;
  readonly cacheDir?: string;
}): Session & { readonly said: string[] } {
  const { now, signal = new AbortController().signal, cacheDir = '' } = options;
  const said: string[] = [];
  const quiet = () => {};
  const message = (text: string | readonly string[]) => said.push(...(typeof text === 'string' ? [text] : text));
  const reporter: Reporter = {
    stage: quiet,
    update: quiet,
    done: quiet,
    skip: quiet,
    message,
    pictures: quiet,
    timings: {},
  };
  return { reporter, print: quiet, now, signal, cacheDir, said };
}
