/** @file Text on a terminal: how wide it is, cutting it to a width, and numbers and times as people read them. */

import stringWidth from 'string-width';
import { printable } from '../../core/printable.ts';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Columns that text takes; CJK and emoji take two, escape codes none. */
export function displayWidth(text: string): number {
  return stringWidth(text);
}

/** Cuts text to a number of columns; a cut ends in `…`. Control characters are escaped. */
export function cutToWidth(text: string, columns: number): string {
  const clean = printable(text);
  if (displayWidth(clean) <= columns) return clean;
  let kept = '';
  let width = 0;
  for (const { segment } of graphemes.segment(clean)) {
    const next = width + stringWidth(segment);
    if (next > columns - 1) break;
    kept += segment;
    width = next;
  }
  return columns > 0 ? `${kept.trimEnd()}…` : '';
}

/** `0.4s`, `12s`, `1m 05s`, `2h 03m`. @param ms milliseconds */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  if (ms < 9950) return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
}

/** Three digits at most: `0.52`, `8.4`, `950`, `12.3k`, `1.2M`. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return '?';
  const size = Math.abs(value);
  if (size < 9.95) return Number.isInteger(value) ? String(value) : value.toFixed(size < 0.995 ? 2 : 1);
  if (size < 999.5) return size < 99.95 && !Number.isInteger(value) ? value.toFixed(1) : value.toFixed(0);
  for (const [unit, suffix] of [
    [1e3, 'k'],
    [1e6, 'M'],
    [1e9, 'G'],
  ] as const) {
    if (size < 999.5 * unit) return `${(value / unit).toFixed(size < 99.95 * unit ? 1 : 0)}${suffix}`;
  }
  return value.toExponential(1);
}

/** A loss with four significant digits at most: `5.213`, `0.0123`. */
export function formatLoss(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 0.001 || value === 0 ? value.toPrecision(4) : value.toExponential(2);
}
