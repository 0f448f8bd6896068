/** @file The fields of a config that a plan decides, for help. What choose.ts and fit.ts set stands here again; a test compares. */
import { flattenConfig } from '../../config/schema.ts';
import { familyOf } from '../../families/families.ts';
import { planningOf } from '../../families/planning.ts';
import { sectionOf, trainedStagesOf } from './costs.ts';

/** The preset whose values a planned run has of all other fields. */
export const PLANNED_FROM = 'tiny';

const common = ['images.imageSize', 'images.validation', 'images.crops', 'images.padCrops'];
const ofStages = { captions: 'caption.vocabSize', text: 'text.length', patch: 'patch.stem' } as const;
const watched = ['train.evalEvery', 'train.sampleEvery', 'train.saveEvery'];

/** Of these the names are asked, which are the same of all data. */
const anyData = { pictures: 1, kind: 'drawings', captionIds: 1 } as const;

/** Fields that follow the data, the machine and the minutes where nobody sets them. @param family of the run */
export function plannedFields(family: string): readonly string[] {
  const { stages } = familyOf(family);
  const { rungs, fieldsFor, regularisation } = planningOf(familyOf(family));
  const sizes = rungs.flatMap(rung => [rung.fields ?? {}, fieldsFor(anyData, rung)]);
  const own = [...sizes, ...regularisation.map(({ fields }) => fields)];
  const names = own.flatMap(fields => Object.keys(flattenConfig({ ...fields })));
  const made = Object.entries(ofStages).flatMap(([stage, field]) => (stages.some(one => one === stage) ? field : []));
  const steps = trainedStagesOf(family).map(stage => `${sectionOf[stage]}.steps`);
  return [...new Set([...common, ...made, ...names, ...steps, ...watched])];
}
