/** @file `tessera features`: trains towers of captions and images on a data set, to judge models by. */
import { z } from 'zod';
import { featuresFields } from '../../runs/features-config.ts';
import { defineCommand } from '../command.ts';
import { acceptChanges, dataFlags, engineFlags, folder, path } from '../common-flags.ts';
import { repeatedFlags } from '../flag-words.ts';

export const features = defineCommand({
  name: 'features',
  summary: "train a network of features on a data set's own captions, to judge models by",
  examples: ['tessera features --data datasets/emoji --out features/emoji --image-size 64'],
  result: { out: 'the folder', quality: 'in words, how well held-out captions find their images' },
  flags: async () =>
    z.object({
      data: path('captioned images: a folder, archive or index file'),
      out: folder('the features: made, or gone on with if they are there'),
      ...(await dataFlags()),
      acceptChanges,
      ...(await engineFlags()),
    }),
  settings: () => z.object(featuresFields),
  saves: true,
  run: async (session, { values, given, settings, answer }) => {
    const { data, out, format, strict, acceptChanges } = values;
    const { planFeatures, trainFeatures } = await import('../../runs/features.ts');
    await planFeatures(out, settings); // what is wrong is said before anything is started
    const { startEngine } = await import('../../runs/session.ts');
    const backend = await startEngine(session, values);
    session.reporter.message(`computing on ${backend}`);
    const note = await trainFeatures(session, {
      data,
      out,
      format,
      strict,
      acceptChanges,
      fields: settings,
      ...repeatedFlags(given, settings),
    });
    if (note === undefined) return; // stopped
    session.print(`${out}: ${note}`);
    answer({ out, quality: note });
  },
});
