/** @file The results of an evaluation as a table on the terminal. */
import { allQuantities, findQuantity, type MetricRow, metricRows } from '../../metrics/define.ts';
import type { EvalRecord } from '../../runs/evaluation/record.ts';
import { textTable } from './tables.ts';

const titles: Readonly<Record<MetricRow, string>> = {
  samples: 'samples',
  floor: 'real images',
  reconstruction: 'tokenizer',
};
const columns = metricRows.map(row => ({ row, title: titles[row] }));

/**
 * Lines of a table, by features: samples with their 95 percent intervals, beside other real images in their place and
 * those through the tokenizer.
 */
export function resultTable(records: readonly EvalRecord[]): string[] {
  const present = columns.filter(({ row }) => records.some(record => record.row === row));
  const leading = allQuantities().flatMap(({ name, leads }) => (leads ? name : []));
  const rank = (name: string) => (leading.includes(name) ? leading.indexOf(name) : leading.length);
  const groups = [...new Set(records.map(({ features }) => features))];
  const head = ['', ...present.map(({ title }) => title)];
  const body: string[][] = [];
  const reasons = new Map<string, Set<string>>();
  for (const features of groups) {
    body.push([features === null ? 'without features' : `features ${features}`]);
    const own = records.filter(record => record.features === features);
    const names = [...new Set(own.map(({ metric }) => metric))];
    for (const name of names.sort((a, b) => rank(a) - rank(b))) {
      const cells = present.map(({ row }) => {
        const record = own.find(other => other.metric === name && other.row === row);
        const reason = record?.details?.reason;
        if (record?.value === null && reason !== undefined) {
          const named = own.some(other => other.metric === name && other.value !== null) ? titles[row] : name;
          reasons.set(String(reason), (reasons.get(String(reason)) ?? new Set()).add(named));
        }
        return record === undefined ? '' : cell(record);
      });
      body.push([`  ${labelOf(name)}`, ...cells]);
    }
  }
  const notes = [...reasons].map(([reason, names]) => `n/a  ${[...names].join(', ')}: ${reason}`);
  return [...textTable([head, ...body], { gap: 3 }), ...notes];
}

/** A number's name with what its values are multiplied by, and their unit. */
function labelOf(name: string): string {
  const { scale = 1, unit } = findQuantity(name) ?? {};
  return `${name}${scale === 1 ? '' : ` x ${scale}`}${unit === undefined ? '' : `, ${unit}`}`;
}

function cell({ metric, value, low, high }: EvalRecord): string {
  if (value === null) return 'n/a';
  const { scale = 1 } = findQuantity(metric) ?? {};
  if (low === null || high === null) return formatSized(value * scale, value * scale);
  const size = Math.max(Math.abs(value), Math.abs(high - low)) * scale;
  return `${formatSized(value * scale, size)} [${formatSized(low * scale, size)}, ${formatSized(high * scale, size)}]`;
}

/** As many digits as fit a number of that size. */
function formatSized(value: number, size: number): string {
  const digits = size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.05 ? 3 : 5;
  const text = value.toFixed(digits);
  return /^-0\.?0*$/.test(text) ? text.slice(1) : text;
}
