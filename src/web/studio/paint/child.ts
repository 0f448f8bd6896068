/**
 * @file A painter as a process of its own, so that the server answers while native code computes: a run is opened once, and then
 * worked with, a piece of work at a time. Ends when the process that started it does.
 */
import { UserError } from '../../../core/errors.ts';
import type { BackendName } from '../../../device/backends.ts';
import { startBackend } from '../../../kernels/start.ts';
import { openPainter } from '../../../runs/open-painter.ts';
import type { Failure, FromPainter, OpenRequest, Results, ToPainter, Work } from './child-messages.ts';
import { NearestWork } from './nearest-work.ts';
import { type Doing, type Opened, paint, reconstruct } from './paint-work.ts';

/** Work under way, by its number. */
const stops = new Map<number, AbortController>();
const nearest = new NearestWork();
let opened: Opened | undefined;

process.on('message', message => {
  const { id, work } = message as ToPainter; // the studio sends nothing else
  if (work === null) stops.get(id)?.abort(new UserError('paint', 'stopped'));
  else void answer(id, work);
});

// The studio is gone: without the channel nothing keeps the process.
process.once('disconnect', () => {
  for (const stop of stops.values()) stop.abort(new UserError('paint', 'the studio is gone'));
  opened?.painter.dispose();
});

async function answer(id: number, work: Work): Promise<void> {
  const stop = new AbortController();
  stops.set(id, stop);
  try {
    const doing: Doing = { tell: news => send({ id, news }), signal: stop.signal };
    send({ id, result: await done(work, doing) });
  } catch (error) {
    send({ id, failure: failureOf(error) });
  } finally {
    stops.delete(id);
  }
}

async function done(work: Work, doing: Doing): Promise<Results[keyof Results]> {
  if (work.kind === 'open') return await open(work, doing);
  if (opened === undefined) throw new Error('painting child: nothing is open');
  switch (work.kind) {
    case 'paint':
      return await paint(opened, work, doing);
    case 'reconstruct':
      return await reconstruct(opened, work);
    case 'nearest':
      return await nearest.find(opened, work, doing);
    default:
      return work satisfies never;
  }
}

async function open({ run, weights, threads, sparesGpu }: OpenRequest, { tell }: Doing): Promise<Results['open']> {
  const warn = (message: string) => tell({ kind: 'warning', line: message });
  const start = (name: 'auto' | 'native' | 'wasm') => startBackend(name, { threads, warn });
  const backend = sparesGpu
    ? await start('native').catch(error => {
        if (error instanceof UserError) return start('wasm');
        throw error;
      })
    : await start('auto');
  const painter = await openPainter(run, { weights, backend: backend as BackendName, threads });
  opened = { painter, weights, backend };
  const { grid, imageSize, step } = painter;
  return { backend, grid, imageSize, step };
}

function failureOf(error: unknown): Failure {
  if (error instanceof UserError) return { message: error.message, hint: error.hint, isMistake: false };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), isMistake: true };
}

/** Says something to the studio, if it is still there. */
function send(message: FromPainter): void {
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}
