/** @file Elements of the page. Text is text: nothing that comes from a caption, a file name or a log becomes markup. */
import type { Html } from '../../report/markup.ts';

/** What an element may hold; nothing is nothing. */
export type Inner = Node | string | number | null | undefined | readonly Inner[];

/** What an attribute may be: true stands without a value, false and undefined are left out, functions listen. */
type Attribute = string | number | boolean | undefined | ((event: never) => void);

/** Makes an element, e.g. `element('button', { type: 'button', onclick: save }, 'Save')`. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...inner: readonly Inner[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name.replace(/^on/, ''), value as (event: Event) => void);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, String(value));
  }
  append(made, inner);
  return made;
}

/** Puts something else in the place of all that an element holds. */
export function fill<E extends Element>(parent: E, ...inner: readonly Inner[]): E {
  parent.replaceChildren();
  append(parent, inner);
  return parent;
}

function append(parent: Node, inner: readonly Inner[]): void {
  for (const part of inner) {
    if (part === null || part === undefined) continue;
    if (Array.isArray(part)) append(parent, part);
    else parent.appendChild(part instanceof Node ? part : document.createTextNode(String(part)));
  }
}

/** Markup of `html`, which has escaped what was put into it: charts and tables of the reports. */
export function markup({ markup: text }: Html): DocumentFragment {
  const template = document.createElement('template');
  template.innerHTML = text;
  return template.content;
}

/** A command that can be copied. */
export function command(text: string): HTMLElement {
  const button = element('button', { type: 'button', 'aria-label': `copy ${text}` }, 'Copy');
  button.addEventListener('click', () => {
    void navigator.clipboard.writeText(text).then(
      () => fill(button, 'Copied'),
      () => fill(button, 'Select it'),
    );
  });
  return element('p', { class: 'command' }, element('code', { tabindex: 0 }, text), button);
}

/** Text in which `this` is code. */
export function prose(text: string): Inner {
  return text.split('`').map((part, i) => (i % 2 === 0 ? part : element('code', {}, part)));
}

/** What went wrong, as a line, with what to do about it. */
export function failure(error: unknown): HTMLElement {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined;
  return element(
    'div',
    { class: 'failure', role: 'alert' },
    element('p', {}, prose(message)),
    hint === undefined ? undefined : element('p', { class: 'soft' }, prose(hint)),
  );
}
