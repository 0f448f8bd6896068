/** @file Asks one person: consent, practice that says what was right, the questions one after another, and where the answers go. */

/** An answer so soon after the pictures is a slip from the trial before, and is not taken. */
const LEAST_MS = 150;
/** Answers of one message. */
const MOST_SENT = 40;

/** @param {string} id */
function readData(id) {
  return JSON.parse(document.getElementById(id)?.textContent ?? '');
}

/** Where a browser keeps things, unless it forbids that. @returns {Store | undefined} */
function openStore() {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

class Asking {
  constructor() {
    /** @type {Study} */
    this.study = readData('study');
    /** @type {Record<string, string>} */
    this.pictures = readData('pictures');
    this.answers = new Answers(this.study, openStore(), location.hash);
    /** Of the trial on the screen: how often the window was left, and the pause pressed. */
    this.left = { focusLost: 0, paused: 0 };
    /** @type {Promise<void>} */
    this.sending = Promise.resolve();
    this.isSent = true;
    const lose = () => {
      this.left.focusLost++;
    };
    addEventListener('blur', lose);
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) lose();
    });
  }

  begin() {
    const { wording, trials, warmups, post } = this.study;
    const { place, isFinished, isKept } = this.answers;
    if (isFinished) return this.end();
    if (place > 0) {
      const done = { done: Math.max(0, place - warmups), of: trials };
      return showWords({
        title: fillIn(wording.back, done),
        button: wording.resume,
        go: () => this.ask(),
        kind: 'words back',
      });
    }
    const minutes = Math.max(1, Math.ceil((trials * 5 + warmups * 8) / 60));
    const lines = [
      wording.intro,
      fillIn(wording.length, { trials, minutes }),
      element('p', { class: 'consent' }, wording.consent),
    ];
    if (!isKept && post === null) lines.push(wording.unkept);
    showWords({ title: wording.title, lines, button: wording.begin, go: () => this.ask(), kind: 'words start' });
  }

  /** The next trial, and before it what has changed. */
  ask() {
    const { wording, warmups } = this.study;
    const { trials, place, isFinished } = this.answers;
    if (isFinished) return this.end();
    const { question } = trials[place];
    const isFirst = place === 0;
    const isNew = !isFirst && trials[place - 1].question !== question;
    const lines = [];
    if (place === warmups) lines.push(wording.practised);
    if (isNew) lines.push(wording.another);
    const go = () => void this.askTrial();
    if (!isFirst && lines.length === 0) return go();
    const told = this.study.cannotTell ? wording.keysCannotTell : wording.keys;
    const hint = element('p', { class: 'soft' }, told);
    showWords({
      title: wording.questions[question].ask,
      lines: [...lines, ...(isFirst ? [hint] : [])],
      button: wording.next,
      go,
    });
  }

  /** @param {number} paused how often it was paused before */
  async askTrial(paused = 0) {
    const { study, answers, pictures } = this;
    const { wording, captions, cannotTell, exposureMs } = study;
    const trial = answers.trials[answers.place];
    const words = wording.questions[trial.question];
    this.left = { focusLost: 0, paused };
    let shown = Number.POSITIVE_INFINITY;
    let isOver = false;
    const choose = (/** @type {Answer} */ answer) => (/** @type {Event} */ event) => {
      if (isOver || !(event.timeStamp - shown >= LEAST_MS)) return;
      isOver = true;
      this.take(answer, event.timeStamp - shown);
    };
    const isSingle = trial.right === undefined;
    const sides = [
      pictureSet(trial.left, pictures, isSingle ? wording.picture : wording.leftPicture),
      ...(trial.right === undefined ? [] : [pictureSet(trial.right, pictures, wording.rightPicture)]),
    ];
    const side = (/** @type {'left' | 'right'} */ name, /** @type {Node | undefined} */ set) => {
      const label = element(
        'span',
        { class: 'label' },
        element('kbd', {}, name === 'left' ? '←' : '→'),
        ' ',
        words[name],
      );
      return element('button', { type: 'button', class: `side ${name}`, click: choose(name) }, set, label);
    };
    const pause = () => {
      isOver = true;
      showWords({
        title: wording.paused,
        button: wording.resume,
        go: () => void this.askTrial(paused + 1),
        kind: 'words paused',
      });
    };
    show(
      'trial',
      {
        ArrowLeft: choose('left'),
        ArrowRight: choose('right'),
        Escape: pause,
        ...(cannotTell ? { ArrowDown: choose('tie') } : {}),
      },
      this.head(pause),
      element('h1', { tabindex: -1 }, words.ask),
      trial.caption === undefined ? undefined : element('p', { class: 'caption' }, captions[trial.caption]),
      isSingle ? element('div', { class: 'single' }, sides[0].set) : undefined,
      element(
        'div',
        { class: isSingle ? 'sides words' : 'sides' },
        side('left', isSingle ? undefined : sides[0].set),
        side('right', sides[1]?.set),
      ),
      cannotTell
        ? element(
            'button',
            { type: 'button', class: 'tie', click: choose('tie') },
            element('kbd', {}, '↓'),
            ' ',
            wording.cannotTell,
          )
        : undefined,
      element('p', { class: 'said', role: 'status', 'aria-live': 'polite' }),
    );
    const images = sides.flatMap(({ images }) => images);
    await Promise.all(images.map(image => image.decode().catch(() => {})));
    if (isOver) return;
    document.querySelector('main')?.classList.add('shown');
    shown = await nextFrame();
    if (exposureMs !== null && study.mask !== null) {
      const mask = `data:image/png;base64,${pictures[study.mask]}`;
      setTimeout(() => {
        for (const image of images) image.setAttribute('src', mask);
      }, exposureMs);
    }
  }

  /** How far it is. @param {() => void} pause */
  head(pause) {
    const { wording, warmups, trials } = this.study;
    const { place } = this.answers;
    const isPractice = place < warmups;
    const [done, of] = isPractice ? [place + 1, warmups] : [place - warmups + 1, trials];
    return element(
      'div',
      { class: 'head' },
      element('span', { class: 'done' }, fillIn(isPractice ? wording.practice : wording.progress, { done, of })),
      element('progress', { max: of, value: done - 1, 'aria-hidden': 'true' }),
      element('button', { type: 'button', class: 'pause', click: pause }, wording.pause),
    );
  }

  /**
   * @param {Answer} answer
   * @param {number} ms
   */
  take(answer, ms) {
    const trial = this.answers.trials[this.answers.place];
    this.answers.add(answer, {
      ms: Math.round(ms),
      ...this.left,
      viewport: [innerWidth, innerHeight],
      devicePixelRatio,
      device: matchMedia('(pointer: coarse)').matches ? 'phone' : 'desktop',
    });
    this.send();
    if (trial.answer === undefined) return this.ask();
    this.tell(trial, answer === trial.answer);
  }

  /**
   * Says whether a trial of the practice was right.
   * @param {Trial} trial
   * @param {boolean} isRight
   */
  tell({ question, answer = 'left' }, isRight) {
    const { wording } = this.study;
    keys = {};
    for (const button of document.querySelectorAll('.side, .tie, .pause')) button.setAttribute('disabled', '');
    document.querySelector(`.side.${answer}`)?.classList.add('answer');
    const said = isRight ? wording.right : fillIn(wording.wrong, { answer: wording.questions[question][answer] });
    const next = element('button', { type: 'button', class: 'main', click: () => this.ask() }, wording.next);
    const place = document.querySelector('.said');
    place?.replaceChildren(element('span', { class: isRight ? 'good' : 'bad' }, said));
    place?.after(next);
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  }

  /** Sends what has not arrived, one message after another; what fails is tried again with the next. */
  send() {
    const { post } = this.study;
    if (post === null) return;
    this.sending = this.sending.then(async () => {
      try {
        for (let some = this.answers.unsent(MOST_SENT); some.length > 0; some = this.answers.unsent(MOST_SENT)) {
          const key = new URLSearchParams(location.search).get('key');
          const headers = { 'Content-Type': 'application/json', ...(key === null ? {} : { 'X-Tessera-Key': key }) };
          const response = await fetch(post, { method: 'POST', headers, body: JSON.stringify({ answers: some }) });
          if (!response.ok) throw new Error(String(response.status));
          this.answers.markSent(some.length);
        }
        this.isSent = true;
      } catch {
        this.isSent = false;
      }
    });
  }

  end() {
    const { wording, post } = this.study;
    if (post === null) return this.thank(wording.send, { sent: false });
    this.send();
    showWords({ title: wording.thanks, lines: [wording.sending], kind: 'words end' });
    void this.sending.then(() => this.thank(this.isSent ? wording.sent : wording.unsent, { sent: this.isSent }));
  }

  /**
   * @param {string} line
   * @param {{ sent: boolean }} options
   */
  thank(line, { sent }) {
    const { wording, post } = this.study;
    const { name, text } = this.answers.file;
    const href = URL.createObjectURL(new Blob([text], { type: 'application/x-ndjson' }));
    const link = element('a', { class: sent ? 'quiet' : 'main', href, download: name }, wording.download);
    const lines = [
      line,
      element('p', {}, link),
      ...(sent ? [] : [element('p', { class: 'soft' }, element('code', {}, name))]),
    ];
    const again = !sent && post !== null;
    showWords({
      title: wording.thanks,
      lines,
      button: again ? wording.again : undefined,
      go: () => this.end(),
      kind: `words end ${sent ? 'sent' : 'unsent'}`,
    });
  }
}

new Asking().begin();
