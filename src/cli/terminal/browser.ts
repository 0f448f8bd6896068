/** @file Opens an address in the user's browser, where there is one; that there is none is nothing to complain of. */
import { spawn } from 'node:child_process';

/** Tries to; the address was printed before. */
export function openBrowser(address: string): void {
  const [program, ...args] = opener(address) ?? [];
  if (program === undefined) return;
  spawn(program, args, { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}

/** What opens addresses on this system; undefined where nobody would see it. */
function opener(address: string): string[] | undefined {
  if (process.platform === 'darwin') return ['open', address];
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', address];
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  return DISPLAY === undefined && WAYLAND_DISPLAY === undefined ? undefined : ['xdg-open', address];
}
