/** @file Text as a word of a shell, for commands in messages that are to be pasted as they stand. */

/** `photos`, or `'my photos'` where the shell would read it otherwise. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
