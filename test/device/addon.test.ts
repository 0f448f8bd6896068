/** @file Whether a build of the addon is of the sources that are there: one that is not is passed over, not called. */
import { expect, test } from 'vitest';
import { isCurrent } from '../../src/device/native/addon.ts';
import { loadAddon } from '../../src/device/native/open-addon.ts';

const loaded = loadAddon();

test.skipIf('reason' in loaded)(
  'a build that lacks a function, or has other declarations, is of another version',
  () => {
    if ('reason' in loaded) return;
    const { addon } = loaded;
    expect(isCurrent(addon)).toBe(true);
    const names = Object.keys(addon);
    expect(names).toContain('spareThreads');
    for (const name of names) expect([name, isCurrent({ ...addon, [name]: undefined })]).toEqual([name, false]);
    expect(isCurrent({ ...addon, signature: () => 'another' })).toBe(false);
    expect(isCurrent({})).toBe(false);
  },
);
