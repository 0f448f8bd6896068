/** @file Votes of people who do not exist, whose preferences are known. */
import { Random } from '../../../src/core/random.ts';
import type { Vote } from '../../../src/study/answers.ts';
import type { AnalysedStudy } from '../../../src/study/report/results.ts';

/** Strengths, as logarithms, of what the simulated people prefer. */
export const strengths: Readonly<Record<string, number>> = { tokens: 0, diffusion: -0.7, copy: 0.9, real: 2 };

export const study: AnalysedStudy = {
  hash: 'a'.repeat(64),
  seed: 7,
  questions: ['fits', 'real'],
  threshold: 0.8,
  trials: 40,
  images: 1,
  cannotTell: true,
  exposureMs: null,
  captions: Array.from({ length: 20 }, (_, i) => `caption ${i} <b>&`),
  wording: {
    title: 'Which picture?',
    intro: 'You will see pictures.',
    consent: 'You may stop at any time.',
    questions: {
      fits: { ask: 'Which picture fits better?', left: 'Left', right: 'Right' },
      real: { ask: 'Is this picture real?', left: 'Real', right: 'Painted' },
    },
  },
  systems: Object.keys(strengths).map(name => ({ name })),
  heldOut: true,
};

export interface SimulationOptions {
  readonly raters?: number;
  /** Raters at the end who answer anything, control trials too. */
  readonly careless?: number;
  readonly seed?: number;
  readonly questions?: readonly string[];
  readonly systems?: readonly string[];
  /** Probability of a draw. */
  readonly draws?: number;
  /** Added to the strength of what lies left. */
  readonly leaning?: number;
}

/** Every rater judges every caption once a question, and meets five control trials and two repeats. */
export function simulateVotes(options: SimulationOptions = {}): Vote[] {
  const { raters = 6, careless = 0, seed = 1, questions = study.questions } = options;
  const random = new Random(seed);
  return Array.from({ length: raters }, (_, r) => {
    const session = new Session(`rater${r}`, r >= raters - careless, options, random.fork('rater', r));
    for (const question of questions) {
      for (const [i, item] of study.captions.entries()) session.judge(question, item, r + i);
    }
    session.control();
    return session.votes;
  }).flat();
}

class Session {
  readonly votes: Vote[] = [];
  private readonly rater: string;
  private readonly isCareless: boolean;
  private readonly options: SimulationOptions;
  private readonly random: Random;

  constructor(rater: string, isCareless: boolean, options: SimulationOptions, random: Random) {
    this.rater = rater;
    this.isCareless = isCareless;
    this.options = options;
    this.random = random;
  }

  judge(question: string, item: string, turn: number): void {
    const systems = this.options.systems ?? Object.keys(strengths);
    const pairs = systems.flatMap((a, i) => systems.slice(i + 1).map(b => [a, b] as const));
    const [a, b] = question === 'real' ? [systems[turn % systems.length], ''] : pairs[turn % pairs.length];
    const left = this.random.integer(2) === 0 ? 'a' : 'b';
    const lead = question === 'real' ? strengths[a] - 0.5 : strengths[a] - strengths[b];
    const leaning = (this.options.leaning ?? 0) * (left === 'a' ? 1 : -1);
    const odds = this.isCareless ? 0 : lead + leaning;
    const isFirst = this.random.uniform() < 1 / (1 + Math.exp(-odds));
    const isDraw = this.random.uniform() < (this.options.draws ?? 0.1);
    this.add({ question, item, a, b, left, choice: isDraw ? 'tie' : isFirst ? 'a' : 'b', kind: 'vote' });
  }

  /** Control trials, a warm-up, and two trials again with their sides swapped, answered in the same way. */
  control(): void {
    const common = { question: 'fits', item: 'control', a: 'real', b: 'real', left: 'a', choice: 'a' } as const;
    for (let i = 0; i < 5; i++) {
      this.add({ ...common, kind: 'catch', right: !this.isCareless || i % 2 === 0 });
    }
    this.add({ ...common, kind: 'warmup' });
    for (const vote of this.votes.slice(0, 2)) {
      this.add({ ...vote, left: vote.left === 'a' ? 'b' : 'a', kind: 'repeat' });
    }
  }

  private add(vote: Omit<Vote, 'rater' | 'trial' | 'milliseconds'>): void {
    const trial = this.votes.length;
    this.votes.push({ ...vote, rater: this.rater, trial, milliseconds: 5000 - 40 * trial + this.random.integer(500) });
  }
}
