/**
 * @file What training measures: scalars that stay tensors until they are read together, because every reading makes a GPU
 * wait, and their means over a stretch of steps.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Named numbers, as they go into metrics.jsonl. */
export type Metrics = Readonly<Record<string, number>>;

/**
 * All elements of tensors, one after another, by one reading. The tensors are disposed.
 * @returns as many numbers as the tensors have elements
 */
export async function readTogether(tensors: readonly Tensor[]): Promise<readonly number[]> {
  if (tensors.length === 0) return [];
  const all = tf.tidy(() => tf.concat(tensors.map(x => tf.reshape(tf.cast(x, 'float32'), [x.size]))));
  tf.dispose([...tensors]);
  try {
    return Array.from(await all.data());
  } finally {
    all.dispose();
  }
}

/** Sums of metrics over the steps since some time. */
export interface Window {
  readonly sums: Record<string, number>;
  readonly since: number;
  steps: number;
}

export function emptyWindow(since: number): Window {
  return { sums: {}, since, steps: 0 };
}

/** A window as it is saved: its time is what has passed. */
export interface KeptWindow {
  /** Sums that are not finite are null, as in all JSON. */
  readonly sums: Readonly<Record<string, number | null>>;
  readonly steps: number;
  readonly milliseconds: number;
}

export function keepWindow({ sums, steps, since }: Window, now: number): KeptWindow {
  return { sums: { ...sums }, steps, milliseconds: now - since };
}

/** Goes on with a window, or begins one. */
export function restoreWindow(kept: KeptWindow | undefined, now: number): Window {
  if (kept === undefined) return emptyWindow(now);
  const sums = Object.entries(kept.sums).map(([name, sum]) => [name, sum ?? Number.NaN]);
  return { sums: Object.fromEntries(sums) as Window['sums'], steps: kept.steps, since: now - kept.milliseconds };
}

export function addTo(window: Window, metrics: Metrics): void {
  window.steps++;
  for (const [name, value] of Object.entries(metrics)) window.sums[name] = (window.sums[name] ?? 0) + value;
}

export function meanOf(window: Window): Record<string, number> {
  return Object.fromEntries(Object.entries(window.sums).map(([name, sum]) => [name, sum / window.steps]));
}
