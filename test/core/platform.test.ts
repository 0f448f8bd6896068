/** @file What Node and a browser are asked for: the browser's part, which Node can run, does what Node's does. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import * as node from '../../src/core/platform/platform.ts';
import { sha256 } from '../../src/core/platform/sha256.ts';

test.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 1000])('SHA-256 of %i bytes is that of OpenSSL', length => {
  const bytes = Uint8Array.from({ length: length + 3 }, (_, i) => (i * 37 + 11) % 256).subarray(3);
  const expected = createHash('sha256').update(bytes).digest('hex');
  expect(sha256(bytes)).toBe(expected);
  expect(node.sha256(bytes)).toBe(expected);
});

test('a turn lets timers have theirs', async () => {
  let came = false;
  setTimeout(() => {
    came = true;
  }, 0);
  for (let i = 0; i < 1000 && !came; i++) await node.turnOfEventLoop();
  expect(came).toBe(true);
});
