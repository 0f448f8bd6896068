/** @file The captions that a run knows, as lines: what there is, then one list after another, each with its count. */
import { counted, formatWhole } from '../../core/numbers.ts';
import type { KnownCaptions } from '../../runs/learnt/query.ts';
import type { FoundCaptions } from '../../runs/learnt/search.ts';
import { textTable } from './tables.ts';
import { cutToWidth } from './text.ts';

/** Columns of a caption at most. */
const WIDEST = 80;

/** @param query what was searched for, if anything was */
export function formatCaptions(known: KnownCaptions, query?: string): string[] {
  const { found, same, unseen = [], instead, some } = known;
  const lines = [describeCounts(known)];
  if (query === undefined) return [...lines, ...section('those of the most images', found)];
  if (found.total > 0) lines.push(...section(`with "${query}"`, found));
  if (same !== undefined && same.total > 0) lines.push(...section('others of the same images', same));
  for (const { word, near } of unseen) {
    const offered = near.map(({ word: known, images }) => `${known} (${counted(images, 'image')})`);
    lines.push('', `no caption has "${word}"${offered.length > 0 ? `; spelt alike: ${offered.join(', ')}` : ''}`);
  }
  if (instead !== undefined) lines.push(...section(`with "${instead.query}"`, instead.found));
  if (some !== undefined) lines.push(...section('with some of the words', some));
  const nothing = [found, instead?.found, some].every(part => part === undefined || part.total === 0);
  if (nothing && unseen.length === 0) lines.push('', `no caption has "${query}"`);
  return lines;
}

function describeCounts({ images, captions, kept, words }: KnownCaptions): string {
  const part = kept < captions ? ` (${formatWhole(kept)} of them kept, evenly chosen)` : '';
  return `${counted(captions, 'caption')}${part} of ${counted(images, 'training image')}, ${counted(words, 'word')}`;
}

function section(title: string, { captions, total }: FoundCaptions): string[] {
  const cells = captions.map(({ caption, images }) => [cutToWidth(caption, WIDEST), counted(images, 'image')]);
  const rows = cells.length === 0 ? [] : textTable(cells).map(row => `  ${row}`);
  const more = total > captions.length ? [`  ... and ${formatWhole(total - captions.length)} more (--limit)`] : [];
  return ['', `${title}: ${counted(total, 'caption')}`, ...rows, ...more];
}
