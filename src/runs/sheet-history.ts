/**
 * @file Earlier sheets of a training, `samples/000400.png`: how a model learned to paint, or a patch tokenizer to copy. So few
 * that they take no space that matters, evenly spread; which ones are kept depends on the last step alone, so that a training
 * that was killed and goes on has the same.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../io/atomic.ts';
import { readBytes } from '../io/bytes.ts';

/** What the sheets are of: what a model paints, or what its patch tokenizer makes of pictures. */
export type SheetKind = 'samples' | 'reconstructions';

/** A sheet as it was at a step. */
export interface Sheet {
  readonly step: number;
  readonly png: Uint8Array;
}

/** Most sheets that are kept beside the last. */
export const MOST_SHEETS = 24;

const SHEET_FILE = /^(\d{6,16})\.png$/;
/** Largest sheet that is read. */
export const MOST_SHEET_BYTES = 2 ** 27;

/** Whether the sheet of a step is kept once there is one of a later step. @param every steps between sheets */
export function isKept(step: number, { last, every }: { readonly last: number; readonly every: number }): boolean {
  if (step >= last) return step === last; // what comes later is painted again by a training that was killed
  let apart = every;
  while (last / apart > MOST_SHEETS) apart *= 2;
  return step % apart === 0;
}

/** The file of the sheet of a step. */
export function sheetFile(folder: string, step: number | string): string {
  return join(folder, `${String(step).padStart(6, '0')}.png`);
}

/** Steps of which there are sheets. */
export function sheetSteps(folder: string): number[] {
  return sheetFiles(folder).map(({ step }) => step);
}

/** Keeps the sheet of a step, and every second of the others where they have become too many. */
export async function keepSheet(folder: string, { step, png }: Sheet, every: number): Promise<void> {
  await writeAtomic(sheetFile(folder, step), png);
  for (const { name, step: other } of sheetFiles(folder)) {
    if (!isKept(other, { last: step, every })) await rm(join(folder, name), { force: true });
  }
}

/** All sheets that are kept, by step. */
export async function readSheets(folder: string): Promise<Sheet[]> {
  const sheets: Sheet[] = [];
  for (const { name, step } of sheetFiles(folder)) {
    sheets.push({ step, png: await readBytes(join(folder, name), { most: MOST_SHEET_BYTES }) });
  }
  return sheets;
}

function sheetFiles(folder: string): { readonly name: string; readonly step: number }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap(name => {
      const step = SHEET_FILE.exec(name)?.[1];
      return step === undefined ? [] : [{ name, step: Number(step) }];
    })
    .sort((a, b) => a.step - b.step);
}
