/**
 * @file What a human study found, as plain data: everything that its page shows and its JSON holds. null always means that
 * something cannot be said, and the page then says so.
 */

/** What is asked of a study to analyse its votes: fields of study.json, and the systems of its key. */
export interface AnalysedStudy {
  readonly hash: string;
  readonly seed: number;
  readonly questions: readonly string[];
  /** Least share of control trials that a rater must get right. */
  readonly threshold: number;
  /** Votes, control trials and repeats of a session. */
  readonly trials: number;
  readonly images: number;
  readonly cannotTell: boolean;
  readonly exposureMs: number | null;
  readonly captions: readonly string[];
  readonly wording: {
    readonly title: string;
    readonly intro: string;
    readonly consent: string;
    readonly questions: Readonly<
      Record<string, { readonly ask: string; readonly left: string; readonly right: string }>
    >;
  };
  /** In the study's order. */
  readonly systems: readonly { readonly name: string }[];
  readonly heldOut: boolean | null;
}

/** A value of a metric for each system that has one, to be set beside what people say. */
export interface MetricValues {
  /** Its name as `tessera eval` logs it, e.g. `kid`. */
  readonly metric: string;
  readonly features: string | null;
  /** By the system's name. */
  readonly values: Readonly<Record<string, number>>;
}

/** `real`: the data's own pictures; `copy`: those through a tokenizer and back. Neither is a rival. */
export type SystemKind = 'painted' | 'real' | 'copy';

export interface StudyResults {
  readonly format: 'tessera-study-results-1';
  readonly study: Omit<AnalysedStudy, 'systems' | 'captions'> & { readonly captions: number };
  readonly systems: readonly { readonly name: string; readonly kind: SystemKind }[];
  readonly raters: Raters;
  /** By those who kept the threshold. */
  readonly questions: readonly QuestionResults[];
  /** By everyone; null where nobody was left out. */
  readonly everyone: readonly Shares[] | null;
  readonly correlations: readonly MetricCorrelation[];
}

export interface Raters {
  readonly answered: number;
  readonly kept: number;
  /** Below the threshold. */
  readonly excluded: readonly { readonly rater: string; readonly right: number; readonly catches: number }[];
  /** Kept without a control trial that was answered: nothing is known of them. */
  readonly unchecked: number;
  /** Control trials of those who were kept. */
  readonly catches: number;
  readonly right: number;
}

/** A share with two intervals: over raters and captions, and as if every vote were independent. */
export interface ShareResult {
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /** What the interval is from; `votes`: every vote was the same, or one rater judged one caption. */
  readonly by: 'clusters' | 'votes';
  /** How many independent votes would be as sure. */
  readonly worth: number | null;
  /** The probability of a share so far from one half if it is one half, and Holm's over all of a question. */
  readonly p: number;
  readonly holm: number;
  readonly independent: {
    readonly low: number;
    readonly high: number;
    /** The exact test; draws are left out. */
    readonly p: number;
    readonly holm: number;
  };
}

/** Two systems beside each other. The share is that of `a`, a draw counting half to each. */
export interface PairResult extends ShareResult {
  readonly a: string;
  readonly b: string;
  readonly votes: number;
  readonly wins: number;
  readonly losses: number;
  readonly ties: number;
  readonly raters: number;
  readonly captions: number;
  /** Captions with three votes or more, by what most of these say. */
  readonly majority: { readonly a: number; readonly b: number; readonly even: number };
  /** Which is preferred by Holm's p below 0.05; null where neither was shown to be. */
  readonly preferred: string | null;
  /** The smallest share that so many independent votes show with power 0.8, and that of what the votes are worth. */
  readonly couldShow: number | null;
  readonly couldShowClustered: number | null;
}

/** Single pictures of one system: how often they were taken for real. The share is of these votes, a draw counting half. */
export interface SingleResult {
  readonly system: string;
  readonly votes: number;
  readonly saidReal: number;
  readonly saidPainted: number;
  readonly ties: number;
  readonly raters: number;
  readonly captions: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /** Against the real pictures; null of these, and where none were shown. */
  readonly errors: ErrorResult | null;
}

/** The share of errors between one system's pictures and real ones, both counting alike; one half: nobody can tell. */
export interface ErrorResult extends Omit<ShareResult, 'worth' | 'independent'> {
  /** Fisher's exact test of "real" by system, as if votes were independent; draws are left out. */
  readonly fisher: number;
  /** Whether people tell them from real pictures, by Holm's p below 0.05. */
  readonly toldApart: boolean;
}

export interface Strength {
  readonly system: string;
  /** ln of the strength, the mean over systems being 0, and its ends. */
  readonly log: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** All systems of a question on one scale. */
export interface StrengthResults {
  /** Strongest first. */
  readonly systems: readonly Strength[];
  /** Davidson's v. */
  readonly ties: number;
  readonly equality: { readonly statistic: number; readonly degrees: number; readonly p: number };
  readonly triads: { readonly judged: number; readonly circular: readonly (readonly [string, string, string])[] };
  /** In the study's order: votes for the row against the column, draws left out; and draws. */
  readonly names: readonly string[];
  readonly wins: readonly (readonly number[])[];
  readonly draws: readonly (readonly number[])[];
}

/** What a question's votes come to, pair by pair or system by system. */
export interface Shares {
  readonly question: string;
  readonly ask: string;
  /** Of two pictures beside each other, in the study's order; empty where single ones are judged. */
  readonly pairs: readonly PairResult[];
  readonly singles: readonly SingleResult[];
}

export interface QuestionResults extends Shares {
  readonly votes: number;
  readonly raters: number;
  readonly captions: number;
  /** Pairs that nobody judged; of single pictures systems, each with an empty second name. */
  readonly unjudged: readonly (readonly [a: string, b: string])[];
  /** null with fewer than three systems, or where they are not connected by votes. */
  readonly strengths: StrengthResults | null;
  readonly agreement: {
    readonly alpha: number | null;
    readonly percent: number | null;
    readonly units: number;
    readonly answers: number;
  };
  readonly behaviour: Behaviour;
}

/** How people answered, whatever they answered. */
export interface Behaviour {
  /** Votes for the left picture, of those that chose one; null where single pictures are judged. */
  readonly position: { readonly left: number; readonly decided: number; readonly p: number } | null;
  readonly times: {
    /** Milliseconds. */
    readonly median: number;
    readonly quartiles: readonly [number, number];
    /** Medians by answer, where there were some: one of two, or none. */
    readonly decided: number | null;
    readonly undecided: number | null;
    /** Answers within 300 ms, which is too fast to have looked. */
    readonly hasty: number;
  };
  /** The first and the last third of each rater's votes. */
  readonly session: { readonly first: Third; readonly last: Third; readonly p: number | null } | null;
  /** Trials that came twice, and how many had the same answer. */
  readonly repeats: { readonly pairs: number; readonly same: number };
}

export interface Third {
  readonly votes: number;
  readonly medianMs: number;
  readonly undecided: number;
  /** Where real pictures were judged: votes that took the real for real or preferred it, of those that chose. */
  readonly right: number;
  readonly known: number;
}

/** How far the order of people is that of a metric. */
export interface MetricCorrelation {
  readonly question: string;
  readonly metric: string;
  readonly features: string | null;
  /** What is compared: strengths, or shares taken for real. */
  readonly systems: readonly { readonly name: string; readonly people: number; readonly value: number }[];
  /** Of the metric, turned so that higher is better where a direction is known. */
  readonly spearman: number | null;
  readonly kendall: number | null;
  /** How often a chance order agrees or disagrees as well. */
  readonly p: number | null;
}
