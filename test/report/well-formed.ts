/** @file Reads markup as XML would, for tests of pages. */

/** Names of elements in the order they open; throws where XML is not well-formed. */
export function parse(text: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  const token = /<(\/?)([a-z][a-zA-Z0-9]*)((?:\s+[a-zA-Z][a-zA-Z0-9-]*="[^"<]*")*)\s*(\/?)>|[^<]+|</g;
  for (const [all, closing, name, attributes, empty] of text.matchAll(token)) {
    if (name === undefined) {
      if (all === '<') throw new Error('a < that begins no element');
      if (/&(?!(amp|lt|gt|quot|#39);)/.test(all)) throw new Error(`an & that begins no entity: ${all.slice(0, 80)}`);
    } else if (closing === '/') {
      const expected = open.pop();
      if (expected !== name) throw new Error(`</${name}> where </${expected}> was expected`);
    } else {
      const keys = [...attributes.matchAll(/\s([a-zA-Z][a-zA-Z0-9-]*)=/g)].map(([, key]) => key);
      if (new Set(keys).size !== keys.length) throw new Error(`${name} has an attribute twice`);
      names.push(name);
      if (empty === '') open.push(name);
    }
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return names;
}
