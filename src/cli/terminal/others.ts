/** @file What a command found in its folder that it did not make, and left alone. */
import type { Reporter } from '../../runs/session.ts';

/** Names the first files, if there are any. */
export function sayOthers(reporter: Reporter, folder: string, others: readonly string[]): void {
  if (others.length === 0) return;
  const few = others.slice(0, 3).join(', ');
  reporter.message(
    `${folder}: left as they are, since they were not drawn: ${few}${others.length > 3 ? `, ... (${others.length} files)` : ''}`,
  );
}
