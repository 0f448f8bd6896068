import { defineConfig } from 'vitest/config';

// One worker at a time: the native backend already uses every core.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: process.env.TESSERA_RECORD === undefined ? [] : ['test/native/setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
});
