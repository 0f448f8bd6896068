/** @file The commands of the program, in the order in which help lists them. */
import type { Command } from './command.ts';
import { buildNative } from './commands/build-native.ts';
import { captions } from './commands/captions.ts';
import { compare } from './commands/compare.ts';
import { completionOf } from './commands/completion.ts';
import { dataEmoji } from './commands/data-emoji.ts';
import { dataInspect } from './commands/data-inspect.ts';
import { dataModes } from './commands/data-modes.ts';
import { dataShapes } from './commands/data-shapes.ts';
import { doctor } from './commands/doctor.ts';
import { evaluate } from './commands/eval.ts';
import { exportCommand } from './commands/export.ts';
import { features } from './commands/features.ts';
import { interpolate } from './commands/interpolate.ts';
import { logs } from './commands/logs.ts';
import { reconstruct } from './commands/reconstruct.ts';
import { sample } from './commands/sample.ts';
import { studio, watch } from './commands/studio.ts';
import { studyCollect } from './commands/study-collect.ts';
import { studyMake } from './commands/study-make.ts';
import { studyReport } from './commands/study-report.ts';
import { studyServe } from './commands/study-serve.ts';
import { train } from './commands/train.ts';
import { trainer } from './commands/trainer.ts';

/** Completes the program's own commands; a program with more of them has it complete all (cli.ts). */
export const completion = completionOf(() => commands);

export const commands: readonly Command[] = [
  dataEmoji,
  dataShapes,
  dataModes,
  dataInspect,
  train,
  sample,
  captions,
  interpolate,
  reconstruct,
  features,
  evaluate,
  compare,
  studio,
  watch,
  studyMake,
  studyServe,
  studyCollect,
  studyReport,
  exportCommand,
  logs,
  trainer,
  buildNative,
  doctor,
  completion,
];
