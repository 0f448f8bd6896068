/** @file Keys that stand in a JSON object twice: of them JSON.parse keeps the last and says nothing. */

/**
 * Keys that an object has more than once.
 * @param text JSON of the object
 * @param object what JSON.parse made of it
 */
export function repeatedKeys(text: string, object: Readonly<Record<string, unknown>>): string[] {
  if (text.split(':').length <= Object.keys(object).length + 1) return []; // each key has its own colon
  const seen = new Set<string>();
  const twice: string[] = [];
  let depth = 0;
  let last = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/gs)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (token !== ':') last = token;
    else if (depth === 1) {
      const key = String(JSON.parse(last));
      if (seen.has(key) && Object.hasOwn(object, key)) twice.push(key);
      seen.add(key);
    }
  }
  return twice;
}
