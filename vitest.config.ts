import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What trains in earnest, one after another. */
const alone = { pool: 'forks', maxWorkers: 1 } as const;
/** Two at a time: native kernels use every core, but most of a test's time is plain JavaScript on one. */
const paired = { pool: 'forks', maxWorkers: 2 } as const;
/** What compares kernels and models on every backend. */
const kernels = ['kernels', 'device', 'native', 'nn', 'families', 'training'].map(room => `test/${room}/**/*.test.ts`);
/** What runs the program or a script as a person would. */
const e2e = [
  'test/cli/**/*.test.ts',
  'test/scripts/**/*.test.ts',
  'test/*.e2e.test.ts',
  'test/{web,browser}/*.e2e.test.ts',
];
const studies = ['test/studies/**/*.test.ts'];

/** Projects run one after another, in this order: `npx vitest run --project unit`. */
export default defineConfig({
  // Examples, and tests of what comes from outside, import the library by its name.
  resolve: {
    alias: [
      { find: /^tesserae(\/tfjs)?$/, replacement: fileURLToPath(new URL('./src/index.ts', import.meta.url)) },
      { find: /^tesserae\/(kernels|cli)$/, replacement: fileURLToPath(new URL('./src/$1.ts', import.meta.url)) },
    ],
  },
  test: {
    setupFiles: process.env.TESSERA_RECORD === undefined ? [] : ['test/native/setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    projects: [
      {
        include: ['test/**/*.test.ts'],
        exclude: [...kernels, ...e2e, ...studies],
        name: 'unit',
        pool: 'forks' as const,
      },
      { include: kernels, name: 'kernels', ...paired },
      { include: e2e, name: 'e2e', ...paired },
      { include: studies, name: 'studies', ...alone },
    ].map((project, groupOrder) => ({ extends: true as const, test: { ...project, sequence: { groupOrder } } })),
  },
});
