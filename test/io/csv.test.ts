import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { columnsOf, csvLine, csvRow } from '../../src/io/csv.ts';

const records = [
  { stage: 'patch', step: 10, loss: 0.1, lr: 1e-7 },
  { stage: 'patch', step: 10, val_loss: null, note: 'said "so", in two\nlines' },
  { step: 20, stage: 'dcgan', loss: Number.NaN, details: { reason: 'none', n: 3 } },
];

test('columns come as they are met, after those that come first', () => {
  expect(columnsOf(records, ['stage', 'step'])).toEqual(['stage', 'step', 'loss', 'lr', 'val_loss', 'note', 'details']);
});

test('rows are read back by another program, numbers to the last bit', () => {
  const columns = columnsOf(records, ['stage', 'step']);
  const text = csvLine(columns) + records.map(record => csvRow(record, columns)).join('');
  expect(parse(text, { columns: true })).toEqual([
    { stage: 'patch', step: '10', loss: '0.1', lr: '1e-7', val_loss: '', note: '', details: '' },
    { stage: 'patch', step: '10', loss: '', lr: '', val_loss: '', note: 'said "so", in two\nlines', details: '' },
    { stage: 'dcgan', step: '20', loss: '', lr: '', val_loss: '', note: '', details: '{"reason":"none","n":3}' },
  ]);
  expect(Number(csvLine([1 / 3]))).toBe(1 / 3);
});

test('no cell is a formula', () => {
  expect(csvLine(['=1+1', '+1', '-x', '@SUM(A1)', -3])).toBe("'=1+1,'+1,'-x,'@SUM(A1),-3\n");
});
