/** @file What a training is asked to do, and the command that goes on with it. */
import type { Dataset } from '../../../data/dataset.ts';
import type { RunConfig } from '../../config/run.ts';
import { shellWord } from '../../core/shell.ts';
import type { StageName } from '../../families/family.ts';
import type { PlannedStart } from '../from/plan.ts';
import type { KeptPlan } from '../plan/kept.ts';
import type { SampleCaptions } from '../sample-sheet.ts';

/** On what data, and where. */
export interface DataRequest {
  readonly data: string;
  readonly out: string;
  readonly format?: string;
  readonly strict?: boolean;
  /** Whether data that is not what the run was started with is taken as it is now; it is refused otherwise. */
  readonly acceptChanges?: boolean;
  /** Flags of the command line that the run does not remember, for messages that say how to go on with it. */
  readonly flags?: readonly string[];
  /** All flags but the data and the run, for messages about what was refused: nothing of it is remembered. */
  readonly allFlags?: readonly string[];
}

export interface TrainRequest extends DataRequest {
  /** As `configOfRun` makes it: must agree with a run that is there. */
  readonly config: RunConfig;
  /** What was planned of a new run, which keeps it. */
  readonly plan?: KeptPlan;
  /** The data of a new run, where it was opened before. */
  readonly opened?: Dataset;
  /** Fields of the config that were asked for by themselves: what cannot be had of them is refused before a new run begins. */
  readonly asked?: readonly string[];
  /** The preset that was asked for, if one was. */
  readonly preset?: string;
  /** What a new run starts from, where it is a trained one: as `configFrom` gives it. */
  readonly start?: PlannedStart;
  /** Captioned images of what a trained model knows, to be rehearsed; needed until they are there as codes. */
  readonly keepData?: string;
  /** The last stage to do, where not all are: one before the family's model. */
  readonly until?: StageName;
  /** Captions of the sample sheet; by default some of the data's, trained on and held out. */
  readonly sampleCaptions?: SampleCaptions;
  /** Called whenever a state of the model is saved, with its weights on disk; its time is not the training's. */
  readonly onSave?: (step: number) => Promise<void>;
  /** The command that goes on with it; default train. */
  readonly command?: string;
  /** Place of this command's stages among those of a longer job. */
  readonly stages?: {
    readonly before: number;
    readonly of: number;
    /** Seconds that those after this command's are expected to take, where some come and that is known. */
    readonly secondsAfter?: number;
  };
}

/**
 * The command line that goes on with a training, to be pasted as it stands.
 * @param flags those that it repeats; by default what the run does not remember
 */
export function goOnCommand(request: TrainRequest, flags: readonly string[] = request.flags ?? []): string {
  const { command = 'train', data, out } = request;
  return ['tessera', command, '--data', data, '--out', out, ...flags].map(shellWord).join(' ');
}
