/**
 * @file What other programs call our flags. Who types such a name is told ours; a misspelt name is told by its letters
 * (schema.ts). Only names that are far from ours by their letters stand here.
 */

/** By our flag, the names of others. */
const others: Readonly<Record<string, readonly string[]>> = {
  lr: ['learning-rate', 'peak-lr', 'max-lr', 'base-lr', 'rate'],
  'final-lr': ['min-lr', 'lr-end'],
  epochs: ['num-epochs', 'n-epochs', 'max-epochs', 'num-train-epochs', 'e'],
  steps: [
    'epochs',
    'num-epochs',
    'iterations',
    'iters',
    'num-iters',
    'n-iters',
    'max-iters',
    'max-steps',
    'num-steps',
    'train-steps',
    'max-train-steps',
    'num-train-steps',
    'num-inference-steps',
    'sampling-steps',
    'ddim-steps',
  ],
  'batch-size': ['batch', 'bs', 'b', 'train-batch-size', 'per-device-train-batch-size'],
  accumulate: ['gradient-accumulation-steps', 'accumulation-steps', 'grad-accum', 'ga-steps'],
  clip: ['max-grad-norm', 'grad-clip', 'clip-grad-norm', 'gradient-clip', 'gradient-clip-val'],
  warmup: ['warmup-steps', 'lr-warmup-steps', 'warmup-ratio', 'num-warmup-steps'],
  'weight-decay': ['wd', 'l2', 'adam-weight-decay'],
  ema: ['ema-decay', 'ema-rate', 'ema-beta', 'use-ema'],
  optimizer: ['opt', 'optim'],
  seed: ['random-seed', 'manual-seed', 'rng-seed', 's'],
  seeds: ['seed-range', 'seed-list'],
  text: ['prompt', 'prompts', 'caption', 'captions', 'p', 'query'],
  captions: ['prompt', 'prompts', 'text', 'texts'],
  'text-file': ['prompt-file', 'prompts-file', 'captions-file', 'from-file', 'prompts-path'],
  'captions-file': ['prompt-file', 'prompts-file', 'text-file', 'from-file', 'prompts-path'],
  out: [
    'output',
    'output-dir',
    'output-path',
    'outdir',
    'out-dir',
    'outputs-dir',
    'save-dir',
    'save-path',
    'results-dir',
    'results-folder',
    'run',
    'run-dir',
    'logdir',
    'log-dir',
    'exp-name',
    'run-name',
    'name',
    'o',
    'resume',
    'resume-from-checkpoint',
  ],
  'outputs-dir': ['out', 'output', 'output-dir', 'output-path', 'outdir', 'out-dir', 'save-dir', 'results-dir', 'o'],
  data: [
    'dataset',
    'dataset-dir',
    'data-dir',
    'data-path',
    'data-root',
    'dataset-path',
    'dataset-name',
    'train-data',
    'train-data-dir',
    'instance-data-dir',
    'image-folder',
    'image-text-folder',
    'images-dir',
    'folder',
    'd',
  ],
  run: ['checkpoint', 'ckpt', 'checkpoint-path', 'ckpt-path', 'model', 'model-path', 'model-dir', 'network', 'm'],
  from: [
    'pretrained',
    'finetune',
    'fine-tune',
    'init-from',
    'pretrained-model',
    'resume',
    'pretrained-model-name-or-path',
  ],
  'num-images': [
    'num-samples',
    'n-samples',
    'n-images',
    'samples',
    'images',
    'count',
    'num-images-per-prompt',
    'num-outputs',
    'n-iter',
  ],
  'cfg-scale': ['guidance-scale', 'guidance', 'cfg', 'cond-scale', 'unconditional-guidance-scale', 'scale'],
  temperature: ['t'],
  image: ['init-image', 'init-img', 'input-image'],
  mask: ['mask-image', 'mask-path', 'inpaint-mask'],
  'best-of': ['num-candidates', 'candidates', 'n-candidates'],
  rerank: ['clip-model', 'clip-path', 'ranker'],
  'image-size': ['resolution', 'res', 'img-size', 'size', 'image-resolution', 'resize'],
  size: ['resolution', 'res', 'image-size', 'img-size'],
  grid: ['image-seq-len', 'latent-size', 'fmap-size'],
  'caption-length': ['text-seq-len', 'max-length', 'max-text-length', 'context-length'],
  'vocab-size': ['num-text-tokens', 'bpe-size'],
  'codebook-size': ['num-tokens', 'num-codes', 'num-embeddings', 'n-embed'],
  width: ['dim', 'd-model', 'hidden-size', 'hidden-dim', 'n-embd', 'embed-dim', 'model-dim'],
  layers: ['depth', 'num-layers', 'n-layer', 'n-layers', 'num-hidden-layers'],
  heads: ['num-heads', 'n-head', 'n-heads', 'num-attention-heads'],
  validation: ['val-split', 'validation-split', 'val-fraction', 'val-size', 'test-size', 'holdout'],
  'eval-every': ['eval-steps', 'val-every', 'val-interval', 'validation-steps', 'eval-interval', 'eval-freq'],
  'save-every': ['save-steps', 'save-interval', 'save-freq', 'checkpoint-every', 'checkpointing-steps', 'snap'],
  'sample-every': ['sample-interval', 'sample-steps', 'sample-freq', 'preview-every'],
  'log-every': ['logging-steps', 'log-interval', 'log-steps', 'log-freq'],
  backend: ['device', 'gpu', 'gpus', 'cuda', 'accelerator', 'use-gpu'],
  precision: ['dtype', 'fp16', 'bf16', 'amp', 'mixed-precision', 'half'],
  threads: ['num-threads', 'n-threads', 'workers', 'num-workers', 'cpus', 'jobs', 'j'],
  quiet: ['silent', 'no-progress', 'no-verbose'],
  help: ['usage', 'man'],
};

/** Our flags by another's name. */
const byName = new Map<string, string[]>();
for (const [flag, names] of Object.entries(others)) {
  for (const name of names) byName.set(name, [...(byName.get(name) ?? []), flag]);
}

/**
 * What a command calls a flag that others call so, if it has it.
 * @param typed in kebab case, perhaps of a section: `learning-rate`, `train.learning-rate`
 * @param known names of the command's flags
 */
export function synonymOf(typed: string, known: ReadonlySet<string>): string | undefined {
  const end = typed.lastIndexOf('.') + 1;
  const [section, word] = [typed.slice(0, end), typed.slice(end)];
  return byName
    .get(word)
    ?.map(flag => section + flag)
    .find(flag => known.has(flag));
}

/** The flags that have other names here. */
export const flagsWithSynonyms: readonly string[] = Object.keys(others);
