/**
 * @file What the studio knows of the program that it belongs to: how another process of it is started, and what its commands take. The
 * command line hands it in; below it nobody knows of flags.
 */

/** One field of a form: a flag. */
export interface FormField {
  /** Of the field, e.g. `train.lr`; what the form sends. */
  readonly path: string;
  /** Of the flag, without its dashes. */
  readonly name: string;
  readonly description: string;
  readonly kind: 'number' | 'boolean' | 'choice' | 'text';
  /** Of a choice. */
  readonly choices?: readonly string[];
  /** What is taken where nothing is given, in words; '' where nothing is known. */
  readonly otherwise: string;
  /** What it takes, in words, e.g. `an integer of at least 1`. */
  readonly takes: string;
}

export interface FormGroup {
  readonly title: string;
  readonly fields: readonly FormField[];
}

/** What a training takes, as its help has it. */
export interface TrainingForm {
  /** Whose defaults these are. */
  readonly note: string;
  /** The fields that are needed most, and all of them. */
  readonly basic: readonly FormGroup[];
  readonly all: readonly FormGroup[];
}

/** What the defaults of a form depend on. */
export interface FormChoices {
  readonly preset?: string;
  readonly family?: string;
}

export interface Program {
  /** A process of it begins with these words; the arguments follow. */
  readonly words: readonly string[];
  /** @throws UserError if a choice is none */
  form(choices: FormChoices): Promise<TrainingForm>;
  /**
   * Flags of a training.
   * @param values as they were typed, by the path of their field
   * @throws UserError naming a field that the form has not
   */
  trainingFlags(values: Readonly<Record<string, string>>): Promise<readonly string[]>;
  /** Reads arguments as a process would. @throws UserError about the first word that is wrong */
  check(argv: readonly string[]): Promise<void>;
}
