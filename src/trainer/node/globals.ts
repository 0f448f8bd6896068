/** @file What Node has without an import, for code in a worker of a browser; the bundle gives it these. */
import { Buffer } from 'buffer';
import { codedError } from './coded-error.ts';

export { Buffer };

export const process = {
  pid: 1,
  platform: 'browser',
  arch: 'wasm',
  env: {} as Readonly<Record<string, string | undefined>>,
  argv: [] as readonly string[],
  execArgv: [] as readonly string[],
  versions: {} as Readonly<Record<string, string | undefined>>,
  /** No other worker has the files (see ../exclusive.ts), so that whoever had a lock is gone. */
  kill(): never {
    throw codedError('ESRCH', 'no such process');
  },
  constrainedMemory: () => 0,
  resourceUsage: () => ({ maxRSS: 0 }),
  emitWarning: (warning: string) => console.warn(warning),
  on: () => process,
  once: () => process,
  off: () => process,
} as const;
