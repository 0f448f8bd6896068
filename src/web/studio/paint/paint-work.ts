/** @file What a painting child does with its painter: captions to PNGs, showing them as they appear, and pictures to their copies. */
import { reconstructPictures } from '../../../../tokenizer/codec.ts';
import { UserError } from '../../../core/errors.ts';
import type { Picture } from '../../../image/images.ts';
import { encodePng } from '../../../image/png.ts';
import type { WeightKind } from '../../../io/runfiles.ts';
import type { Painter } from '../../../runs/open-painter.ts';
import { gatherFacts, pictureText } from '../../../runs/painted-facts.ts';
import type { News, PaintRequest, ReconstructRequest, Results } from './child-messages.ts';

/** A run that is open. */
export interface Opened {
  readonly painter: Painter;
  readonly weights: WeightKind;
  /** What computes. */
  readonly backend: string;
}

/** What work is done with. */
export interface Doing {
  readonly tell: (news: News) => void;
  readonly signal: AbortSignal;
}

/** Paints what was asked for; pictures are told as they appear, as far as whoever hears keeps up. */
export async function paint(
  { painter, weights, backend }: Opened,
  { named, captions, numImages, seed, settings, completion, files }: PaintRequest,
  { tell, signal }: Doing,
): Promise<Results['paint']> {
  const asked = { seed, ...settings, ...files };
  const made = await gatherFacts(painter, { named, weights, backend, asked });
  const wanted = captions.flatMap(caption => new Array<string>(numImages).fill(caption));
  const rows = new Map<number, Float64Array>();
  const preview = new Preview(tell);
  const pictures = await painter.paint(wanted, {
    ...{ ...settings, seed, completion, signal },
    onUnfinished: (unfinished, places) => preview.show(unfinished, places),
    onLogProbabilities: (some, places) => {
      some.forEach((row, i) => {
        rows.set(places[i], row);
      });
    },
    onProgress: (painted, of) => tell({ kind: 'progress', painted, of }),
  });
  await preview.end();
  const images = pictures.map(async (picture, place) => {
    const caption = wanted[place];
    const index = place % numImages;
    return {
      ...{ caption, index, logProbabilities: rows.get(place), cut: painter.cutAt(caption) },
      png: await encodePng(picture, { text: pictureText({ caption, index }, made) }),
    };
  });
  return { images: await Promise.all(images) };
}

/** Unfinished pictures as PNGs, one round at a time: rounds that come while one is encoded give way to the last of them. */
class Preview {
  private readonly tell: Doing['tell'];
  private readonly next = new Map<number, Picture>();
  private encoding: Promise<void> | undefined;
  private ended = false;

  constructor(tell: Doing['tell']) {
    this.tell = tell;
  }

  show(pictures: readonly Picture[], places: readonly number[]): void {
    pictures.forEach((picture, i) => {
      this.next.set(places[i], picture);
    });
    this.encoding ??= this.encode().finally(() => {
      this.encoding = undefined;
    });
  }

  /** What was not shown yet is not shown any more: the finished pictures come. */
  async end(): Promise<void> {
    this.ended = true;
    await this.encoding;
  }

  private async encode(): Promise<void> {
    while (this.next.size > 0 && !this.ended) {
      const round = [...this.next];
      this.next.clear();
      const pngs = await Promise.all(round.map(([, picture]) => encodePng(picture)));
      if (this.ended) return;
      round.forEach(([image], i) => {
        this.tell({ kind: 'tiles', image, png: pngs[i] });
      });
    }
  }
}

/** A picture as the run's patch tokenizer gives it back, which is what stays of it in a completion. */
export async function reconstruct(
  { painter }: Opened,
  { picture }: ReconstructRequest,
): Promise<Results['reconstruct']> {
  const { tokenizer, run } = painter;
  if (tokenizer === undefined) throw new UserError('paint', `the painter of ${run} completes no pictures`);
  const [copy] = await reconstructPictures(tokenizer, [picture]);
  return { png: await encodePng(copy) };
}
