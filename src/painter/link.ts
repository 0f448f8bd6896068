/** @file A painting as an address: what comes after the # of the page's own, so that a picture can be sent to somebody who paints it again. */
import type { Asked } from './asked.ts';

const numbers = ['seed', 'temperature', 'guidance'] as const;

export function linkOf(asked: Asked): string {
  const fields = new URLSearchParams({ caption: asked.caption });
  for (const name of numbers) if (asked[name] !== undefined) fields.set(name, String(asked[name]));
  return new URL(`#${fields}`, location.href).href;
}

/** What an address asks for; undefined if it asks for nothing. */
export function askedByLink(hash = location.hash): Asked | undefined {
  const fields = new URLSearchParams(hash.slice(1));
  const caption = fields.get('caption');
  if (caption === null) return undefined;
  const given = numbers.flatMap(name => {
    const value = Number.parseFloat(fields.get(name) ?? '');
    return Number.isFinite(value) && value >= 0 ? [[name, value] as const] : [];
  });
  const { seed = 0, ...settings } = Object.fromEntries(given) as Partial<Record<(typeof numbers)[number], number>>;
  return { caption: caption.slice(0, 2000), ...settings, seed: Math.min(Math.floor(seed), 2 ** 32 - 1) };
}
