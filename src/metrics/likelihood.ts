/**
 * @file The likelihood of held-out images: nats a code given the captions and the codes before, and what follows from
 * them. Groups of images are what is resampled. Codes are the model's own: only models with one tokenizer compare.
 */
import { defineBuiltInMetric, type Estimate } from './define.ts';
import { mean, meanInterval } from './intervals.ts';

const ownCodes = 'of its own codes: not comparable between tokenizers, nor with other families';

defineBuiltInMetric({
  name: 'nll',
  gives: [
    { name: 'nll', title: 'negative log likelihood', better: null, unit: 'nats a code', note: ownCodes },
    { name: 'perplexity', better: null, note: ownCodes },
    { name: 'bits-per-dim', better: null, note: `${ownCodes}; spread over pixels and colours` },
  ],
  needs: ['likelihood'],
  rows: ['samples'],
  byDefault: true,
  measure: ({ likelihood: { nats, codes, imageSize, images } }, random) => {
    const value = mean(nats);
    const interval = meanInterval(nats, { random });
    const estimateBy = (metric: string, f: (nats: number) => number): Estimate => ({
      metric,
      value: f(value),
      interval: interval && [f(Math.max(0, interval[0])), f(interval[1])],
      n: images,
      reference: 0,
    });
    return [
      estimateBy('nll', v => v),
      estimateBy('perplexity', Math.exp),
      estimateBy('bits-per-dim', v => (v * codes) / Math.LN2 / (imageSize * imageSize * 3)),
    ];
  },
});
