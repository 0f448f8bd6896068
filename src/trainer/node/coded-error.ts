/** @file An error with a code, as Node's are. */
export function codedError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
