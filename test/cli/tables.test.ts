/** @file Tables as text: columns side by side, and Markdown. */
import { expect, test } from 'vitest';
import { markdownTable, textTable } from '../../src/cli/terminal/tables.ts';

test('columns stand side by side, by the width they are shown at', () => {
  const rows = [
    ['', 'samples', 'tokenizer'],
    ['a heading that is wide'],
    ['  kid', '1.2 [1, 2]', ''],
    ['  漢字', '', '0.3'],
  ];
  expect(textTable(rows, { gap: 3 })).toEqual([
    '         samples      tokenizer',
    'a heading that is wide',
    '  kid    1.2 [1, 2]',
    '  漢字                0.3',
  ]);
});

test('the first column is to the left and numbers are to the right where that is wanted', () => {
  const rows = [
    ['', 'tokens/s', 'of peak'],
    ['tessera fp32', '12345', '1%'],
    ['rival', '7', ''],
  ];
  expect(textTable(rows, { align: 'right' })).toEqual([
    '              tokens/s  of peak',
    'tessera fp32     12345       1%',
    'rival                7',
  ]);
});

test('Markdown has a rule under its titles, and narrow empty cells', () => {
  expect(markdownTable(['', 'a'], [['b', '']])).toEqual(['| | a |', '| --- | --- |', '| b | |']);
  expect(markdownTable(['x', 'a'], [['', '1']], { align: 'right' })).toEqual([
    '| x | a |',
    '| --- | ---: |',
    '| | 1 |',
  ]);
});
