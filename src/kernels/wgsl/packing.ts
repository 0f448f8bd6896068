/**
 * @file How many neighbouring numbers an invocation reads at once. Four are one instruction and a quarter of the requests
 * to memory; kernels are written once, for packs of whatever width the last axis allows.
 */

export interface Packing {
  /** Numbers in a pack. */
  readonly width: 1 | 2 | 4;
  /** Its WGSL type. */
  readonly element: 'f32' | 'vec2f' | 'vec4f';
}

/** The widest packs that an axis of this length divides into. */
export function packingOf(length: number): Packing {
  if (length % 4 === 0) return { width: 4, element: 'vec4f' };
  return length % 2 === 0 ? { width: 2, element: 'vec2f' } : { width: 1, element: 'f32' };
}

/** WGSL of a pack whose numbers are `component('.x')`, `component('.y')` and so on; `component('')` for a single one. */
export function each({ width, element }: Packing, component: (suffix: string) => string): string {
  if (width === 1) return component('');
  const components = ['.x', '.y', '.z', '.w'].slice(0, width);
  return `${element}(${components.map(component).join(', ')})`;
}

/** WGSL of the sum of a pack's numbers. */
export function sumPack({ width, element }: Packing, pack: string): string {
  return width === 1 ? `(${pack})` : `dot(${pack}, ${element}(1.0))`;
}

/** WGSL of the sum of products of two packs' numbers; WGSL has no dot product of single numbers. */
export function dotPack({ width }: Packing, a: string, b: string): string {
  return width === 1 ? `((${a}) * (${b}))` : `dot(${a}, ${b})`;
}

/** WGSL of the largest of a pack's numbers. */
export function maxPack({ width }: Packing, pack: string): string {
  const components = ['x', 'y', 'z', 'w'].slice(0, width).map(name => `(${pack}).${name}`);
  return width === 1 ? pack : components.reduce((a, b) => `max(${a}, ${b})`);
}

/** The smallest power of two from `least` on that is not below `value`, or `most`. */
export function powerOfTwo(value: number, least: number, most: number): number {
  let power = least;
  while (power < value && power < most) power *= 2;
  return power;
}
