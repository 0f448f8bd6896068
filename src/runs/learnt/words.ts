/** @file The words of a caption, as a run remembers them: without case, marks of punctuation and their order. */

/** Letters with their marks, and digits, with apostrophes between them: `o'clock`, `2nd`; or an emoji. */
const WORD = /\p{Extended_Pictographic}|[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:'[\p{L}\p{M}\p{N}]+)*/gu;
/** Scripts that put no spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** What most texts are written with; they are split six times as fast. */
const PLAIN = /^[\t-~]*$/;
const PLAIN_WORD = /[a-z0-9]+(?:'[a-z0-9]+)*/g;

let segmenter: Intl.Segmenter | undefined;

/** The words of a text, each once, in the order of the text; with hyphens, `t-shirt` is two. */
export function wordsOf(text: string): string[] {
  if (PLAIN.test(text)) return [...new Set(text.toLowerCase().match(PLAIN_WORD))];
  const plain = text.normalize('NFKC').toLowerCase().replaceAll('’', "'");
  const words = new Set<string>();
  for (const [word] of plain.matchAll(WORD)) {
    if (UNSPACED.test(word)) for (const part of segmented(word)) words.add(part);
    else words.add(word);
  }
  return [...words];
}

function segmented(text: string): string[] {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'word' }); // its dictionaries do not depend on the locale
  return Array.from(segmenter.segment(text)).flatMap(({ segment, isWordLike }) => (isWordLike === true ? segment : []));
}
