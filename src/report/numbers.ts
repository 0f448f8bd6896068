/**
 * @file Numbers for people: rounded as far as they are worth, with thousands apart, and in a unit that suits them; and
 * the round numbers that an axis shows.
 */

/** What stands where nothing was measured. */
const NOT_MEASURED = 'not measured';

/** A number with so many significant digits, thousands apart: 4,000; 0.0123; 1.2e-7. */
export function formatNumber(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NOT_MEASURED;
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e15) return minus(trimExponent(value.toExponential(digits - 1)));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return minus(withThousands(Number(value.toPrecision(Math.max(digits, wholeDigits(size)))), decimals));
}

/** A number with so many decimals, thousands apart. */
export function formatFixed(value: number, decimals: number): string {
  return minus(withThousands(value, decimals)).replace(/^−(?=[0.]*$)/, '');
}

/** A whole number with thousands apart. */
export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined ? NOT_MEASURED : minus(withThousands(Math.round(value), 0));
}

/** A time in words: 42 s, 12 min 5 s, 3 h 20 min. */
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NOT_MEASURED;
  if (seconds < 99.5) return `${formatNumber(seconds, seconds < 9.95 ? 2 : 3)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return minutes === 0 ? `${formatCount(hours)} h` : `${formatCount(hours)} h ${minutes} min`;
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
}

/** A large whole amount in the prefix that suits it: 31.9 M, 4.2 P. */
export function formatAmount(value: number | null | undefined, unit = ''): string {
  if (value === null || value === undefined) return NOT_MEASURED;
  const { divisor, prefix } = prefixFor(value);
  const shown = prefix === '' ? formatCount(value) : formatNumber(value / divisor, 3);
  return `${shown} ${prefix}${unit}`.trimEnd();
}

/** An axis or a column: what its values are divided by, and what that is called. */
export interface Unit {
  readonly divisor: number;
  readonly name: string;
}

/** The unit for times up to a longest one. */
export function timeUnit(longest: number): Unit {
  if (longest >= 2 * 3600) return { divisor: 3600, name: 'h' };
  return longest >= 120 ? { divisor: 60, name: 'min' } : { divisor: 1, name: 's' };
}

/** The unit for amounts up to a largest one, e.g. TFLOP. */
export function amountUnit(largest: number, name: string): Unit {
  const { divisor, prefix } = prefixFor(largest);
  return { divisor, name: `${prefix}${name}` };
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];

function prefixFor(value: number): { readonly divisor: number; readonly prefix: string } {
  const steps = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value) * 1.0000001) / 3);
  const power = Math.min(PREFIXES.length - 1, Math.max(0, steps));
  return { divisor: 1000 ** power, prefix: PREFIXES[power] };
}

/** The numbers that an axis names. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  readonly log: boolean;
}

/**
 * An axis that holds all values: 1, 2 or 5 times a power of ten apart, and no wider than the values but up to a tick.
 * @param options.zero whether 0 must be on it; @param options.about how many ticks are wanted
 * @param options.tight whether it ends with the values, instead of at the next tick
 */
export function linearAxis(
  values: Iterable<number>,
  {
    zero = false,
    about = 5,
    tight = false,
  }: { readonly zero?: boolean; readonly about?: number; readonly tight?: boolean } = {},
): Axis {
  let [low, high] = rangeOf(values);
  if (zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) / 2, high + Math.abs(high) / 2];
  const step = roundStep((high - low) / about);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => tidy((first + i) * step));
  if (tight) return { low, high, ticks: ticks.filter(tick => tick >= low && tick <= high), log: false };
  return { low: ticks[0], high: ticks[ticks.length - 1], ticks, log: false };
}

/** A logarithmic axis over positive values: ticks at powers of ten, and at 2 and 5 between few of them. */
export function logAxis(values: Iterable<number>): Axis {
  const positive = [...values].filter(value => value > 0);
  if (positive.length === 0) return { low: 0.1, high: 1, ticks: [0.1, 1], log: true };
  const [low, high] = rangeOf(positive);
  const within = Math.log10(high / low);
  const mantissas = within > 3 ? [1] : within > 1.2 ? [1, 3] : [1, 2, 5];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const mantissa of mantissas) all.push(tidy(mantissa * 10 ** power));
  }
  const from = all.findLastIndex(tick => tick <= low * (1 + 1e-9));
  const to = all.findIndex(tick => tick >= high * (1 - 1e-9));
  const ticks = all.slice(Math.max(0, from), (to < 0 ? all.length - 1 : to) + 1);
  if (ticks.length < 2) ticks.push(tidy(ticks[0] * 10));
  return { low: ticks[0], high: ticks[ticks.length - 1], ticks, log: true };
}

/** Where a value lies on an axis, 0 to 1 on it. */
export function placeOn({ low, high, log }: Axis, value: number): number {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** The label of a tick, short. */
export function formatTick(value: number): string {
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) {
    return minus(trimExponent(value.toExponential(1).replace('.0', '')));
  }
  return minus(
    withThousands(value, 12)
      .replace(/(\.\d*?)0+$/, '$1')
      .replace(/\.$/, ''),
  );
}

function rangeOf(values: Iterable<number>): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const mantissa = rough / power;
  return (mantissa <= 1.0001 ? 1 : mantissa <= 2.0001 ? 2 : mantissa <= 5.0001 ? 5 : 10) * power;
}

/** Without the dust of binary fractions: 0.3, not 0.30000000000000004. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

function wholeDigits(size: number): number {
  return Math.floor(Math.log10(size)) + 1;
}

function withThousands(value: number, decimals: number): string {
  const [whole, fraction] = value.toFixed(decimals).split('.');
  const apart = whole.replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}

function trimExponent(text: string): string {
  return text.replace('e+', 'e');
}

/** With a minus sign as wide as a digit. */
function minus(text: string): string {
  return text.replaceAll('-', '−');
}
