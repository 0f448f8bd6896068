/** @file Seed, temperature and guidance: the run's own where nothing is put in. */
import type { Sampling } from '../browser/messages.ts';
import { element, fill } from '../web/page/dom.ts';
import type { Asked } from './asked.ts';

export class SettingsForm {
  readonly root = element('details', { class: 'ask-settings' });
  private readonly seeds = element('input', {
    type: 'number',
    id: 'seed',
    min: 0,
    max: 2 ** 32 - 1,
    step: 1,
    value: 0,
    inputmode: 'numeric',
  });
  private readonly temperature = element('input', {
    type: 'range',
    id: 'temperature',
    min: 0,
    max: 1.5,
    step: 0.05,
    value: 1,
  });
  private readonly guidance = element('input', {
    type: 'number',
    id: 'guidance',
    min: 0,
    max: 100,
    step: 'any',
    inputmode: 'decimal',
  });
  private readonly degrees = element('output', { for: 'temperature' });
  private readonly back = element(
    'button',
    { type: 'button', class: 'paint-link', onclick: () => this.reset() },
    'as the run paints by itself',
  );
  private run: Sampling = { temperature: 1, fineTemperature: 1, topK: 0, topP: 1, guidance: 1 };

  constructor() {
    this.temperature.addEventListener('input', () => this.say());
    this.guidance.addEventListener('input', () => this.say());
    fill(
      this.root,
      element('summary', {}, 'Settings'),
      element(
        'p',
        { class: 'ask-setting' },
        element('label', { for: 'seed' }, 'Seed'),
        this.seeds,
        element('small', { class: 'soft' }, 'the same seed paints the same picture'),
      ),
      element(
        'p',
        { class: 'ask-setting' },
        element('label', { for: 'temperature' }, 'Temperature ', this.degrees),
        this.temperature,
        element('small', { class: 'soft ask-ends' }, element('span', {}, 'safe'), element('span', {}, 'wild')),
      ),
      element(
        'p',
        { class: 'ask-setting' },
        element('label', { for: 'guidance' }, 'Guidance'),
        this.guidance,
        element('small', { class: 'soft' }, 'how closely it follows the caption; 1 is off'),
      ),
      element('p', {}, this.back),
    );
  }

  /** Takes the run's own settings. */
  own(sampling: Sampling): void {
    const [temperature, guidance] = [this.temperature.value, this.guidance.value].map(Number);
    const isAsked = this.isAsked;
    this.run = sampling;
    this.guidance.placeholder = String(sampling.guidance);
    this.temperature.max = String(Math.max(1.5, sampling.temperature));
    this.temperature.value = String(isAsked ? temperature : sampling.temperature);
    if (isAsked && guidance > 0) this.guidance.value = String(guidance);
    this.say();
  }

  private isAsked = false;

  /** What is asked for; undefined, and the wrong field is shown, where a number does not fit. */
  read(caption: string): Asked | undefined {
    const wrong = [this.seeds, this.guidance].find(
      input => !input.checkValidity() || (input === this.seeds && input.value === ''),
    );
    if (wrong !== undefined) {
      this.root.open = true;
      wrong.reportValidity();
      wrong.focus();
      return undefined;
    }
    const temperature = Number(this.temperature.value);
    const { value: guidance } = this.guidance;
    return {
      caption,
      seed: Number(this.seeds.value),
      ...(temperature !== this.run.temperature && { temperature }),
      ...(guidance !== '' && Number(guidance) !== this.run.guidance && { guidance: Number(guidance) }),
    };
  }

  /** Shows what was asked for before. */
  write({ seed, temperature, guidance }: Asked): void {
    this.seeds.value = String(seed);
    this.temperature.value = String(temperature ?? this.run.temperature);
    this.guidance.value = guidance === undefined ? '' : String(guidance);
    this.isAsked = temperature !== undefined || guidance !== undefined;
    this.say();
  }

  set seed(seed: number) {
    this.seeds.value = String(seed % 2 ** 32);
  }

  private reset(): void {
    this.temperature.value = String(this.run.temperature);
    this.guidance.value = '';
    this.say();
  }

  private say(): void {
    this.degrees.value = this.temperature.value;
    this.back.hidden = Number(this.temperature.value) === this.run.temperature && this.guidance.value === '';
  }
}
