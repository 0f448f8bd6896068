/** @file Moments in words. */
import { formatSeconds } from '../../report/numbers.ts';

/** How long ago something was, by this machine's clock: `3 min ago`. */
export function ago(iso: string): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (seconds < 10) return 'just now';
  if (seconds < 86_400) return `${about(seconds)} ago`;
  const days = Math.round(seconds / 86_400);
  return days < 60 ? `${days} ${days === 1 ? 'day' : 'days'} ago` : `on ${iso.slice(0, 10)}`;
}

/** About how long something takes: no more digits than are known. */
export function about(seconds: number): string {
  if (seconds < 99.5) return `${Math.max(1, Math.round(seconds))} s`;
  return formatSeconds(60 * Math.round(seconds / 60));
}
