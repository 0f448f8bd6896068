/** @file Runs that nobody trained: their configs, logs and pictures alone. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { storedConfig } from '../../src/families/config.ts';
import { blank } from '../../src/image/images.ts';
import { encodePng } from '../../src/image/png.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { type Course, configOf, recordsOf } from '../report/synthetic.ts';

/** A folder that goes away with the test file. */
export function studioFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tessera-studio-')));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a run below a folder. @returns its own folder */
export async function writeRun(folder: string, course: Course, sheets: readonly number[] = []): Promise<string> {
  const run = join(folder, course.name);
  const paths = runPaths(run);
  mkdirSync(paths.sampleHistory, { recursive: true });
  const config = configOf(course.family, course.config);
  writeFileSync(paths.config, JSON.stringify(storedConfig(config)));
  writeFileSync(
    paths.metrics,
    recordsOf(course)
      .map(record => `${JSON.stringify(record)}\n`)
      .join(''),
  );
  const png = await encodePng(blank(8, 8));
  for (const step of sheets) writeFileSync(join(paths.sampleHistory, `${String(step).padStart(6, '0')}.png`), png);
  if (sheets.length > 0) writeFileSync(paths.samples, png);
  return run;
}
