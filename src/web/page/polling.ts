/** @file Asking again and again while the tab is seen, and times in words. */

/** Does something now and every so many milliseconds while the tab is seen; what fails is tried again. Ends with the signal. */
export function every(ms: number, signal: AbortSignal, work: () => Promise<void>): void {
  const turn = async () => {
    if (signal.aborted) return;
    if (!document.hidden) await work().catch(() => {});
    if (!signal.aborted) setTimeout(() => void turn(), ms);
  };
  void turn();
}

/** Seconds as a clock has them: `12 s`, `3:05`, `2:00:00`. */
export function clockTime(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}
