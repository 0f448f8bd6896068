/**
 * @file Caption gain: the nats that a held-out image's own caption saves against another image's,
 *
 *   sum over codes of log p(code | own caption, codes before) - log p(code | another's caption, codes before).
 *
 * Exact, through no network but the model's own. In expectation over images and captions it is the information about captions that a
 * model uses, plus what a wrong caption misleads it by (the sum of two Kullback-Leibler divergences where it is calibrated); a model that does
 * not read its captions has 0. Groups of images are what is resampled.
 */
import { defineBuiltInMetric } from './define.ts';
import { mean, meanInterval } from './intervals.ts';

defineBuiltInMetric({
  name: 'caption-gain',
  gives: [
    {
      name: 'caption-gain',
      title: 'caption gain',
      better: 'higher',
      unit: 'nats an image',
      note: "what an image's own caption saves against another image's; of its own codes",
    },
  ],
  needs: ['captionLikelihood'],
  rows: ['samples'],
  measure: ({ captionLikelihood: { own, others, codes, images } }, random) => {
    const gains = own.map((nats, group) => codes * (others[group] - nats));
    const interval = meanInterval(gains, { random });
    return [{ metric: 'caption-gain', value: mean(gains), interval, n: images, reference: 0 }];
  },
});
