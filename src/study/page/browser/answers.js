/**
 * @file The answers of one person, kept in the browser after each of them, so that a page that is loaded again goes on where it was.
 * Knows nothing of what is on the screen. A plain script, as the page holds it: its functions are those of all of them.
 */

/**
 * @typedef {{ question: 'fits' | 'finished' | 'real', caption?: number, left: string[], right?: string[], answer?: 'left' | 'right' }} Trial
 * @typedef {'left' | 'right' | 'tie'} Answer
 * @typedef {{
 *   hash: string, images: number, trials: number, warmups: number, cannotTell: boolean, exposureMs: number | null,
 *   captions: string[], mask: string | null, slots: Trial[][], wording: Record<string, string> & {
 *     questions: Record<string, { ask: string, left: string, right: string }>
 *   }, post: string | null
 * }} Study
 * @typedef {{ ms: number, focusLost: number, paused: number, viewport: [number, number], devicePixelRatio: number, device: 'desktop' | 'phone' }} Circumstances
 * @typedef {Circumstances & {
 *   study: string, rater: string, slot: number, trial: number, question: string, left: string[], right: string[] | null,
 *   answer: Answer, exposureMs: number | null
 * }} Given
 * @typedef {{ rater: string, slot: number, sent: number, given: Given[] }} Kept
 * @typedef {{ getItem(key: string): string | null, setItem(key: string, value: string): void, removeItem(key: string): void }} Store
 */

/** Random bytes as hexadecimal digits. @param {number} bytes */
function randomHex(bytes) {
  const values = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(values, value => value.toString(16).padStart(2, '0')).join('');
}

/**
 * The slot that an address asks for: `#rater=3` is the third, and after the last comes the first again.
 * @param {string} fragment
 * @param {number} slots
 * @returns {number | undefined}
 */
function slotAsked(fragment, slots) {
  const [, number] = /(?:^#|&)rater=(\d{1,6})(?:&|$)/.exec(fragment) ?? [];
  return number === undefined || Number(number) < 1 ? undefined : (Number(number) - 1) % slots;
}

/** One person's answers. */
class Answers {
  /**
   * @param {Study} study
   * @param {Store | undefined} store
   * @param {string} fragment of the page's address
   */
  constructor(study, store, fragment) {
    const asked = slotAsked(fragment, study.slots.length);
    this.study = study;
    this.store = store;
    this.name = `tessera-study-${study.hash.slice(0, 16)}${asked === undefined ? '' : `-${asked}`}`;
    /** @type {Kept} */
    this.kept = this.read() ?? {
      rater: randomHex(8),
      slot: asked ?? randomSlot(study.slots.length),
      sent: 0,
      given: [],
    };
    /** Whether a reload finds the answers again. */
    this.isKept = this.write();
  }

  /** @returns {Kept | undefined} */
  read() {
    try {
      const kept = JSON.parse(this.store?.getItem(this.name) ?? 'null');
      const fits = kept?.given.every((/** @type {Given} */ { study }) => study === this.study.hash);
      return fits === true && kept.slot < this.study.slots.length ? kept : undefined;
    } catch {
      return undefined;
    }
  }

  write() {
    try {
      this.store?.setItem(this.name, JSON.stringify(this.kept));
      return this.store !== undefined;
    } catch {
      return false;
    }
  }

  /** What this person is asked. */
  get trials() {
    return this.study.slots[this.kept.slot];
  }

  /** The place of the next trial. */
  get place() {
    return this.kept.given.length;
  }

  get isFinished() {
    return this.place >= this.trials.length;
  }

  /**
   * @param {Answer} answer
   * @param {Circumstances} circumstances
   */
  add(answer, circumstances) {
    const { rater, slot, given } = this.kept;
    const { question, left, right = null } = this.trials[this.place];
    const { hash, exposureMs } = this.study;
    given.push({
      study: hash,
      rater,
      slot,
      trial: this.place,
      question,
      left,
      right,
      answer,
      exposureMs,
      ...circumstances,
    });
    this.isKept = this.write();
  }

  /** Those that have not arrived anywhere yet, at most so many. @param {number} most */
  unsent(most) {
    return this.kept.given.slice(this.kept.sent, this.kept.sent + most);
  }

  /** @param {number} count */
  markSent(count) {
    this.kept.sent += count;
    this.write();
  }

  /** A line each. */
  get file() {
    return {
      name: `answers-${this.kept.rater}.jsonl`,
      text: this.kept.given.map(given => `${JSON.stringify(given)}\n`).join(''),
    };
  }
}

/** @param {number} slots */
function randomSlot(slots) {
  return crypto.getRandomValues(new Uint32Array(1))[0] % slots;
}
