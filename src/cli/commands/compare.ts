/** @file `tessera compare`: runs beside one another as a page, whose findings are printed. */
import { type CompareRequest, compareRuns } from '../../runs/compare.ts';
import type { Session } from '../../runs/session.ts';

/** Compares and prints the findings. */
export async function compareCommand(session: Session, request: Omit<CompareRequest, 'made'>): Promise<void> {
  const { report, json } = await compareRuns(session, { ...request, made: new Date() });
  for (const { text } of report.findings) session.print(text);
  session.print(`${request.out}: ${report.runs.length} runs compared; the same as data in ${json}`);
}
