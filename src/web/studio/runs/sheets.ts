/** @file The pictures of a run's training by step, and how its codes were used: what there is, and one of them. */
import { stat } from 'node:fs/promises';
import { readBytes } from '../../../io/bytes.ts';
import { runPaths } from '../../../io/runfolder.ts';
import { readCodeUsage } from '../../../runs/code-usage.ts';
import { MOST_SHEET_BYTES, sheetFile, sheetSteps } from '../../../runs/sheet-history.ts';
import { Refusal } from '../../guard.ts';
import type { Library, Place } from '../library.ts';
import type { Sheets, Usage } from '../messages.ts';

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);

/** Steps of which there are sheets. */
export async function sheetsOf({ folder }: Place): Promise<Sheets> {
  const paths = runPaths(folder);
  const written = async (path: string) => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
  const [samples, reconstructions, usage] = await Promise.all(
    [paths.samples, paths.reconstructions, paths.codeUsage].map(written),
  );
  return {
    samples: stepsIn(paths.sampleHistory),
    reconstructions: stepsIn(paths.reconstructionHistory),
    newest: { samples, reconstructions, usage },
  };
}

/** None of what cannot be read. */
function stepsIn(history: string): number[] {
  try {
    return sheetSteps(history);
  } catch {
    return [];
  }
}

/** Stretches that the codes of a codebook are shown in. */
const STRETCHES = 128;

/** How the codes were used, by step. @param path of the file that says so; undefined where there is none */
export function usageOf(path: string | undefined): Usage[] {
  if (path === undefined) return [];
  return readCodeUsage(path).map(({ step, counts }) => {
    const sorted = counts.toSorted((a, b) => b - a);
    const sum = sorted.reduce((a, b) => a + b, 0);
    const stretches = Math.min(STRETCHES, sorted.length);
    const shares = Array.from({ length: stretches }, (_, i) => {
      const from = Math.floor((i * sorted.length) / stretches);
      const to = Math.floor(((i + 1) * sorted.length) / stretches);
      const mean = sorted.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
      return sum === 0 ? 0 : mean / sum;
    });
    return { step, codes: sorted.length, used: sorted.filter(count => count > 0).length, shares };
  });
}

/**
 * A sheet as a PNG.
 * @param step `last`: the newest one
 * @throws Refusal if there is none
 */
export async function readSheet(library: Library, place: Place, { kind, step }: { kind: string; step: string }) {
  const paths = runPaths(place.folder);
  const kinds: Readonly<Record<string, readonly [last: string, history: string]>> = {
    samples: [paths.samples, paths.sampleHistory],
    reconstructions: [paths.reconstructions, paths.reconstructionHistory],
  };
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  const isStep = /^\d{1,16}$/.test(step);
  if (known === undefined || !(isStep || step === 'last')) throw new Refusal(404, 'there is no such sheet');
  const file = isStep ? sheetFile(known[1], step) : known[0];
  const real = await library.real(place, file);
  if (real === undefined) throw new Refusal(404, 'there is no such sheet');
  const bytes = await readBytes(real, { most: MOST_SHEET_BYTES });
  if (!PNG.every((byte, i) => bytes[i] === byte)) throw new Refusal(404, 'this sheet is no PNG');
  return bytes;
}
