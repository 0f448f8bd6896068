/** @file The worker of the trainer's page: takes what is asked of it, one thing after another, and says what comes of it. */

import { refusalOfSystem } from '../cli/system-errors.ts';
import { UserError } from '../core/errors.ts';
import type { Ask, Tell } from './messages.ts';
import { SystemError } from './node/tree.ts';
import { BrowserTraining } from './training.ts';

const FOLDER = 'tessera-training';

const scope = globalThis as unknown as {
  postMessage(message: Tell): void;
  onmessage: (event: { readonly data: Ask }) => void;
};
const tell = (message: Tell) => scope.postMessage(message);

/** The training; undefined where another page has it. It is this page's until the worker ends. */
let training: Promise<BrowserTraining | undefined> | undefined;

function begin(): Promise<BrowserTraining | undefined> {
  return new Promise((resolve, reject) => {
    const work = async (lock: Lock | null) => {
      if (lock === null) return resolve(undefined);
      const root = await navigator.storage.getDirectory();
      const opened = new BrowserTraining(await root.getDirectoryHandle(FOLDER, { create: true }), tell);
      await opened.open();
      resolve(opened);
      await new Promise(() => {}); // held as long as the worker is there
    };
    navigator.locks.request(FOLDER, { ifAvailable: true }, work).catch(reject);
  });
}

async function answer(ask: Ask): Promise<void> {
  training ??= begin();
  const own = await training;
  if (own === undefined) {
    training = undefined; // it may be given back
    tell({ type: 'there', there: { isElsewhere: true } });
    return;
  }
  switch (ask.type) {
    case 'take':
      await own.take(ask.name, ask.files);
      tell({ type: 'there', there: await own.there() });
      return;
    case 'look':
      tell({ type: 'there', there: await own.there() });
      await own.showFiles();
      return;
    case 'discard':
      await own.discard();
      tell({ type: 'there', there: await own.there() });
      return;
    case 'plan': {
      const plan = await own.plan(ask.fields, ask.backend);
      if (plan !== undefined) tell({ type: 'planned', plan });
      return;
    }
    case 'train':
      tell({ type: 'ended', isDone: await own.train(ask.backend) });
      return;
    case 'pack':
      tell({ type: 'packed', ...(await own.pack()) });
      return;
    case 'pause':
      own.pause();
      return;
  }
}

/** What went wrong, in a line; what is no mistake of the user's is thrown on as well, for the console. */
function refuse(asked: Ask['type'], error: unknown): void {
  const known = roomError(error) ?? (error instanceof UserError ? error : refusalOfSystem(error));
  if (known === undefined) {
    tell({ type: 'refused', asked, text: `this is a mistake of the program: ${String(error)}` });
    throw error;
  }
  tell({ type: 'refused', asked, text: known.message, hint: known.hint });
}

function roomError(error: unknown): UserError | undefined {
  if (error instanceof SystemError && error.code === 'ENOSPC') {
    const hint = 'what was saved before is whole: download the run, or make room on this device and go on';
    return new UserError('browser', 'there is no more room for this page', hint);
  }
  const isMemory = error instanceof RangeError && /allocation failed|memory|array length/i.test(error.message);
  if (!isMemory && !/out of memory/i.test(String(error))) return undefined;
  const hint =
    'what was saved before is whole: close other tabs and go on, or train smaller pictures or a smaller model';
  return new UserError('browser', 'the memory of this page is used up', hint);
}

scope.onmessage = ({ data }) => {
  answer(data).catch(error => refuse(data.type, error));
};
