/** @file What stands at the end of the page: what paints, where, and whose pictures it learnt from. */
import { element, type Inner } from '../web/page/dom.ts';
import type { PageFacts } from '../web/painter/facts.ts';

export function aboutPage({ imageSize, grid, credits, step, run }: PageFacts): HTMLElement {
  return element(
    'footer',
    {},
    element(
      'p',
      {},
      `A transformer paints ${grid} x ${grid} tiles one after another, ${imageSize} x ${imageSize} pixels in all, on this device: what you write is sent nowhere. `,
      `The model is ${run}, after ${step.toLocaleString('en')} steps of training, with `,
      element('a', { href: 'https://www.npmjs.com/package/tesserae', rel: 'noopener' }, 'Tessera'),
      '.',
    ),
    credits === null
      ? undefined
      : element('details', {}, element('summary', {}, 'Whose pictures it learnt from'), paragraphs(credits)),
  );
}

/** Text as it stands in a file, with its headings and addresses. */
function paragraphs(text: string): Inner {
  return text.split(/\n{2,}/).map(part => {
    const [, marks, title] = /^(#+) (.*)$/s.exec(part.trim()) ?? [];
    return marks === undefined ? element('p', { class: 'credit' }, links(part.trim())) : element('h3', {}, title);
  });
}

/** Addresses that can be followed. */
function links(text: string): Inner {
  return text
    .split(/<?(https:\/\/[^\s<>]+)>?/)
    .map((part, i) => (i % 2 === 0 ? part : element('a', { href: part, rel: 'noopener' }, part)));
}
