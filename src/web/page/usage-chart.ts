/** @file How often the codes of a codebook occur, the most frequent first, as a chart. */
import { lineChart } from '../../report/linechart.ts';
import type { Usage } from '../studio/messages.ts';
import { markup } from './dom.ts';

/** @param width in pixels */
export function usageChart({ shares, codes }: Usage, width: number): DocumentFragment {
  const points = shares.map((share, i) => ({ x: ((i + 0.5) / shares.length) * codes, y: share === 0 ? null : share }));
  return markup(
    lineChart({
      title: 'share of each code in held-out images, the most frequent first',
      x: { label: 'codes, the most frequent first', range: [0, codes] },
      y: { label: 'share of all codes, log scale', log: true },
      lines: [{ name: '', tone: 'first', points }],
      guides: [{ y: 1 / codes, name: 'all alike' }],
      width: Math.min(760, Math.max(280, width)),
      height: 240,
    }),
  );
}
