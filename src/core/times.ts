/** @file A span of time in a sentence. A progress line and a table have narrower forms of their own. */

/** `70 s`, `4.5 minutes`, `2.5 hours`, `12 days`: as exactly as somebody who waits wants to know it. */
export function spanInWords(seconds: number): string {
  const minutes = seconds / 60;
  if (minutes < 1.75) return `${Math.round(seconds)} s`;
  if (minutes < 100) return `${minutes < 10 ? Number(minutes.toFixed(1)) : Math.round(minutes)} minutes`;
  const hours = minutes / 60;
  return hours < 100 ? `${Number(hours.toFixed(1))} hours` : `${Math.round(hours / 24)} days`;
}
