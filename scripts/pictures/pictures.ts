/** @file `npm run pictures -- appearing|emoji|studio`: makes the pictures of the documentation anew. */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { runProgram } from '../../src/cli.ts';
import { UserError } from '../../src/core/errors.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { shippedModel } from '../../src/runs/run.ts';
import type { Session } from '../../src/runs/session.ts';
import { paintFrames, writeAnimation } from './appearing.ts';
import { paintEmoji } from './emoji.ts';
import { photographStudio } from './studio.ts';

const flags = z.object({
  run: z.string().default(shippedModel()).describe('the run that paints').meta({ title: 'folder' }),
  data: z
    .string()
    .default('datasets/emoji')
    .describe('emoji, studio: what it was trained on')
    .meta({ title: 'folder' }),
  out: z.string().default('docs/images').describe('where the pictures go').meta({ title: 'folder' }),
  seed: z.number().int().min(0).default(1).describe('appearing: another seed paints others'),
  text: z
    .string()
    .default('red apple|penguin, fluent style|sunflower|hamburger|robot, twemoji style|butterfly')
    .describe('appearing: captions separated by |'),
  folder: z.string().default('runs').describe('studio: the folder that it shows').meta({ title: 'folder' }),
  every: z.number().int().positive().default(1).describe('appearing: codes between two frames'),
});

const pictures = {
  appearing: async (session: Session, values: z.output<typeof flags>) => {
    const options = {
      captions: values.text.split('|'),
      seed: values.seed,
      every: values.every,
      delay: 70,
      pause: 3000,
    };
    const path = join(values.out, 'appearing.webp');
    const frames = await paintFrames(values.run, options);
    await writeAnimation(path, frames, options);
    session.print(`${path}: ${frames.length} frames`);
  },
  emoji: async (session: Session, values: z.output<typeof flags>) => {
    const { samples, nearest } = await paintEmoji(values.run, values.data);
    for (const [name, picture] of Object.entries({ 'emoji-model': samples, 'emoji-nearest': nearest })) {
      const path = join(values.out, `${name}.webp`);
      const { data, width, height } = picture;
      await writeAtomic(
        path,
        await sharp(data, { raw: { width, height, channels: 3 } })
          .webp({ quality: 90 })
          .toBuffer(),
      );
      session.print(path);
    }
  },
  studio: async (session: Session, values: z.output<typeof flags>) => {
    const { folder, data } = values;
    const out = join(values.out, 'studio');
    await mkdir(out, { recursive: true });
    const written = await photographStudio({ folder, data, run: relative(folder, values.run), out });
    for (const path of written) session.print(path);
  },
};

function isPicture(name: string): name is keyof typeof pictures {
  return name in pictures;
}

await runProgram(
  {
    name: 'pictures',
    summary: 'make the pictures of the documentation anew',
    examples: [
      'npm run pictures -- appearing',
      'npm run pictures -- emoji --data datasets/emoji',
      'npm run pictures -- studio --folder runs --run runs/rivals/transformer --data datasets/demo',
    ],
    positionals: [
      {
        name: 'WHICH',
        description:
          'appearing: the moving picture of the README; emoji: what the shipped model paints, and the nearest; studio: its pages',
      },
    ],
    flags: () => flags,
    run: async (session, { values, positionals: [which] }) => {
      if (!isPicture(which)) {
        throw new UserError('pictures', `expected ${Object.keys(pictures).join(' or ')}, got ${which}`);
      }
      await mkdir(values.out, { recursive: true });
      await pictures[which](session, values);
    },
  },
  process.argv.slice(2),
);
