/** @file A plan in six lines. */
import { formatWhole } from '../../core/numbers.ts';
import { spanInWords } from '../../core/times.ts';
import { familyOf } from '../../families/families.ts';
import { stageTitles } from '../../families/family.ts';
import { planningOf } from '../../families/planning.ts';
import { describeShape } from './choose.ts';
import { type TrainedStage, trainedStagesOf } from './costs.ts';
import type { Plan } from './plan.ts';

/** The lines of a plan, aligned: data, pictures, model, steps, time, memory. */
export function describePlan(plan: Plan): string[] {
  const lines: readonly (readonly [string, string])[] = [
    ['data', dataLine(plan)],
    ['pictures', picturesLine(plan)],
    ['model', modelLine(plan)],
    ['steps', stepsLine(plan)],
    ['time', timeLine(plan)],
    ['memory', `about ${gib(plan.memory)} GiB of ${gib(plan.machine.memory)}`],
  ];
  return lines.map(([label, text]) => planLine(label, text));
}

/** A line of a plan. */
export function planLine(label: string, text: string): string {
  return `${label.padEnd(9)} ${text}`;
}

function dataLine({ survey, sides }: Plan): string {
  const { kind, side, captions, variety } = survey;
  const total = sides.training + sides.heldOut;
  const some = total === 1 ? kind.slice(0, -1) : kind;
  const alike = variety < ALIKE && total > 1 ? ', nearly all the same' : '';
  const held = sides.heldOut === 0 ? 'none held out' : `${formatWhole(sides.heldOut)} of them held out`;
  const said =
    captions.distinct === 1 && captions.sampled > 1
      ? 'all captions are the same, so that words will change nothing'
      : `captions of up to ${captions.ids} ids`;
  return `${formatWhole(total)} ${some} of ${side} pixels${alike}, ${held}; ${said}`;
}

/** Pictures that differ by less than this share of full contrast are nearly the same. */
const ALIKE = 0.01;

function picturesLine({ config, why }: Plan): string {
  return why === undefined ? describeShape(config) : `${describeShape(config)}; larger: ${why}`;
}

function modelLine({ config, parameters }: Plan): string {
  const { family, train } = config;
  const network = planningOf(familyOf(family)).network(config);
  const said = [...(network === '' ? [] : [network]), `batches of ${train.batchSize}`].join(', ');
  return `${family}, ${(parameters / 1e6).toFixed(1)} million parameters (${said})`;
}

function stepsLine(plan: Plan): string {
  const { config, kept, sides } = plan;
  const said = (stage: TrainedStage) => {
    const { steps = 0 } = kept.stages[stage] ?? {};
    const title = stage === 'model' ? config.family : stageTitles[stage];
    const batch = { text: config.textTrain, patch: config.patchTrain, model: config.train }[stage].batchSize;
    const passes = (steps * batch) / sides.training;
    return `${title} ${formatWhole(steps)} (${passesOf(passes)})`;
  };
  return trainedStagesOf(config.family).map(said).join(', ');
}

function passesOf(passes: number): string {
  const many = passes >= 10 ? formatWhole(passes) : String(Number(passes.toPrecision(2)));
  return `${many} ${many === '1' ? 'pass' : 'passes'} over the data`;
}

function timeLine({ minutes, firstSamples, config }: Plan): string {
  const more = config.plan.minutes === undefined ? 'another time: --minutes N' : 'more or less: --minutes N';
  return `${spanInWords(60 * minutes)} in all, first samples after ${spanInWords(60 * firstSamples)} (${more})`;
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
