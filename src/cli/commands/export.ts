/** @file `tessera export`: what of a run is needed to paint, as a run of its own or for other programs. */
import { z } from 'zod';
import { isLicenseName, LICENSE_WORDS } from '../../config/names.ts';
import { UserError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import type { Session } from '../../runs/session.ts';
import { defineCommand } from '../command.ts';
import { file, folder, weights } from '../common-flags.ts';

/** What an export can be, by the flag that says where it goes. */
const forms = ['out', 'onnx', 'page', 'single'] as const;

/** What the command answers. */
interface Answer {
  readonly out: string;
  readonly weights: WeightKind;
  readonly step: number;
  readonly dtype: 'bf16' | 'f32';
  readonly bytes: number;
}

/** Flags that only some forms have. */
const only: Readonly<Record<string, readonly (typeof forms)[number][]>> = {
  dtype: ['out', 'page', 'single'],
  license: ['out'],
  ranker: ['out'],
  examples: ['page', 'single'],
};

const flags = () =>
  z.object({
    run: folder('a trained run (default, but for --out: the model that comes with Tessera)').optional(),
    out: folder('a copy: a run that can be painted with, evaluated and compared').optional(),
    onnx: folder(
      'ONNX networks for other programs, with examples in Python and JavaScript; of a transformer',
    ).optional(),
    page: folder('a page that paints in a browser, for any web server; of a transformer').optional(),
    single: file('the same page as one file, which opens from a disk and can be sent').optional(),
    examples: z
      .string()
      .optional()
      .describe('with --page and --single: captions that the page offers first, separated by |'),
    weights,
    dtype: z.enum(['bf16', 'f32']).default('bf16').describe('type of the weight matrices; ONNX is always f32'),
    license: z
      .string()
      .refine(isLicenseName, `expected ${LICENSE_WORDS}`)
      .optional()
      .describe('with --out: of the weights, as the card shall say it, e.g. cc-by-4.0 (default: unknown)'),
    ranker: folder(
      'with --out: a folder of `tessera features` that goes along, by which `sample --best-of` chooses (default: what came with the run)',
    ).optional(),
    attribution: file('whose art the run was trained on: goes along as ATTRIBUTION.md').optional(),
  });

type Values = z.output<ReturnType<typeof flags>>;

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'take a run along: a copy in half the bytes, a page that paints, or ONNX',
  examples: [
    'tessera export --run runs/emoji --out models/apples --attribution datasets/emoji/ATTRIBUTION.md',
    'tessera export --page site/paint',
    'tessera export --run runs/emoji --single apples.html',
    'tessera export --run runs/emoji --onnx apples-onnx',
  ],
  result: {
    out: 'the folder or file',
    weights: 'ema, best or last',
    step: 'of the training, of the weights',
    dtype: 'of the weight matrices',
    bytes: 'of the file of weights, the networks, or what a page loads before it paints',
  },
  flags,
  run: async (session, { values, given, answer }) => {
    const form = formOf(values);
    const stray = Object.keys(given).find(name => only[name]?.includes(form) === false);
    if (stray !== undefined) {
      throw new UserError(
        `export: --${stray}`,
        `expected with --${only[stray].join(' or --')} alone, got it with --${form}`,
      );
    }
    answer({ ...(await exporters[form](session, values)) });
  },
});

/** @throws UserError unless exactly one form is asked for */
function formOf(values: Values): (typeof forms)[number] {
  const asked = forms.filter(form => values[form] !== undefined);
  if (asked.length === 1) return asked[0];
  const got = asked.length === 0 ? 'none' : asked.map(form => `--${form}`).join(' and ');
  throw new UserError(
    'export',
    `expected one of ${forms.map(form => `--${form}`).join(', ')}, got ${got}`,
    `for example \`${exportCommand.examples[0]}\``,
  );
}

const exporters = { out: exportCopy, onnx: exportNetworks, page: exportPainter, single: exportPainter };

async function exportCopy(session: Session, { run, out = '', ...values }: Values): Promise<Answer> {
  if (run === undefined) {
    throw new UserError(
      'export: --run',
      'expected a folder, got nothing',
      `for example \`${exportCommand.examples[0]}\``,
    );
  }
  const { exportRun } = await import('../../runs/export.ts');
  const { dtype } = values;
  const { weights: kind, step, bytes } = await exportRun({ ...values, run, out });
  session.print(`${out}: ${kind} weights of step ${step} in ${dtype}, ${megabytes(bytes)}`);
  return { out, weights: kind, step, dtype, bytes };
}

async function exportNetworks(session: Session, values: Values): Promise<Answer> {
  const { onnx: out = '', weights: wanted, attribution } = values;
  const { exportOnnx } = await import('../../runs/onnx/export-onnx.ts');
  const {
    weights: kind,
    step,
    bytes,
  } = await exportOnnx({ run: await runOf(values), out, weights: wanted, attribution });
  const example = `python ${shellWord(`${out}/paint.py`)} 'a caption'`;
  session.print(`${out}: ${kind} weights of step ${step} as ONNX, ${megabytes(bytes)}; for example ${example}`);
  return { out, weights: kind, step, dtype: 'f32', bytes };
}

async function exportPainter(session: Session, values: Values): Promise<Answer> {
  const { page, single = '', weights: wanted, attribution, dtype } = values;
  const out = page ?? single;
  const { exportPage } = await import('../../web/painter/export-page.ts');
  const isSingle = page === undefined;
  const {
    weights: kind,
    step,
    bytes,
  } = await exportPage({
    ...{ run: await runOf(values), out, isSingle, weights: wanted, dtype, attribution },
    examples: values.examples
      ?.split('|')
      .map(text => text.trim())
      .filter(text => text !== ''),
  });
  const what = isSingle ? 'opens from a disk' : 'put the folder on any web server';
  session.print(`${out}: a page that paints with the ${kind} weights of step ${step}, ${megabytes(bytes)}; ${what}`);
  return { out, weights: kind, step, dtype, bytes };
}

async function runOf({ run }: Values): Promise<string> {
  if (run !== undefined) return run;
  const { shippedModel } = await import('../../runs/run.ts');
  return shippedModel();
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
