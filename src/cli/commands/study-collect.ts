/** @file `tessera study collect`: takes files of answers into a study, and names what of them cannot be used. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const studyCollect = defineCommand({
  name: 'study collect',
  summary: 'take the answers that people sent into a study',
  examples: ['tessera study collect studies/first answers-*.jsonl'],
  positionals: [
    { name: 'STUDY', description: 'the folder of a study', title: 'folder' },
    { name: 'ANSWERS', description: 'files that its page gave', title: 'file', many: true },
  ],
  result: {
    study: 'the folder',
    taken: 'answers that are new',
    again: 'answers that were there before, word for word',
    raters: 'people with any answer',
    finished: 'people with all of them',
    leftOut: 'what cannot be used, each with its file and line',
  },
  flags: () => z.object({}),
  run: async (session, { positionals: [folder, ...files], answer }) => {
    const { UserError } = await import('../../core/errors.ts');
    const { collectAnswers } = await import('../../study/collect.ts');
    const { readStudy } = await import('../../study/study.ts');
    if (files.length === 0) throw new UserError('study collect', 'expected at least one file of answers, got none');
    const study = await readStudy(folder, 'study collect');
    const collected = await collectAnswers(folder, study, files);
    const { taken, again, raters, finished, leftOut } = collected;
    for (const what of leftOut) session.reporter.message(`left out: ${what}`, { isWarning: true });
    const known = again === 0 ? '' : `, ${again} known before`;
    const left = leftOut.length === 0 ? '' : `, ${leftOut.length} left out`;
    session.print(`${taken} answers taken${known}${left}; ${raters} people, of whom ${finished} have finished`);
    answer({ study: folder, ...collected });
  },
});
