/** @file `tessera studio` and `tessera watch`: pages on this machine that show the runs of a folder, or one of them, live. */
import { z } from 'zod';
import type { Session } from '../../runs/session.ts';
import type { LibraryOptions } from '../../web/studio/library.ts';
import { defineCommand } from '../command.ts';
import { path } from '../common-flags.ts';

/** What both take. */
const pageFlags = {
  port: z.number().int().min(0).max(65_535).default(8377).describe('where it is taken: the next free one; 0: any'),
  open: z.boolean().default(true).describe('open the page in the browser, where there is one'),
};

export const studio = defineCommand({
  name: 'studio',
  summary: 'show the runs of a folder on pages of this machine, live',
  examples: ['tessera studio', 'tessera studio runs --data photos --no-open'],
  positionals: [
    {
      name: 'FOLDER',
      description: 'where runs and studies are looked for; default: runs',
      title: 'folder',
      optional: true,
    },
  ],
  flags: () =>
    z.object({
      data: path('a folder of data that is shown too; default: datasets, where it is there').optional(),
      ...pageFlags,
    }),
  run: async (session, { values: { data, port, open }, positionals: given }) => {
    const [folder = 'runs'] = given;
    const { existsSync } = await import('node:fs');
    const { shippedModel } = await import('../../runs/run.ts');
    const found = data ?? (existsSync('datasets') ? 'datasets' : undefined);
    const shown = {
      data: found === undefined ? [] : [found],
      models: [shippedModel()],
      mayBeMissing: given.length === 0,
    };
    await serve(session, { folder, ...shown, port, open });
  },
});

export const watch = defineCommand({
  name: 'watch',
  summary: 'show how a run is trained, live, on a page of this machine',
  examples: ['tessera watch runs/photos'],
  positionals: [{ name: 'RUN', description: 'a run, which another process may be training', title: 'folder' }],
  flags: () => z.object(pageFlags),
  run: async (session, { values, positionals: [run] }) => {
    const { existsSync, realpathSync } = await import('node:fs');
    const { dirname, join } = await import('node:path');
    const { UserError } = await import('../../core/errors.ts');
    if (!existsSync(join(run, 'config.json'))) {
      throw new UserError(
        run,
        `expected a run, got ${existsSync(run) ? 'a folder without config.json' : 'no such folder'}`,
        'a training writes it when it begins',
      );
    }
    const real = realpathSync(run);
    // The runs beside it can be laid over it.
    await serve(session, { ...values, folder: dirname(real), depth: 1, run: real });
  },
});

interface Serving extends LibraryOptions {
  readonly folder: string;
  /** Shown first: its real path. */
  readonly run?: string;
  readonly port: number;
  readonly open: boolean;
}

/** Serves until a signal ends the program. */
async function serve(session: Session, { run, port, open, ...shown }: Serving): Promise<void> {
  const { print, reporter, signal, now } = session;
  const { randomBytes } = await import('node:crypto');
  const { openStudio } = await import('../../web/studio/server.ts');
  const { idOf } = await import('../../web/studio/library.ts');
  const { studioProgram } = await import('../studio-program.ts');
  const opened = await openStudio({
    ...shown,
    port,
    key: randomBytes(16).toString('hex'),
    ticket: open ? randomBytes(16).toString('hex') : undefined,
    now,
    program: studioProgram(),
    onError: error =>
      reporter.message(`warning: ${error instanceof Error ? (error.stack ?? error.message) : error}`, {
        isWarning: true,
      }),
  });
  if (port !== 0 && opened.port !== port) reporter.message(`port ${port} is taken: this one is ${opened.port}`);
  const page = run === undefined ? undefined : `/run/${idOf(run)}`;
  print(opened.address(page));
  reporter.message(
    `this machine alone reaches it; from another one: ssh -L ${opened.port}:127.0.0.1:${opened.port} HOST`,
  );
  reporter.message('Ctrl-C ends it');
  if (open) {
    const { openBrowser } = await import('../terminal/browser.ts');
    openBrowser(opened.ticketAddress(page));
  }
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
  const running = opened.running();
  if (running > 0) reporter.message(`waiting for what its pages started (${running}) to stop; a training saves`);
  await opened.close();
}
