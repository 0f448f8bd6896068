/** @file What package-root.ts is in a browser. */

/** No package is here: nothing is found in this folder. */
export function packageRoot(): string {
  return '/package';
}
