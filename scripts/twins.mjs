/** @file For bundles for browsers: every `name.browser.ts` takes the place of the `name.ts` beside it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A plugin of esbuild. */
export const twins = {
  name: 'twins',
  setup({ onResolve }) {
    onResolve({ filter: /^\..*\.ts$/ }, ({ path, resolveDir }) => {
      const twin = join(resolveDir, path.replace(/\.ts$/, '.browser.ts'));
      return existsSync(twin) ? { path: twin } : undefined;
    });
  },
};
