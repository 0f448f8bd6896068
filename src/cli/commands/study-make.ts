/** @file `tessera study make`: a study that asks people which of several systems paint better, as a folder with its page. */
import { z } from 'zod';
import type { Session } from '../../runs/session.ts';
import type { MakeStudyRequest } from '../../study/make.ts';
import type { WordingInput } from '../../study/wording.ts';
import { defineCommand } from '../command.ts';
import { count, engineFlags, file, folder, formatFlag, path, seed, splitFlag, weights } from '../common-flags.ts';

export const studyMake = defineCommand({
  name: 'study make',
  summary: 'make a page that asks people which of several runs paint better',
  examples: [
    'tessera study make runs/tokens runs/diffusion --data datasets/emoji --out studies/first',
    'tessera study make runs/a runs/b --text-file captions.txt --questions fits --out studies/b',
  ],
  positionals: [
    { name: 'RUN', description: 'runs of any family, trained on the same images', title: 'folder', many: true },
  ],
  result: {
    study: 'the folder',
    page: 'the page that asks, one file',
    hash: 'that answers carry',
    systems: 'names of what is compared, in their order',
    captions: 'how many',
    pictures: 'how many',
    slots: 'sessions that differ',
    votes: 'of a session; the rest of its trials are control trials and repeats',
  },
  flags: async () => {
    const { questionKeys } = await import('../../study/design.ts');
    return z.object({
      data: path('the images that the runs were trained on: captions and real pictures').optional(),
      format: await formatFlag(),
      split: splitFlag('with --data: sides that captions are taken of; validation is what is held out (default)'),
      textFile: file('captions, one a line, in place of those of the data; -: standard input').optional(),
      captions: count('how many captions (default 40, or as many as there are)').max(10_000).optional(),
      out: folder('where the study goes: a new or an empty folder'),
      questions: z
        .array(z.enum(questionKeys))
        .min(1)
        .default(['fits', 'finished'])
        .describe('which fits the caption, which looks more finished, whether a single picture is real or painted'),
      trials: count('of a person, control trials and repeats among them').max(1000).default(60),
      images: count('of a system beside one another: more than 1 shows sets').max(16).default(1),
      anchors: z
        .boolean()
        .default(true)
        .describe('compare with the real pictures too, and with what the first patch tokenizer makes of them'),
      cannotTell: z.boolean().default(true).describe('let people say that they cannot tell'),
      exposureMs: count('how long pictures are shown, in milliseconds (default: until the answer)')
        .max(60_000)
        .optional(),
      wording: file('JSON with words of the page in place of its own').optional(),
      consent: z.string().min(1).optional().describe('what people agree to before they begin'),
      seed: seed('the same seed paints and designs the same').default(0),
      weights,
      ...(await engineFlags()),
    });
  },
  run: async (session, { values, positionals, answer }) => {
    const { askedCaptions } = await import('../asked-captions.ts');
    const { textFile, wording, consent, ...rest } = values;
    const texts = await askedCaptions(session, {
      command: 'study make',
      text: ['--text', undefined],
      file: ['--text-file', textFile],
    });
    const words = {
      ...(wording === undefined ? {} : await readWording(wording)),
      ...(consent === undefined ? {} : { consent }),
    };
    answer(await makeCommand(session, { ...rest, runs: positionals, texts, wording: words }));
  },
});

/** Only the words that the file has: what is left out depends on the study. */
async function readWording(path: string): Promise<WordingInput> {
  const { readJson } = await import('../../io/files.ts');
  const { parseConfig } = await import('../../config/schema.ts');
  const { wordingSchema } = await import('../../study/wording.ts');
  const words = await readJson(path);
  parseConfig(wordingSchema, words, path);
  return words as WordingInput;
}

/** Makes the study and says what it can show. */
async function makeCommand(session: Session, request: MakeStudyRequest) {
  const { makeStudy } = await import('../../study/make.ts');
  const { describeStudy } = await import('../../study/describe.ts');
  const { studyPaths } = await import('../../study/study.ts');
  const { countTrials } = await import('../../study/design.ts');
  const { study, key } = await makeStudy(session, request);
  for (const line of describeStudy(request.out, study, key)) session.print(line);
  const shown = Object.values(key.pictures).filter(({ control }) => control === null);
  return {
    study: request.out,
    page: studyPaths(request.out).page,
    hash: study.hash,
    systems: key.systems.map(({ name }) => name),
    captions: new Set(shown.map(({ caption }) => caption)).size,
    pictures: study.pictures.length,
    slots: study.slots.length,
    votes: countTrials(study).votes,
  };
}
