/** @file `tessera study serve`: the page of a study on this machine, which sends its answers back. */
import { z } from 'zod';
import type { Session } from '../../runs/session.ts';
import { defineCommand } from '../command.ts';

export const studyServe = defineCommand({
  name: 'study serve',
  summary: 'serve the page of a study, and take the answers that it sends',
  examples: ['tessera study serve studies/first', 'tessera study serve studies/first --host 192.168.1.5'],
  positionals: [{ name: 'STUDY', description: 'the folder of a study', title: 'folder' }],
  flags: () =>
    z.object({
      port: z.number().int().min(0).max(65_535).default(8377).describe('0: any that is free'),
      host: z
        .string()
        .min(1)
        .optional()
        .describe('name or address by which others reach this machine (default: nobody else can); asks for a key'),
    }),
  run: async (session, { values, positionals: [folder] }) => serve(session, folder, values),
});

/** Serves until a signal ends the program. */
async function serve(
  { print, reporter, signal }: Session,
  folder: string,
  { port, host }: { readonly port: number; readonly host?: string },
): Promise<void> {
  const { randomBytes } = await import('node:crypto');
  const { serveStudy } = await import('../../web/study-server.ts');
  const key = host === undefined ? undefined : randomBytes(16).toString('hex');
  const { url, close } = await serveStudy(folder, {
    port,
    host,
    key,
    onAnswers: ({ raters, finished }) => reporter.update({ step: raters, note: `${finished} have finished` }),
    onError: error =>
      reporter.message(`warning: ${error instanceof Error ? error.message : error}`, { isWarning: true }),
  });
  if (host !== undefined) {
    reporter.message(
      'warning: whoever has the address below can take part; nothing is encrypted on the way. Between two of your own ' +
        'machines an ssh tunnel is safer: ssh -L 8377:127.0.0.1:8377',
      { isWarning: true },
    );
  }
  print(url);
  reporter.message('answers are kept as they come; Ctrl-C ends it');
  reporter.stage('people', { unit: 'people' });
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
  await close();
}
