/** @file The data of the model that comes with the package, which can be drawn again where the icon packages are. */

/** Styles that the shipped model was trained on (models/emoji/README.md). */
const STYLES = ['noto', 'fluent-emoji-flat', 'twemoji'] as const;

/** Fewest images that are rehearsed, where there are so many. */
export const FEWEST_REHEARSED = 256;

interface Drawing {
  readonly out: string;
  readonly size: number;
  readonly onProgress?: (step: number, total: number) => void;
}

/** Draws them, unless they are there. @returns the folder */
export async function drawEmojiData(drawing: Drawing): Promise<string> {
  const { makeEmoji } = await import('../../../data/generators/emoji.ts');
  return (await makeEmoji({ ...drawing, styles: [...STYLES] })).out;
}

/** Makes sure that the drawings are installed. @throws UserError if they are not */
export async function expectEmoji(): Promise<void> {
  const { emojiDrawings } = await import('../../../data/generators/emoji.ts');
  emojiDrawings(STYLES);
}
