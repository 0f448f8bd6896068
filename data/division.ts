/**
 * @file The sides of a data set in a training: what is trained on, what is held out, what is left alone. Follows the published
 * split where there is one, else a hash of names.
 */

import { checkOptions, checkValue, choiceCheck, listCheck, numberCheck, objectCheck } from '../src/core/checks.ts';
import { type Item, type Split, splitOf } from './dataset.ts';

/** What of an item decides on which side it falls. */
export type Placed = Pick<Item, 'id' | 'group' | 'split'>;

export interface DivisionOptions {
  /** Share that the hash holds out, in [0, 1]; default 0.05. */
  readonly validation?: number;
  /** Published splits that are trained on; default `['train']`. */
  readonly split?: readonly Split[];
}

/** A data set divided; every item is on one side. */
export interface Division<T extends Placed = Item> {
  readonly training: readonly T[];
  readonly heldOut: readonly T[];
  /** Items of a published split that is neither trained on nor held out. */
  readonly unused: readonly T[];
  /** Whether what is held out was published so; else the hash chose it. */
  readonly published: boolean;
}

const optionChecks = {
  validation: numberCheck({ least: 0, most: 1 }),
  split: listCheck('splits', choiceCheck(['train', 'validation', 'test']), { least: 1 }),
};

/**
 * Divides items. Trained on are those of the published splits that are asked for, and those that have none. Held out are those
 * of the published validation split, unless it is trained on, and by the hash a share of the items that have no split; where
 * no validation split is held out, a share of all that would be trained on. Which side an item falls on never depends on its
 * place.
 * @throws UserError naming the first argument that does not fit
 */
export function divideItems<T extends Placed>(items: readonly T[], options: DivisionOptions = {}): Division<T> {
  checkValue('divideItems: items', items, listCheck('items', objectCheck));
  checkOptions('divideItems', options, optionChecks);
  const { validation = 0.05, split: trained = ['train'] } = options;
  const published = !trained.includes('validation') && items.some(({ split }) => split === 'validation');
  const [training, heldOut, unused]: T[][] = [[], [], []];
  for (const item of items) {
    const { id, group, split } = item;
    if (split !== undefined && !trained.includes(split)) (split === 'validation' ? heldOut : unused).push(item);
    else if (split !== undefined && published) training.push(item);
    else (splitOf({ id, group }, validation) === 'validation' ? heldOut : training).push(item);
  }
  return { training, heldOut, unused, published };
}

/** Items on the sides of the names: `train` what is trained on, `validation` what is held out, `test` the published test split. */
export function itemsOn<T extends Placed>({ training, heldOut, unused }: Division<T>, sides: readonly Split[]): T[] {
  return [
    ...(sides.includes('train') ? training : []),
    ...(sides.includes('validation') ? heldOut : []),
    ...unused.filter(({ split }) => split !== undefined && sides.includes(split)),
  ];
}

/**
 * How many items of each published split are on which side, in a line; undefined where no split is published.
 * E.g. `published split: 6 train, 2 validation held out, 2 test not used (--split)`.
 */
export function describeDivision({ training, heldOut, unused, published }: Division<Placed>): string | undefined {
  if (![...training, ...heldOut, ...unused].some(({ split }) => split !== undefined)) return undefined;
  const counted = (side: readonly Placed[], what: (split: Split | undefined) => string) =>
    (['train', 'validation', 'test', undefined] as const).flatMap(split => {
      const { length } = side.filter(item => item.split === split);
      return length === 0 ? [] : [`${length} ${split ?? 'of no split'}${what(split)}`];
    });
  const parts = [
    ...counted(training, split => (split === 'train' ? '' : ' trained on')),
    ...counted(heldOut, split => (published && split === 'validation' ? ' held out' : ' held out by the hash')),
    ...counted(unused, () => ' not used (--split)'),
  ];
  return `published split: ${parts.join(', ')}`;
}
