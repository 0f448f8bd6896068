/** @file Pages of a data set: which items a search and a side leave, in order, so many at a time. */
import type { Item, Split } from '../../../../data/dataset.ts';
import type { DataPage } from './messages.ts';
import type { OpenData } from './opened.ts';

/** Items of a page. */
const PAGE = 200;

/**
 * A page of the items whose captions have every word of `search`, in any order and as a part of a longer one, or whose name has it.
 * @param sides of a run, by ids, in the place of a new run's
 */
export function itemsPage(
  { dataset, sides: own }: OpenData,
  query: URLSearchParams,
  sides?: ReadonlyMap<string, Split>,
): DataPage {
  const sideOf = (item: Item) => (sides === undefined ? own.get(item) : sides.get(item.id)) ?? null;
  const words = folded(query.get('search') ?? '')
    .split(/\s+/)
    .filter(Boolean);
  const side = query.get('side') ?? '';
  const found = dataset.items.flatMap((item, index) => {
    if (side !== '' && (sideOf(item) ?? 'none') !== side) return [];
    if (words.length > 0 && !hasWords(item, words)) return [];
    return [{ item, index }];
  });
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const asked = Number(query.get('page') ?? '1');
  const page = Number.isSafeInteger(asked) ? Math.min(Math.max(1, asked), pages) : 1;
  const items = found.slice((page - 1) * PAGE, page * PAGE).map(({ item, index }) => {
    const { id, captions } = item;
    return { index, id, captions, side: sideOf(item) };
  });
  return { total: found.length, page, pages, items };
}

function hasWords({ id, captions }: Item, words: readonly string[]): boolean {
  return [id, ...captions].some(text => {
    const own = folded(text);
    return words.every(word => own.includes(word));
  });
}

function folded(text: string): string {
  return text.normalize('NFC').toLowerCase();
}
