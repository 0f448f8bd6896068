/** @file What open-addon.ts is in a browser. */

/** @returns why there is none */
export function loadAddon(): { readonly reason: string } {
  return { reason: 'a browser has none' };
}
