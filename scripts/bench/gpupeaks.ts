/**
 * @file What GPUs multiply at most, from their makers' data sheets: dense f16 with sums in fp32, TFLOP/s. Names are as Dawn
 * gives them, lower case with hyphens.
 */
/** What 100% are. */
export interface Roof {
  readonly tflops: number;
  readonly source: string;
}

const known: readonly (readonly [name: RegExp, tflops: number, title: string])[] = [
  [/h200/, 989, 'H200'],
  [/h100.*pcie/, 756, 'H100 PCIe'],
  [/h100.*nvl/, 835, 'H100 NVL'],
  [/h100/, 989, 'H100 SXM'],
  [/a100/, 312, 'A100'],
  [/l40s/, 362, 'L40S'],
  [/\ba10\b/, 125, 'A10'],
  [/\bl4\b/, 121, 'L4'],
  [/tesla-t4/, 65, 'T4'],
  [/v100/, 125, 'V100'],
  [/rtx-5090/, 209, 'RTX 5090'],
  [/rtx-4090(?!-laptop)/, 165, 'RTX 4090'],
  [/rtx-3090/, 71, 'RTX 3090'],
];

/** What is known of an adapter by its name. */
export function knownPeak(adapter: string): { readonly tflops: number; readonly title: string } | undefined {
  const found = known.find(([name]) => name.test(adapter.toLowerCase()));
  return found === undefined ? undefined : { tflops: found[1], title: found[2] };
}
