/** @file A study for tests, of plain colours that nobody painted: made in milliseconds as `study make` makes one of runs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { blank } from '../../src/image/images.ts';
import { type AssembledRequest, assembleStudy, type MadeStudy, writeStudy } from '../../src/study/assemble.ts';
import { blindStudy } from '../../src/study/blind.ts';
import type { Given } from '../../src/study/collect.ts';
import { designStudy } from '../../src/study/design.ts';
import type { ShownPicture } from '../../src/study/paint.ts';

/** Words that can stand nowhere by chance. */
export const systemNames = ['zebrafish-tokens', 'quokka-diffusion', 'zanzibar-real'] as const;
export const captions = [
  'red',
  'green',
  'blue',
  'grey',
  'pink',
  'teal',
  'gold',
  'lime',
  'plum',
  'rust',
  'sand',
  'navy',
];

/** A folder that goes away with the test file. */
export function studyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-study-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes the study in a folder. */
export async function writeSmallStudy(folder: string, other: Partial<AssembledRequest> = {}) {
  const made = await makeSmallStudy(other);
  await writeStudy(folder, made);
  return made;
}

/** The study, and its pictures as files. */
export async function makeSmallStudy(other: Partial<AssembledRequest> = {}) {
  const request = {
    seed: 3,
    questions: ['fits', 'finished'] as const,
    trials: 12,
    images: 1,
    cannotTell: true,
    ...other,
  };
  const { seed, questions, trials, images } = request;
  const controls = ['control one', 'control two', 'control three'];
  const slots = designStudy({
    seed,
    questions,
    trials,
    systems: 3,
    real: 2,
    captions: captions.length,
    mismatches: [1, 2, 0],
  });
  const blinded = blindStudy({ slots, seed, images, captions, controls });
  const painted = new Map<string, ShownPicture>();
  for (const [key, ids] of blinded.ids) {
    const side = blinded.sides.get(key);
    if (side === undefined) throw new Error(key);
    for (const [image, id] of ids.entries()) {
      const of = side.of === 'system' ? side : undefined;
      painted.set(id, {
        picture: blank(
          16,
          16,
          of
            ? [60 + 60 * of.system, of.caption * 20, image]
            : [
                10,
                side.of === 'control' ? 80 * side.control : 0,
                side.of === 'control' && side.how === 'mixed' ? 255 : 0,
              ],
        ),
        system: systemNames[of?.system ?? 2],
        caption: side.of === 'system' ? captions[side.caption] : controls[side.control],
        seed: of === undefined ? null : 3,
        image: of === undefined ? null : image,
        control: side.of === 'control' ? side.how : null,
      });
    }
  }
  const systems = systemNames.map((name, i) => ({
    name,
    run: i < 2 ? `/nowhere/${name}` : null,
    family: i < 2 ? 'transformer' : null,
    weights: i < 2 ? 'ema' : null,
  }));
  return assembleStudy({ request, blinded, systems, heldOut: true, painted });
}

/** What one person answers: control trials rightly, else as `choose` says. */
export function answersOf(
  { study, key }: MadeStudy,
  {
    rater,
    slot,
    choose,
  }: { readonly rater: string; readonly slot: number; readonly choose: (trial: number) => Given['answer'] },
): Given[] {
  return study.slots[slot].map(({ question, left, right = null }, trial) => ({
    study: study.hash,
    rater,
    slot,
    trial,
    question,
    left,
    right,
    answer: key.others.find(other => other.slot === slot && other.trial === trial)?.answer ?? choose(trial),
    ms: 1000 + trial,
    exposureMs: study.exposureMs,
    focusLost: 0,
    paused: 0,
    viewport: [800, 600],
    devicePixelRatio: 1,
    device: 'desktop',
  }));
}
