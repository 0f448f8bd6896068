/** @file The command line of a painting: what a shell makes of it is what was asked for. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { sampleCommand } from '../../src/runs/sample-command.ts';

const asked = { run: 'runs/my run', seed: 3, numImages: 2 };

/** The words that a shell hands to `npx`, and what it writes into it. */
function wordsOf(command: string): string[] {
  const npx = `npx() { for word in "$@"; do printf '<%s>' "$word"; done; }\n`;
  return execFileSync('sh', ['-c', npx + command], { encoding: 'utf8' })
    .slice(1, -1)
    .split('><');
}

test('quotes what a shell would read, and joins captions as --text takes them', () => {
  const captions = ["a cat's $HOME", '"b" `c`', '-x'];
  expect(
    wordsOf(sampleCommand({ ...asked, captions, topK: 7, weights: 'best', image: 'p q.png', keepRows: 0 })),
  ).toEqual([
    ...['tesserae', 'sample', '--run', 'runs/my run', '--text', `a cat's $HOME|"b" \`c\`|-x`],
    ...['--seed', '3', '--num-images', '2', '--top-k', '7', '--weights', 'best', '--image', 'p q.png'],
    ...['--keep-rows', '0'],
  ]);
  expect(sampleCommand({ ...asked, captions: [''] })).toContain("--text '' --seed 3");
  expect(sampleCommand({ ...asked, captions: ['-x'] })).toContain('--text=-x');
});

test('sends captions with a | through standard input, which the flag would take apart', () => {
  const command = sampleCommand({ ...asked, captions: ["it's | so", '%s'] });
  expect(command).toContain('--text-file -');
  const [typed] = command.split(' | npx');
  expect(execFileSync('sh', ['-c', typed], { encoding: 'utf8' })).toBe("it's | so\n%s\n");
});
