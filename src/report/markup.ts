/**
 * @file HTML and SVG from templates that escape what is put into them, so that a caption can hold anything. All of it
 * is well-formed XML too: every element is closed and every attribute quoted.
 */

/** Markup that is safe to put into other markup. */
export interface Html {
  readonly markup: string;
}

/** What a template takes: texts and numbers are escaped, markup is not, lists are joined, nothing is nothing. */
export type Part = Html | string | number | null | undefined | readonly Part[];

/** A template of markup, e.g. html`<p>${caption}</p>`. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let markup = strings[0];
  parts.forEach((part, i) => {
    markup += render(part) + strings[i + 1];
  });
  return { markup };
}

function render(part: Part): string {
  if (part === null || part === undefined) return '';
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  return 'markup' in part ? part.markup : part.map(render).join('');
}

/**
 * Text as it stands in markup and in quoted attributes; characters that XML cannot hold, and those that override the
 * direction of writing, become U+FFFD.
 */
function escapeText(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Pixels of a drawing: two decimals are plenty. */
export function px(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A table cell: a text, or one with a class or of several columns. */
export type Cell =
  | Part
  | { readonly cell: Part; readonly kind?: string; readonly head?: boolean; readonly span?: number };

/**
 * A table with a caption, in a box that scrolls sideways where the page is narrow.
 * @param options.head cells of the header row; @param options.rows each begins with its own heading
 */
export function table(options: {
  readonly caption: Part;
  readonly head: readonly Cell[];
  readonly rows: readonly (readonly Cell[])[];
  readonly kind?: string;
}): Html {
  const { caption, head, rows, kind = 'plain' } = options;
  return html`<div class="wide" tabindex="0" role="region" aria-label="table"><table class="${kind}">
<caption>${caption}</caption>
<thead><tr>${head.map(cell => heading(cell, 'col'))}</tr></thead>
<tbody>
${rows.map(([first, ...others]) => html`<tr>${heading(first, 'row')}${others.map(dataCell)}</tr>\n`)}</tbody>
</table></div>`;
}

function isStyled(cell: Cell): cell is Exclude<Cell, Part> {
  return typeof cell === 'object' && cell !== null && 'cell' in cell;
}

function heading(cell: Cell, scope: string): Html {
  const { cell: content, kind = '' } = isStyled(cell) ? cell : { cell };
  return html`<th scope="${scope}" class="${kind}">${content}</th>`;
}

function dataCell(cell: Cell): Html {
  const { cell: content, kind = '' } = isStyled(cell) ? cell : { cell };
  return html`<td class="${kind}">${content}</td>`;
}

/** A picture with words that stand for it. */
export function image(
  picture: { readonly uri: string; readonly width: number; readonly height: number },
  alt: string,
  shown: number,
): Html {
  const height = Math.round((shown * picture.height) / picture.width);
  return html`<img src="${picture.uri}" alt="${alt}" width="${shown}" height="${height}" />`;
}
