/**
 * @file Training features: towers of captions and images on a data set, to judge models by where no pretrained
 * network is at hand. The folder is laid out as a run whose only trained part is its text encoder (src/io/runfolder.ts); it must
 * not be the text encoder that a judged model was conditioned by, so it is trained anew from a seed of its own.
 */
import type { RunConfig } from '../config/run.ts';
import { stageTitles } from '../families/family.ts';
import { featuresConfig } from './features-config.ts';
import { configOfRun } from './run.ts';
import type { Session } from './session.ts';
import { holdRun } from './training/hold.ts';
import { textStage } from './training/parts.ts';
import type { DataRequest } from './training/request.ts';

const STAGES = ['captions', 'text'] as const;

export interface FeaturesRequest extends DataRequest {
  /** What the user asked for, fields of `featuresFields`: must agree with a folder that is there. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Trains towers to their end, or goes on with those that are there.
 * @returns in words how well they retrieve; undefined if it was stopped before
 */
export async function trainFeatures(session: Session, request: FeaturesRequest): Promise<string | undefined> {
  const config = await planFeatures(request.out, request.fields);
  const training = { ...request, config, command: 'features' };
  return holdRun(session, training, {
    stages: STAGES,
    titles: STAGES.map(stage => stageTitles[stage]),
    what: 'the features',
    work: async job => {
      const captions = await job.captionStage();
      const trained = await textStage(job, captions);
      trained?.model.dispose();
      return trained?.note;
    },
  });
}

/**
 * The config that features are to be trained with: new ones, or that of those that are there.
 * @throws UserError if those that are there were made with other values, or the values do not fit together
 */
export function planFeatures(out: string, fields: FeaturesRequest['fields']): Promise<RunConfig> {
  return configOfRun(out, { fields }, { make: () => featuresConfig(fields), command: 'features' });
}
