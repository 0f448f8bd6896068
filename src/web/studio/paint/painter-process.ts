/**
 * @file One painting child as the studio sees it: started with a run, given work, stopped. A child that dies takes the work under way
 * with it, as one line, and is started again by whoever needs it next. Knows nothing of requests.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../../core/errors.ts';
import type { Failure, FromPainter, News, OpenRequest, Results, ToPainter, Work } from './child-messages.ts';

/** Milliseconds that a child has to end by itself. */
const PATIENCE = 2000;
/** Milliseconds that what it wrote before it ended may take to arrive. */
const LAST_WORDS = 50;

/** Work that the child has not answered yet. */
interface Waiting {
  readonly hear: (news: News) => void;
  readonly resolve: (result: Results[keyof Results]) => void;
  readonly reject: (reason: unknown) => void;
}

/** How work is given. */
export interface WorkOptions {
  readonly onNews?: (news: News) => void;
  /** Stops the work at its next step; the promise rejects with the signal's reason at once. */
  readonly signal?: AbortSignal;
}

/** A child with a run open, or about to be. */
export class PainterProcess {
  /** What opening it gave. */
  readonly opened: Promise<Results['open']>;
  /** What was said while it was opened, for whoever paints with it. */
  readonly warnings: string[] = [];
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private readonly gone: Promise<void>;
  private count = 0;
  private isGone = false;
  private said = '';

  constructor(open: OpenRequest) {
    const own = fileURLToPath(import.meta.url);
    this.child = fork(own.replace(/painter-process(\.\w+)$/, 'child$1'), {
      // The sources run by tsx, as whatever runs them now may have its own way.
      ...(own.endsWith('.ts') && { execArgv: ['--import', 'tsx'] }),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.on('message', message => this.hear(message as FromPainter)); // child.ts sends nothing else
    this.child.on('error', () => {}); // its exit says so too
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.said = (this.said + text).slice(-2000);
    });
    this.gone = new Promise(resolve => {
      this.child.once('exit', (code, signal) => {
        this.isGone = true;
        resolve();
        // Its last words may still be on their way; the pipe itself may be held open by a process of its own.
        setTimeout(() => this.end(signal ?? `exit code ${code}`), LAST_WORDS);
      });
    });
    this.opened = this.do(open, {
      onNews: news => {
        if (news.kind === 'warning') this.warnings.push(news.line);
      },
    });
    this.opened.catch(() => {}); // whoever waits for it hears
  }

  /** Of the process. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Whether it can be given work. */
  get isAlive(): boolean {
    return !this.isGone;
  }

  /** Gives it work. @throws UserError of the user, or that the child ended; the signal's reason */
  do<W extends Work>(work: W, { onNews = () => {}, signal }: WorkOptions = {}): Promise<Results[W['kind']]> {
    const id = ++this.count;
    return new Promise<Results[keyof Results]>((resolve, reject) => {
      if (this.isGone) {
        reject(new UserError('paint', 'the painting process has ended', 'ask again'));
        return;
      }
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        this.waiting.delete(id);
        this.send({ id, work: null });
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
      const leave = () => signal?.removeEventListener('abort', abort);
      this.waiting.set(id, {
        hear: onNews,
        resolve: result => {
          leave();
          resolve(result);
        },
        reject: reason => {
          leave();
          reject(reason);
        },
      });
      this.send({ id, work });
    }) as Promise<Results[W['kind']]>; // the child answers work of a kind with its result
  }

  /** Ends it; what is under way is refused. */
  async close(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    const late = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE);
    await this.gone;
    clearTimeout(late);
  }

  private send(message: ToPainter): void {
    if (this.child.connected) this.child.send(message, () => {}); // of a process that has just died: its exit says so
  }

  private hear(message: FromPainter): void {
    const waiting = this.waiting.get(message.id);
    if (waiting === undefined) return; // stopped meanwhile
    if ('news' in message) {
      waiting.hear(message.news);
      return;
    }
    this.waiting.delete(message.id);
    if ('result' in message) waiting.resolve(message.result);
    else waiting.reject(errorOf(message.failure));
  }

  /** @param how the process ended */
  private end(how: string): void {
    const last = this.said.trim().split('\n').at(-1) ?? '';
    const why = `the painting process ended with ${how}${last === '' ? '' : `: ${last}`}`;
    for (const { reject } of this.waiting.values()) {
      reject(new UserError('paint', why, 'ask again, and a new one is started'));
    }
    this.waiting.clear();
  }
}

function errorOf({ message, hint, isMistake }: Failure): Error {
  if (isMistake) return new Error(message);
  const [where, ...what] = message.split(': '); // as a UserError puts it together
  return new UserError(where, what.join(': '), hint);
}
