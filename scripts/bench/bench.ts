/**
 * @file `npm run bench -- train|sample|tokenizer|roofline|precision|gpu|plan`: how fast training and painting are beside a rival
 * and beside the machine's own peak, where the time goes, and what bf16 costs in quality.
 */
import { runProgram } from '../../src/cli.ts';
import { benchFlags, chooseMode } from './flags.ts';
import { benchGpu } from './gpu.ts';
import { workOnGpu } from './gpuwork.ts';
import { benchPlan } from './plan.ts';
import { benchPrecision } from './precision.ts';
import { benchRoofline } from './roofline.ts';
import { work } from './rounds.ts';
import { benchSample } from './sample.ts';
import { benchTokenizer } from './tokenizer.ts';
import { benchTrain } from './train.ts';

const benches = {
  train: benchTrain,
  sample: benchSample,
  tokenizer: benchTokenizer,
  roofline: benchRoofline,
  precision: benchPrecision,
  gpu: benchGpu,
  plan: benchPlan,
};

await runProgram(
  {
    name: 'bench',
    summary: 'measure speed, beside a rival and beside what the machine can do at most',
    examples: [
      'npm run bench -- train --rival torch_gpt.py',
      'npm run bench -- train --lengths 320,640,1280,2560 --precision bf16',
      'npm run bench -- sample --batch 1,16 --rival torch_gpt.py --json',
      'npm run bench -- roofline --what tokenizer',
      'npm run bench -- gpu --rival torch_gpt.py',
    ],
    positionals: [
      {
        name: 'MODE',
        description:
          'train: steps of the transformer; sample: painting; tokenizer: steps of the patch tokenizer at 128 x 128 ' +
          'pixels; roofline: the time of each kernel, and how near it comes to the peak of multiply-adds or memory; ' +
          'precision: the same training in fp32 and bf16, on stripes that a caption determines, and how far the ' +
          'losses are apart; gpu: training and painting on the GPU, and the time of every kernel of a step; plan: eight ' +
          'planned trainings, and the minutes that they took beside those that were predicted (13 minutes)',
      },
    ],
    flags: () => benchFlags,
    run: async (session, { values, given, positionals }) => {
      const mode = chooseMode(positionals[0], Object.keys(given));
      if (values.worker === undefined) await benches[mode](session, values);
      else await (mode === 'gpu' ? workOnGpu : work)(session, values.worker);
    },
  },
  process.argv.slice(2),
);
