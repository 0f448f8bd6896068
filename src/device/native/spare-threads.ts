/**
 * @file Whether the system has threads left for those who decode pictures and letter captions: where one is refused to them,
 * their libraries end the process. Looked at only where there is a limit that a process can meet.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../../core/errors.ts';
import { loadAddon } from './open-addon.ts';

/** Threads that the libraries may start. */
const SPARE_THREADS = 8;

/** A limit above this is met by nobody. */
const AMPLE = 4096;

/** Whether a limit for this user, or this container, could be met. Only Linux tells; the superuser's own has no effect. */
export function threadsAreLimited(): boolean {
  const own = process.geteuid?.() === 0 ? '' : textOf('/proc/self/limits');
  const limits = [/^Max processes +(\d+)/m.exec(own)?.[1], /^\d+/.exec(textOf('/sys/fs/cgroup/pids.max'))?.[0]];
  return limits.some(limit => limit !== undefined && Number(limit) <= AMPLE);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @throws UserError where too few threads are left; not without the addon, which asks for them */
export function expectSpareThreads(): void {
  if (!threadsAreLimited()) return;
  const loaded = loadAddon();
  if ('addon' in loaded) expectThreads(loaded.addon.spareThreads());
}

/** @throws UserError if the system gives fewer than `SPARE_THREADS` */
export function expectThreads(spare: number): void {
  if (spare >= SPARE_THREADS) return;
  throw new UserError(
    'threads',
    `expected ${SPARE_THREADS} more threads for this process, to decode pictures by, got ${spare}`,
    'raise the limit (ulimit -u, or that of the container)',
  );
}

/** How many of the threads of the kernels to give back, so that enough are left to others. */
export function threadsToGiveBack(spare: number): number {
  return Math.max(0, SPARE_THREADS - spare);
}
