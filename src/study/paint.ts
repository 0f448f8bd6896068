/** @file The pictures of a study: what every run paints of its captions, what is real, what is a copy, and what is mixed up. */
import { reconstructPictures } from '../../tokenizer/codec.ts';
import { Random } from '../core/random.ts';
import type { Picture } from '../image/images.ts';
import type { WeightKind } from '../io/runfiles.ts';
import type { ComparedRun } from '../runs/comparison/paint-runs.ts';
import { openPainter, type Painter } from '../runs/open-painter.ts';
import type { EngineFlags, Session } from '../runs/session.ts';
import type { Blinded } from './blind.ts';
import type { Material } from './material.ts';
import { mixUp } from './mixed.ts';
import type { StudyKey } from './study.ts';

/** A picture, and what the key says of it. */
export type ShownPicture = StudyKey['pictures'][string] & { readonly picture: Picture };

export interface PaintingOptions extends EngineFlags {
  readonly seed: number;
  /** Pictures of a side. */
  readonly images: number;
  readonly runs: readonly ComparedRun[];
  readonly systems: StudyKey['systems'];
  readonly material: Material;
  /** Whether control pictures are the data's; else they are the first run's. */
  readonly usesReal: boolean;
  readonly blinded: Blinded;
  readonly weights?: WeightKind;
}

/** Every picture of a study, by its name. */
export async function paintSystems(
  session: Session,
  options: PaintingOptions,
): Promise<ReadonlyMap<string, ShownPicture>> {
  const { systems, material, images, seed, usesReal, blinded } = options;
  const painted = await paintAll(session, options);
  const random = new Random(seed).fork('study/mixed');
  const shown = new Map<string, ShownPicture>();
  for (const [key, ids] of blinded.ids) {
    const side = blinded.sides.get(key);
    if (side === undefined) throw new Error(`study: ${key} is nowhere`);
    for (const [image, id] of ids.entries()) {
      if (side.of === 'system') {
        const { name, family } = systems[side.system];
        const picture = painted.get(name)?.[side.caption * images + image];
        if (picture === undefined) throw new Error(`study: ${name} has no picture of ${side.caption}`);
        const from = family === null ? { seed: null, image: null } : { seed, image };
        shown.set(id, { picture, system: name, caption: material.captions[side.caption], ...from, control: null });
        continue;
      }
      const { control, how } = side;
      const [{ name }] = systems;
      const whole = usesReal
        ? material.controls[control]
        : { picture: painted.get(name)?.[control * images + image], caption: material.captions[control] };
      if (whole.picture === undefined) throw new Error(`study: no control picture ${control}`);
      const picture =
        how === 'whole' ? whole.picture : mixUp(whole.picture, random.fork('picture', control * images + image));
      const from = usesReal ? { seed: null, image: null } : { seed, image };
      shown.set(id, { picture, system: usesReal ? 'real' : name, caption: whole.caption, ...from, control: how });
    }
  }
  return shown;
}

/** [captions x images] of each system, by its name. */
async function paintAll(session: Session, options: PaintingOptions): Promise<ReadonlyMap<string, readonly Picture[]>> {
  const { runs, systems, material } = options;
  const painted = new Map<string, readonly Picture[]>();
  if (material.real !== undefined) painted.set('real', material.real);
  const copying = systems.find(({ name, family }) => name === 'copy' && family === null)?.run;
  for (const run of runs) {
    const painter = await openPainter(run.folder, { ...options, weights: run.weights });
    try {
      painted.set(run.name, await paintRun(session, painter, { ...options, name: run.name }));
      if (run.folder === copying && painter.tokenizer !== undefined && material.real !== undefined) {
        painted.set('copy', await reconstructPictures(painter.tokenizer, material.real));
      }
    } finally {
      painter.dispose();
    }
  }
  return painted;
}

async function paintRun(
  session: Session,
  painter: Painter,
  { material, images, seed, name }: PaintingOptions & { readonly name: string },
): Promise<Picture[]> {
  const captions = material.captions.flatMap(caption => Array.from({ length: images }, () => caption));
  session.reporter.stage(`painting with ${name}`, { total: captions.length, unit: 'images' });
  const pictures = await painter.paint(captions, {
    seed,
    numbers: captions.map((_, i) => i % images),
    onProgress: done => session.reporter.update({ step: Math.floor(done), amount: done }),
    signal: session.signal,
  });
  session.reporter.done(`${pictures.length} images`);
  return pictures;
}
