/**
 * @file A study as a small server: its page, and a place that the page sends answers to, which are on the disk before it says that
 * they have arrived. Answers are taken as `tessera study collect` takes them. Whose a picture is, it never reads.
 */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { AnswerBook, checkGiven, type Given } from '../study/collect.ts';
import { makeTakePage } from '../study/page/page.ts';
import { readPictures, readStudy, type Study } from '../study/study.ts';
import { createGuarded, guardHeaders, type Patience, Refusal, readJsonBody, sendJson } from './guard.ts';

/** Longest message of answers, in bytes, and how many answers it may have. */
const MOST_BYTES = 65_536;
const MOST_ANSWERS = 64;
/** People whose answers are taken: more are none. */
const MOST_RATERS = 10_000;

const bodySchema = z.strictObject({ answers: z.array(z.unknown()).min(1).max(MOST_ANSWERS) });

export interface ServeOptions extends Patience {
  /** 0: any that is free. */
  readonly port: number;
  /** The name or address by which others reach it; default: this machine alone. */
  readonly host?: string;
  /** What every request must have; needed with `host`. */
  readonly key?: string;
  /** Hears of answers that are kept now: how many people there are, and how many have finished. */
  readonly onAnswers?: (count: { readonly raters: number; readonly finished: number }) => void;
  readonly onError?: (error: unknown) => void;
}

/** A server that runs. */
export interface StudyServer {
  /** Of the page, with the key where there is one. */
  readonly url: string;
  close(): Promise<void>;
}

/** Takes the answers that the page of a study sends. */
export class AnswerTaker {
  private readonly study: Study;
  private readonly book: AnswerBook;
  private readonly onAnswers: ServeOptions['onAnswers'];
  private writing: Promise<void> = Promise.resolve();

  constructor(study: Study, book: AnswerBook, onAnswers?: ServeOptions['onAnswers']) {
    this.study = study;
    this.book = book;
    this.onAnswers = onAnswers;
  }

  /** @param where opens the message. @throws UserError if the folder is no study, or has answers that are none */
  static async open(folder: string, where: string): Promise<AnswerTaker> {
    const study = await readStudy(folder, where);
    return new AnswerTaker(study, await AnswerBook.open(folder, study));
  }

  /** Takes the answers of a message, which are on the disk then. @returns how many. @throws Refusal of what are none */
  async take(request: IncomingMessage): Promise<number> {
    const answers = readAnswers(await readJsonBody(request, { most: MOST_BYTES }));
    const checked = answers.map(answer => checkGiven(answer, this.study));
    const wrong = checked.find(given => typeof given === 'string');
    if (wrong !== undefined) throw new Refusal(400, `expected answers of this study, got ${wrong}`);
    await this.keep(checked.filter(given => typeof given !== 'string'));
    return answers.length;
  }

  /** Waits for what is being written. */
  written(): Promise<void> {
    return this.writing;
  }

  private async keep(answers: readonly Given[]): Promise<void> {
    const { book } = this;
    const raters = new Set(answers.map(({ rater }) => rater));
    if (book.count.raters + raters.size > MOST_RATERS) throw new Refusal(429, 'too many people');
    for (const given of answers) {
      if (book.add(given) === 'conflict') throw new Refusal(409, `another answer to trial ${given.trial + 1} is here`);
    }
    this.writing = this.writing.catch(() => {}).then(() => book.write(raters)); // one after another: the last has all
    await this.writing;
    this.onAnswers?.(book.count);
  }
}

/**
 * Serves a study until it is closed.
 * @throws UserError if the folder is no study, the port is taken, or others are to reach it without a key
 */
export async function serveStudy(folder: string, options: ServeOptions): Promise<StudyServer> {
  const { port, host, key, onAnswers } = options;
  if (host !== undefined) expectHost(host, key);
  const study = await readStudy(folder, 'study serve');
  const page = await makeTakePage(study, await readPictures(folder, study), { post: '/answers' });
  const taker = new AnswerTaker(study, await AnswerBook.open(folder, study), onAnswers);
  const server = createGuarded(
    async (request, response) => {
      const [pathname] = (request.url ?? '').split('?'); // as it came: no path is normalised into another
      const reads = request.method === 'GET' || request.method === 'HEAD';
      if (pathname === '/' && reads) {
        response.writeHead(200, { ...guardHeaders(page.policy), 'Content-Type': 'text/html; charset=utf-8' });
        response.end(page.markup);
      } else if (pathname === '/answers' && request.method === 'POST') {
        sendJson(response, 200, { taken: await taker.take(request) });
      } else {
        throw new Refusal(['/', '/answers'].includes(pathname) ? 405 : 404, 'there is no such thing here');
      }
    },
    { ...options, hosts: host === undefined ? [] : [bracketed(host)] },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(whyNot(error, port, host)));
    server.listen(port, host ?? '127.0.0.1', resolve);
  });
  const at = `http://${bracketed(host ?? '127.0.0.1')}:${(server.address() as AddressInfo).port}/`;
  return {
    url: key === undefined ? at : `${at}?key=${key}`,
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await taker.written();
    },
  };
}

function readAnswers(body: unknown): readonly unknown[] {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) throw new Refusal(400, `expected an object with 1 to ${MOST_ANSWERS} answers`);
  return parsed.data.answers;
}

/** An address of IPv6 as it stands in a URL. */
function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function expectHost(host: string, key: string | undefined): void {
  if (['0.0.0.0', '::', '*'].includes(host)) {
    throw new UserError(
      'study serve: --host',
      `expected the name or address by which others reach this machine, got ${host}`,
      'e.g. --host 192.168.1.5',
    );
  }
  if (key === undefined) throw new UserError('study serve', 'expected a key where others can reach it, got none');
}

function whyNot(error: NodeJS.ErrnoException, port: number, host: string | undefined): unknown {
  if (error.code === 'EADDRINUSE')
    return new UserError('study serve: --port', `${port} is taken by another program`, `e.g. --port ${port + 1}`);
  if (error.code === 'EACCES')
    return new UserError('study serve: --port', `expected a port that may be opened, got ${port}`, 'e.g. --port 8377');
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new UserError('study serve: --host', `expected an address of this machine, got ${host}`);
  }
  return error;
}
