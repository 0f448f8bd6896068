/** @file What a terminal can do, decided from its environment, which the caller passes in. */

/** How many colours may be used. */
export type Colours = 'truecolor' | '256' | 'none';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The colours to use. FORCE_COLOR (0 to 3) outranks NO_COLOR, which outranks TERM and COLORTERM, as in Node.
 * @param env `process.env`; @param isTTY whether the stream is a terminal
 * @see https://no-color.org and https://force-color.org
 */
export function colourSupport(env: Environment, isTTY: boolean): Colours {
  const forced = env.FORCE_COLOR;
  if (forced !== undefined) {
    if (forced === '0' || forced === 'false') return 'none';
    if (forced === '3') return 'truecolor';
    if (forced === '1' || forced === '2') return '256';
    return coloursOf(env) === 'none' ? '256' : coloursOf(env);
  }
  if ((env.NO_COLOR ?? '') !== '' || !isTTY) return 'none';
  return coloursOf(env);
}

/** Whether the cursor can be moved, so that lines may be redrawn: a terminal, and not a dumb one. */
export function canRedraw(env: Environment, isTTY: boolean): boolean {
  return isTTY && env.TERM !== 'dumb';
}

function coloursOf(env: Environment): Colours {
  const term = env.TERM ?? '';
  if (term === 'dumb') return 'none';
  if (/^(truecolor|24bit)$/i.test(env.COLORTERM ?? '')) return 'truecolor';
  if (env.WT_SESSION !== undefined) return 'truecolor'; // Windows Terminal
  if (/^(iTerm\.app|vscode|WezTerm|ghostty)$/.test(env.TERM_PROGRAM ?? '')) return 'truecolor';
  if (/-(direct|truecolor)$|^(xterm-kitty|xterm-ghostty|alacritty|foot)/.test(term)) return 'truecolor';
  if (/256|^(xterm|screen|tmux|rxvt|konsole|putty)/.test(term)) return '256';
  return 'none';
}
