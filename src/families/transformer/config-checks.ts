/** @file What of a transformer's settings must fit together, whoever has read them. */
import type { PatchConfig } from '../../config/patch.ts';
import { codebookSizeOf, patchSizeOf } from '../../config/patch-sizes.ts';
import { rejectConfig } from '../../config/reject.ts';
import type { ModelConfig } from './config.ts';

/** The settings that its networks are made by. */
export interface TransformerShape {
  readonly images: { readonly imageSize: number };
  readonly patch: PatchConfig;
  readonly model: ModelConfig;
}

/** Codes are stored as 16-bit numbers. */
const MOST_CODES = 65536;

/** @throws UserError naming the fields that do not fit together */
export function checkTransformer(config: TransformerShape): void {
  checkPatches(config);
  checkModel(config);
}

function checkPatches(config: TransformerShape): void {
  const { images, patch } = config;
  const factor = patchSizeOf(config);
  if (!Number.isInteger(Math.log2(factor)) || factor < patch.stem || !Number.isInteger(Math.log2(patch.stem))) {
    rejectConfig(
      `imageSize ${images.imageSize} / grid ${patch.grid} = ${factor}, expected a power of two that is at least stem (${patch.stem})`,
      'e.g. --image-size 128 --grid 32, or --image-size 64 --grid 16',
    );
  }
  const codes = codebookSizeOf(patch);
  if (codes > MOST_CODES) {
    rejectConfig(
      `${codes} codes, expected at most ${MOST_CODES}`,
      'shorten --levels, whose product is the number of codes',
    );
  }
}

function checkModel({ model, patch }: TransformerShape): void {
  if (model.width % model.heads !== 0 || (model.width / model.heads) % 4 !== 0) {
    rejectConfig(
      `width ${model.width} / heads ${model.heads}: expected a multiple of 4 channels a head`,
      'e.g. --width 256 --heads 4',
    );
  }
  if (model.order !== 'raster' && model.attention !== 'full') {
    rejectConfig(
      `order ${model.order} with attention ${model.attention}, whose rows and columns are those of raster order; expected full`,
      'leave out --attention, or --order',
    );
  }
  if (model.coarse > 0 && (model.order !== 'interlaced' || patch.grid < 8)) {
    rejectConfig(
      `coarse ${model.coarse} with order ${model.order} and grid ${patch.grid}, expected interlaced codes, of which at least 4 are coarse`,
      'leave out --coarse, or take --order interlaced and --grid 8 or more',
    );
  }
  if (model.convKernel % 2 === 0) {
    rejectConfig(`convKernel ${model.convKernel}, expected an odd number`, 'e.g. --conv-kernel 11');
  }
}
