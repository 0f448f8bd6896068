/** @file Other processes of this machine, as far as files that they leave have to tell whether they are still there. */
import { readFile, readlink } from 'node:fs/promises';
import { codeOf } from './at-path.ts';

/** Whether a process of that number runs on this machine, whichever it is. */
export function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return true; // no number of a process: nothing is known of it
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/**
 * When a process started: the boot of the machine and the clock ticks since, which no later process of the same number has.
 * Undefined where the system does not tell (only Linux does, in /proc), or there is no such process.
 */
export async function startOfProcess(pid: number): Promise<string | undefined> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // proc(5): field 22 is starttime; the second, the program's name in brackets, may hold blanks and brackets itself.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3];
    return `${boot}/${ticks}`;
  } catch {
    return undefined;
  }
}

/**
 * The space of process numbers that this process lives in: processes of another one, a container's, are not seen from here
 * although the machine is the same. Undefined where the system does not tell (only Linux does).
 */
export async function processSpace(): Promise<string | undefined> {
  return readlink('/proc/self/ns/pid').catch(() => undefined);
}
