/** @file Two pictures over each other: a slider wipes from one to the other, and a key flips between them. */
import { element } from './dom.ts';

export interface WipePicture {
  readonly src: string;
  readonly words: string;
}

/** Left of the slider is the first, right of it the second. */
export function wipeView(left: WipePicture, right: WipePicture): HTMLElement {
  const slider = element('input', {
    type: 'range',
    min: 0,
    max: 100,
    value: 50,
    class: 'wipe-slider',
    'aria-label': 'how much of the left picture is seen',
  });
  const top = element('img', { src: left.src, alt: left.words, class: 'wipe-top' });
  const line = element('span', { class: 'wipe-line' });
  const show = () => {
    const share = Number(slider.value);
    top.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    line.style.left = `${share}%`;
  };
  slider.addEventListener('input', show);
  slider.addEventListener('keydown', event => {
    if (event.key !== 'f' && event.key !== 'F') return;
    slider.value = Number(slider.value) < 50 ? '100' : '0';
    show();
  });
  show();
  return element(
    'section',
    { class: 'wipe', 'aria-label': 'two pictures over each other' },
    element('p', { class: 'wipe-words' }, element('b', {}, left.words), element('b', {}, right.words)),
    element('div', { class: 'wipe-box' }, element('img', { src: right.src, alt: right.words }), top, line),
    slider,
    element('p', { class: 'soft' }, 'Arrow keys move the slider, f flips between the two.'),
  );
}
