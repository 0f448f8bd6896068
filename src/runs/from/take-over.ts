/**
 * @file What a new run takes over from the one that it starts from, so that it stands alone: the tokenizers or the text encoder,
 * the adapted weights, which its training starts from and is pulled back to, and the words that the other has seen.
 */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { RunConfig } from '../../config/run.ts';
import { familyOf } from '../../families/families.ts';
import type { Parts } from '../../families/family.ts';
import { partsAmong } from '../../families/parts.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import { beginWriting } from '../../io/ownfolder.ts';
import type { RunPaths } from '../../io/runfolder.ts';
import type { NamedValues } from '../../nn/module.ts';
import { asTensors, namedValues } from '../../training/named-values.ts';
import { beginLearnt } from '../learnt/record.ts';
import { TAKEN_OVER } from '../run.ts';
import { takesPatchOver } from './patch-decision.ts';
import type { PlannedStart } from './plan.ts';

/** What is taken over, for a run of this config. */
type Taken = Pick<PlannedStart, 'source' | 'adapted'> & { readonly config: RunConfig };

/**
 * Writes the files. The folder is marked until the run has its config, by which it is known.
 * @param paths of the run, which is held and not there yet
 */
export async function takeOver(paths: RunPaths, { source, adapted, config }: Taken): Promise<void> {
  // A tokenizer of patches comes into use by what is decided of it (patch-decision.ts).
  const fileOf = (part: keyof Parts) => (part === 'patch' ? paths.sourcePatch : paths[part]);
  const all = partsAmong(familyOf(config.family).stages);
  const parts = takesPatchOver(config) ? all : all.filter(part => part !== 'patch');
  const learnt = source.words === undefined ? [] : [paths.learnt];
  const files = [...parts.map(fileOf), paths.source, ...learnt].map(file => relative(paths.folder, file));
  await beginWriting(paths.folder, { by: TAKEN_OVER, what: 'a run', files, own: files });
  for (const part of parts) {
    const bytes = source.parts[part];
    if (bytes !== undefined) await writeAtomic(fileOf(part), bytes);
  }
  if (source.words !== undefined) await beginLearnt(paths.learnt, source.words);
  await writeSafetensors(paths.source, asTensors(adapted.values), { format: 'tessera start' });
}

/** The weights that a run starts from; undefined for one that starts from nothing. */
export async function readStart({ source }: RunPaths): Promise<NamedValues | undefined> {
  if (!existsSync(source)) return undefined;
  return namedValues((await readSafetensors(source)).tensors, source);
}
