/** @file The fields of a config that a plan decides, for help. What choose.ts and fit.ts set stands here again; a test compares. */
import { sectionOf, trainedStagesOf } from './costs.ts';
import { regularisedFields } from './regularisation.ts';

/** The preset whose values a planned run has of all other fields. */
export const PLANNED_FROM = 'tiny';

const common = ['images.imageSize', 'images.validation', 'images.crops', 'images.padCrops', 'caption.vocabSize'];
const ofCodes = [
  'patch.grid',
  'patch.stem',
  'model.captionLength',
  'model.width',
  'model.layers',
  'model.heads',
  'train.batchSize',
  'train.lr',
  'train.balance',
  'sampling.temperature',
  'sampling.cfgScale',
];
const watched = ['train.evalEvery', 'train.sampleEvery', 'train.saveEvery'];

/** Fields that follow the data, the machine and the minutes where nobody sets them. @param family of the run */
export function plannedFields(family: string): readonly string[] {
  const stages = trainedStagesOf(family);
  const steps = stages.map(stage => `${sectionOf[stage]}.steps`);
  const own = stages.includes('patch') ? [...ofCodes, ...regularisedFields()] : ['text.length'];
  return [...common, ...own, ...steps, ...watched];
}
