/** @file Where what is downloaded is kept, for the program and for the library alike. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user's cache folder for this program. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tessera');
}
