/** @file How texts, names and values of somebody's files are shown in messages: short, and what they are where they are no text. */

/** A text, cut to so many characters. */
export function short(text: string, most = 200): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}

/** The first names in a line, and how many more there are. @param options.length of each name, at most */
export function namesOf(names: Iterable<string>, { most = 10, length = 40 } = {}): string {
  const all = [...names];
  if (all.length === 0) return 'none';
  const shown = all
    .slice(0, most)
    .map(name => short(name, length))
    .join(', ');
  return all.length > most ? `${shown} and ${all.length - most} more` : shown;
}

/** What a value is that should be text or an object. */
export function kindOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return `a number (${value})`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return `text (${JSON.stringify(value.slice(0, 40))})`;
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return typeof value === 'object' ? `an object with ${namesOf(Object.keys(value))}` : String(value);
}
