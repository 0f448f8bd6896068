/** @file The command line that paints what was painted in another way, to be pasted into a shell. */
import { kebab } from '../config/schema.ts';
import { shellWord } from '../core/shell.ts';
import { type SamplingSetting, samplingSettings } from '../families/family.ts';
import type { WeightKind } from '../io/runfiles.ts';
import type { CompletionFlags } from './completion.ts';

/** What was painted. Settings that are left out are the run's. */
export interface CommandRequest extends Readonly<Partial<Record<SamplingSetting, number>>>, CompletionFlags {
  /** Default: the model that comes with the package. */
  readonly run?: string;
  /** Cleaned, each once; '' is none. */
  readonly captions: readonly string[];
  readonly seed: number;
  readonly numImages: number;
  readonly weights?: WeightKind;
  /** Where it is not the one that is taken by itself. */
  readonly backend?: string;
}

/** `npx tesserae sample ...`, which paints the same pictures. */
export function sampleCommand(request: CommandRequest): string {
  const { run, captions, seed, numImages, weights, image, keepRows, mask, backend } = request;
  // What has a | in it, which separates captions in a flag, goes through a file, and so do several of which one is none.
  const isPiped = captions.some(caption => caption.includes('|'));
  const flags: (readonly [name: string, value: string | number | undefined])[] = [
    ['run', run],
    isPiped ? ['textFile', '-'] : ['text', captions.join('|')],
    ['seed', seed],
    ['numImages', numImages],
    ...samplingSettings.map(name => [name, request[name]] as const),
    ['weights', weights],
    ['image', image],
    ['keepRows', keepRows],
    ['mask', mask],
    ['backend', backend],
  ];
  const words = flags.flatMap(([name, value]) => (value === undefined ? [] : [flagOf(kebab(name), String(value))]));
  const command = ['npx', 'tesserae', 'sample', ...words].join(' ');
  return isPiped ? `printf '%s\\n' ${captions.map(shellWord).join(' ')} | ${command}` : command;
}

function flagOf(name: string, value: string): string {
  return value.startsWith('-') && value !== '-' ? `--${name}=${shellWord(value)}` : `--${name} ${shellWord(value)}`;
}
