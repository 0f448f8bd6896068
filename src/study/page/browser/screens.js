/** @file What stands on the screen: made anew for each step, of elements whose text is text. Knows nothing of what is asked next. */

/**
 * An element with attributes and what is in it.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | ((event: Event) => void) | undefined>} attributes functions are listeners, e.g. `click`
 * @param {...(Node | string | undefined)} inner
 * @returns {HTMLElementTagNameMap[K]}
 */
function element(tag, attributes, ...inner) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...inner.filter(part => part !== undefined));
  return made;
}

/**
 * Words with numbers in them.
 * @param {string} text e.g. `{done} of {of}`
 * @param {Record<string, string | number>} values
 */
function fillIn(text, values) {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** What the keys do now. @type {Record<string, (event: Event) => void>} */
let keys = {};

document.addEventListener('keydown', event => {
  const does = keys[event.key];
  if (does === undefined || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  does(event);
});

/**
 * Puts a step in the place of the one before.
 * @param {string} kind
 * @param {Record<string, (event: Event) => void>} nextKeys
 * @param {...(Node | undefined)} inner
 */
function show(kind, nextKeys, ...inner) {
  keys = nextKeys;
  const main = element('main', { class: kind }, ...inner);
  document.querySelector('main')?.replaceWith(main);
  const first = /** @type {HTMLElement | null} */ (main.querySelector('[data-first]') ?? main.querySelector('h1'));
  first?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/**
 * A step that has words and one button.
 * @param {{ title: string, lines?: (string | Node)[], button?: string, go?: () => void, kind?: string }} options
 */
function showWords({ title, lines = [], button, go, kind = 'words' }) {
  const paragraphs = lines.map(line => (typeof line === 'string' ? element('p', {}, line) : line));
  const click = go && (() => go());
  show(
    kind,
    {},
    element('h1', { tabindex: -1 }, title),
    ...paragraphs,
    button === undefined
      ? undefined
      : element('button', { class: 'main', type: 'button', 'data-first': '', click }, button),
  );
}

/**
 * Pictures of a side, which are not seen before all of them are there.
 * @param {string[]} ids
 * @param {Record<string, string>} pictures in base64, by name
 * @param {string} alt
 */
function pictureSet(ids, pictures, alt) {
  const images = ids.map(id =>
    element('img', { src: `data:image/png;base64,${pictures[id]}`, alt, draggable: 'false' }),
  );
  return { images, set: element('span', { class: `set of${Math.ceil(Math.sqrt(ids.length))}` }, ...images) };
}

/** The time at which the next frame is drawn. @returns {Promise<number>} */
function nextFrame() {
  return new Promise(resolve => requestAnimationFrame(resolve));
}
