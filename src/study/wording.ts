/**
 * @file Every word that the page of a study says, in plain English by default. A file of JSON with any of these fields replaces
 * them, so that a study can ask in another language, or for what its pictures need. `{trials}` and the like are filled in.
 */
import { z } from 'zod';
import { mergeConfig } from '../config/schema.ts';

/** What a question is in words: what is asked, and what the two answers are called. */
function question(ask: string, left: string, right: string) {
  const text = z.string().min(1);
  return z.strictObject({ ask: text.default(ask), left: text.default(left), right: text.default(right) }).prefault({});
}

const text = (standard: string) => z.string().min(1).default(standard);

export const wordingSchema = z.strictObject({
  language: text('en'),
  title: text('Which picture?'),
  intro: text(
    'You will see pictures and answer one short question about each. There is no hurry, and often no right answer: what counts is what you see.',
  ),
  length: text('{trials} questions, about {minutes} minutes. A few to practise come first.'),
  consent: text(
    'Taking part is voluntary, and you may stop at any time by closing the page. What is kept: your answers, how long each took, the size of your window and whether you use a touch screen, under a random number. Nothing that says who you are.',
  ),
  begin: text('I agree, begin'),
  questions: z
    .strictObject({
      fits: question('Which picture fits this description better?', 'Left', 'Right'),
      finished: question('Which picture looks more finished?', 'Left', 'Right'),
      real: question('Is this picture real, or was it painted by a program?', 'Real', 'By a program'),
    })
    .prefault({}),
  cannotTell: text('Cannot tell'),
  leftPicture: text('left picture'),
  rightPicture: text('right picture'),
  picture: text('picture'),
  practice: text('To practise: {done} of {of}'),
  right: text('Yes, well seen.'),
  wrong: text('No: it was "{answer}".'),
  practised: text('That was the practice. From now on nothing is said about your answers.'),
  another: text('Another question from here on'),
  next: text('Go on'),
  keys: text('With a keyboard: the arrow keys.'),
  keysCannotTell: text('With a keyboard: the arrow keys, and down for "Cannot tell".'),
  progress: text('{done} of {of}'),
  pause: text('Pause'),
  paused: text('Paused. Your answers are kept in this browser.'),
  resume: text('Go on'),
  back: text('Welcome back. You have answered {done} of {of}.'),
  loading: text('One moment ...'),
  thanks: text('Thank you! That was the last one.'),
  send: text('Please download your answers and send the file to whoever asked you.'),
  download: text('Download answers'),
  sending: text('Your answers are being sent ...'),
  sent: text('Your answers have arrived. You can close this page.'),
  unsent: text('Your answers could not be sent. Try again, or download them and send the file to whoever asked you.'),
  again: text('Try again'),
  unkept: text('This browser keeps nothing for this page: please do not reload it before the end.'),
});

/** Any of the words. */
export type WordingInput = z.input<typeof wordingSchema>;

/** What is asked of sets, where nothing else is said. */
const ofSets = {
  title: 'Which pictures?',
  questions: {
    fits: { ask: 'Which pictures fit this description better?' },
    finished: { ask: 'Which pictures look more finished?' },
  },
  leftPicture: 'left pictures',
  rightPicture: 'right pictures',
} satisfies WordingInput;

/** All words of a page. @param options.images pictures of a side */
export function wordingOf(
  given: WordingInput,
  { images }: { readonly images: number },
): z.output<typeof wordingSchema> {
  return wordingSchema.parse(images === 1 ? given : mergeConfig(ofSets, given));
}
