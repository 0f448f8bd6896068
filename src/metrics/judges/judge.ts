/** @file Which program can read pictures of some captions back, if one can. */
import { modeOf } from '../../../data/generators/modes.ts';
import { ModeJudge } from './mode-judge.ts';
import { isSceneCaption, type SceneCheck, SceneJudge } from './scene-judge.ts';

/** Says how much of its caption a picture shows. */
export interface Judge {
  /** @param pixels [size, size, 3], bytes in [0, 255] or floats in [0, 1] */
  check(pixels: Uint8Array | Float32Array, size: number, caption: string): SceneCheck;
}

/** The judge who knows all of the captions: those of `tessera data modes` or of `tessera data shapes`. */
export function findJudge(captions: readonly string[]): Judge | undefined {
  if (captions.every(caption => modeOf(caption) !== undefined)) return new ModeJudge();
  return captions.every(isSceneCaption) ? new SceneJudge() : undefined;
}
