/** @file Model cards: what stands in them is what the run knows, and text of strangers stays text. */
import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/families/resolve.ts';
import { modelCard } from '../../src/runs/model-card/card.ts';
import type { CardFacts } from '../../src/runs/model-card/card-facts.ts';

const point = (step: number, value: number) => ({ step, value, seconds: null, images: null, flops: null });
const stable = { kind: 'stable', rule: null, step: null, checks: 3, validations: 3 } as const;

function facts(family: string, more: Partial<CardFacts> = {}): CardFacts {
  return {
    name: 'apples',
    config: resolveConfig({
      fields: { family, images: { imageSize: 32 }, ...(family === 'transformer' && { patch: { grid: 4 } }) },
    }),
    weights: 'ema',
    step: 4000,
    parameters: 123456,
    dtype: 'bf16',
    isAttributed: false,
    hasSamples: false,
    seconds: 725,
    verdict: stable,
    measured: [],
    ...more,
  };
}

describe('a card', () => {
  test.each(['transformer', 'dcgan', 'r3gan', 'diffusion'])('of a %s has the header that hubs read', family => {
    const [, header, text] = modelCard(facts(family)).split(/^---$/m);
    const tags = ['text-to-image', 'tesserae', family].map(tag => `- ${tag}`);
    const fields = ['license: unknown', 'library_name: tesserae', 'pipeline_tag: text-to-image', 'tags:', ...tags];
    expect(header.trim().split('\n')).toEqual(fields);
    expect(text).toContain('pictures of 32 x 32 pixels');
    expect(text).toContain('of step 4,000: 123,456 numbers, matrices in bf16.');
    expect(text).toContain('npx tesserae sample --run apples --text');
    expect(text).toContain('| time in training steps, all stages | 12 min 5 s |');
    expect(text).toContain('How many images it was trained on was not recorded.');
    expect(text).not.toMatch(/undefined|null|NaN|samples\.png|\bcollapsed\b/);
  });

  test('tells the data, its captions, and what it started from, by names without places', () => {
    const config = {
      ...facts('dcgan').config,
      from: { name: '/home/me/runs/old', fingerprint: 'a'.repeat(64), weights: 'best', step: 1200 },
    } as const;
    const card = modelCard(
      facts('dcgan', {
        config,
        dataName: 'photos',
        images: { training: 3500, heldOut: 180 },
        captions: { count: 3400, examples: ['a red `apple`', 'two | pipes'] },
        isAttributed: true,
        hasSamples: true,
        license: 'cc-by-4.0',
      }),
    );
    expect(card).toContain('license: cc-by-4.0\n');
    expect(card).toContain(
      '3,500 captioned images of `photos`; 180 more were held out: the validation split of the data, or where it has none 5%,',
    );
    expect(card).toContain('It was started from the best weights of `old`, step 1,200');
    expect(card).not.toContain('/home');
    expect(card).toContain("Some of its 3,400 captions:\n\n- `a red 'apple'`\n- `two / pipes`\n");
    expect(card).toContain('[ATTRIBUTION.md](ATTRIBUTION.md)');
    expect(card).toContain('![Sheet of samples](samples.png)');
    expect(card).not.toContain('No licence was stated');
  });

  test('tells the held-out loss, and that it rose', () => {
    const images = { training: 100, heldOut: 5 };
    const rose = modelCard(
      facts('transformer', { images, validation: { best: point(400, 4.4612), last: point(1600, 5.4849) } }),
    );
    expect(rose).toContain('4.461 at step 400 at its lowest, 5.485 at step 1,600 at the last');
    expect(rose).toContain('It rose towards the end: from there on the model learned images by heart.');
    const fell = modelCard(
      facts('transformer', { images, validation: { best: point(1600, 4.4), last: point(1600, 4.4) } }),
    );
    expect(fell).not.toContain('It rose');
    const none = modelCard(facts('transformer', { images: { training: 100, heldOut: 0 } }));
    expect(none).toContain('Nothing was held out: how it does on captions that it has never seen is not known.');
    expect(modelCard(facts('dcgan', { images }))).toContain(
      'The losses of its training say nothing about its pictures',
    );
  });

  test('tells results of `eval` beside those of real images, and a collapse', () => {
    const result = {
      split: 'validation',
      features: 'random',
      weights: 'ema',
      step: 4000,
      n: 256,
      reference: 300,
      seed: 0,
      reason: null,
    } as const;
    const measured = [
      { metric: 'kid', row: 'samples', value: 0.0123, low: 0.01, high: 0.015, ...result },
      { metric: 'kid', row: 'floor', value: 0.001, low: 0, high: 0.002, ...result },
    ] as const;
    const verdict = { kind: 'collapsed', rule: 'spread rule', step: 900, checks: 9, validations: 0 } as const;
    const card = modelCard(facts('dcgan', { measured, verdict }));
    expect(card).toMatch(
      /\| KID.* \| 12\.3 \(10\.0 to 15\.0\) \| 1\.00 \| 256, validation \| .*lower is better.*features random \|/,
    );
    expect(card).toContain('it collapsed at step 900 (spread rule)');
    expect(card).not.toContain('It was not evaluated');
  });

  test('has no markup of names', () => {
    const card = modelCard(
      facts('dcgan', { name: '<b>*x*</b>\n# y', dataName: 'a`b\n---\nlicense: mit', images: { training: 1 } }),
    );
    expect(card).toContain('# \\<b\\>\\*x\\*\\</b\\>\\\\n\\# y\n');
    expect(card).toContain("1 captioned image of `a'b\\n---\\nlicense: mit`.");
    expect(card.split(/^---$/m)).toHaveLength(3);
  });
});
