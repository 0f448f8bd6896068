/** @file The painting loop: which orders share a batch, that every call gets its own pictures, and how calls end. */
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { type Batch, type BatchPainter, type Order, PaintQueue } from '../../src/families/queue.ts';
import type { Picture } from '../../src/image/images.ts';

/** A picture that says which order it is of. */
const pictureOf = ({ caption, seed, number }: Order): Picture => ({
  width: 1,
  height: 1,
  data: Uint8Array.of(caption.length, seed, number),
});

const ordersOf = (caption: string, count: number, seed = 0): Order[] =>
  Array.from({ length: count }, (_, number) => ({ caption, seed, number }));

/** Paints in three steps, each of which waits until the test lets it go on. */
class SlowBrush implements BatchPainter {
  readonly batches: (readonly Order[])[] = [];
  readonly steps: number[] = [];
  readonly batchSize: number;
  readonly kindOf: BatchPainter['kindOf'];
  private goOn: (() => void)[] = [];
  private readonly free: boolean;

  constructor(batchSize: number, options: { readonly kindOf?: BatchPainter['kindOf']; readonly free?: boolean } = {}) {
    this.batchSize = batchSize;
    this.kindOf = options.kindOf;
    this.free = options.free ?? true;
  }

  async paint({ orders, onStep, onUnfinished }: Batch): Promise<Picture[]> {
    this.batches.push(orders);
    for (let step = 1; step <= 3; step++) {
      if (!this.free) await new Promise<void>(resolve => this.goOn.push(resolve));
      this.steps.push(step);
      onUnfinished?.(orders.map(pictureOf));
      onStep(step / 3);
    }
    return orders.map(pictureOf);
  }

  /** Lets the batch under way do a step, and what follows from it happen. */
  async step(): Promise<void> {
    this.goOn.shift()?.();
    await settled();
  }
}

const settled = () => new Promise(resolve => setImmediate(resolve));
const captionsOf = (batches: readonly (readonly Order[])[]) => batches.map(orders => orders.map(o => o.caption).join());
const messageOf = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);

describe('one call', () => {
  test('is painted in batches of what fits, or of less where less is asked for, and in its order', async () => {
    for (const [batchSize, sizes] of [
      [undefined, [4, 4, 2]],
      [3, [3, 3, 3, 1]],
      [100, [4, 4, 2]],
    ] as const) {
      const brush = new SlowBrush(4);
      const orders = ordersOf('a', 10);
      const pictures = await new PaintQueue(brush, 'run').paint(orders, { batchSize });
      expect(brush.batches.map(batch => batch.length)).toEqual(sizes);
      expect(brush.batches.flat()).toEqual(orders);
      expect(pictures).toEqual(orders.map(pictureOf));
    }
  });

  test('of captions of two kinds has every picture in its place', async () => {
    const brush = new SlowBrush(4, { kindOf: caption => String(caption === '') });
    const orders = ['a', '', 'a', '', 'a', 'a', 'a'].map((caption, number) => ({ caption, seed: 1, number }));
    expect(await new PaintQueue(brush, 'run').paint(orders)).toEqual(orders.map(pictureOf));
    expect(captionsOf(brush.batches)).toEqual(['a,a,a,a', 'a', ',']);
  });

  test('says how far it is, step by step, up to all', async () => {
    const seen: number[] = [];
    const onProgress = (done: number, total: number) => {
      expect(total).toBe(6);
      seen.push(Math.round(done * 3));
    };
    await new PaintQueue(new SlowBrush(3), 'run').paint(ordersOf('a', 6), { onProgress });
    expect(seen).toEqual([3, 6, 9, 9, 12, 15, 18, 18]);
  });

  test('of nothing is nothing', async () => {
    const brush = new SlowBrush(3);
    expect(await new PaintQueue(brush, 'run').paint([])).toEqual([]);
    expect(brush.batches).toEqual([]);
  });
});

describe('calls beside each other', () => {
  test('of the same moment share batches, and each has its own pictures', async () => {
    const brush = new SlowBrush(8);
    const queue = new PaintQueue(brush, 'run');
    const wanted = [ordersOf('a', 3, 1), ordersOf('bb', 2, 2), ordersOf('ccc', 1, 3)];
    const got = await Promise.all(wanted.map(orders => queue.paint(orders, { temperature: 0.5 })));
    expect(got).toEqual(wanted.map(orders => orders.map(pictureOf)));
    expect(captionsOf(brush.batches)).toEqual(['a,bb,ccc,a,bb,a']);
  });

  test('that come while others run are in the next batch, and none waits for all of another', async () => {
    const brush = new SlowBrush(4, { free: false });
    const queue = new PaintQueue(brush, 'run');
    const ended: string[] = [];
    const start = (caption: string, count: number) =>
      queue.paint(ordersOf(caption, count)).then(() => ended.push(caption));
    const long = start('long', 12);
    await settled();
    const [short, other] = [start('short', 1), start('other', 1)];
    while (ended.length < 3) await brush.step();
    await Promise.all([long, short, other]);
    expect(captionsOf(brush.batches)).toEqual([
      'long,long,long,long',
      'short,other,long,long',
      'long,long,long,long',
      'long,long',
    ]);
    expect(ended).toEqual(['short', 'other', 'long']);
  });

  test('with other settings, or who look at unfinished pictures, have batches of their own', async () => {
    const brush = new SlowBrush(8);
    const queue = new PaintQueue(brush, 'run');
    const unfinished: number[] = [];
    await Promise.all([
      queue.paint(ordersOf('a', 1), { temperature: 1 }),
      queue.paint(ordersOf('b', 1), { temperature: 0.5 }),
      queue.paint(ordersOf('c', 1), { temperature: 1 }),
      queue.paint(ordersOf('d', 1), { temperature: 1, onUnfinished: pictures => unfinished.push(pictures.length) }),
      queue.paint(ordersOf('e', 1), { temperature: 1, batchSize: 2 }),
    ]);
    expect(captionsOf(brush.batches).sort()).toEqual(['a,c', 'b', 'd', 'e']);
    expect(unfinished).toEqual([1, 1, 1]);
  });

  test('who looks hears which of his pictures they are', async () => {
    const brush = new SlowBrush(2, { kindOf: caption => String(caption === '') });
    const orders = ['a', '', 'a', 'a'].map((caption, number) => ({ caption, seed: 0, number }));
    const seen = new Set<string>();
    await new PaintQueue(brush, 'run').paint(orders, {
      onUnfinished: (pictures, places) => {
        for (const [i, { data }] of pictures.entries()) seen.add(`${data[2]} at ${places[i]}`);
      },
    });
    expect(seen).toEqual(new Set(['0 at 0', '2 at 2', '3 at 3', '1 at 1']));
  });
});

describe('a call that is stopped', () => {
  test('before it begins paints nothing', async () => {
    const brush = new SlowBrush(4);
    const signal = AbortSignal.abort(new Error('no'));
    await expect(new PaintQueue(brush, 'run').paint(ordersOf('a', 1), { signal })).rejects.toThrow('no');
    expect(brush.batches).toEqual([]);
  });

  test('ends at once, and its batch at its next step', async () => {
    const brush = new SlowBrush(4, { free: false });
    const queue = new PaintQueue(brush, 'run');
    const stop = new AbortController();
    const message = messageOf(queue.paint(ordersOf('a', 8), { signal: stop.signal }));
    await settled();
    await brush.step();
    stop.abort(new Error('enough'));
    expect(await message).toBe('enough');
    for (let i = 0; i < 5; i++) await brush.step();
    expect(brush.steps).toEqual([1, 2]); // the third, and the second batch, never came
    const next = queue.paint(ordersOf('b', 1));
    for (let i = 0; i < 4; i++) await brush.step();
    expect(await next).toEqual(ordersOf('b', 1).map(pictureOf)); // the queue goes on
  });

  test('leaves the pictures of those beside it alone', async () => {
    const brush = new SlowBrush(4, { free: false });
    const queue = new PaintQueue(brush, 'run');
    const stop = new AbortController();
    const stopped = messageOf(queue.paint(ordersOf('a', 3), { signal: stop.signal }));
    const other = queue.paint(ordersOf('bb', 2));
    await settled();
    stop.abort(new Error('enough'));
    for (let i = 0; i < 8; i++) await brush.step();
    expect(await stopped).toBe('enough');
    expect(await other).toEqual(ordersOf('bb', 2).map(pictureOf));
  });

  test('by its own callback that throws ends alone', async () => {
    const queue = new PaintQueue(new SlowBrush(4), 'run');
    const onProgress = () => {
      throw new Error('mine');
    };
    const [broken, sound] = [queue.paint(ordersOf('a', 1), { onProgress }), queue.paint(ordersOf('b', 1))];
    expect(await messageOf(broken)).toBe('mine');
    expect(await sound).toEqual(ordersOf('b', 1).map(pictureOf));
  });
});

describe('what cannot be painted', () => {
  test('ends the calls of its batch with its error, and the queue goes on', async () => {
    const brush: BatchPainter = {
      batchSize: 1,
      paint: async ({ orders }) => {
        if (orders[0].caption === 'bad') throw new Error('broken');
        return orders.map(pictureOf);
      },
    };
    const queue = new PaintQueue(brush, 'run');
    const [bad, good] = [queue.paint(ordersOf('bad', 2)), queue.paint(ordersOf('good', 2))];
    expect(await messageOf(bad)).toBe('broken');
    expect(await good).toEqual(ordersOf('good', 2).map(pictureOf));
  });

  test('after close: what waits and what comes is refused, and the model is freed after the batch under way', async () => {
    const brush = new SlowBrush(1, { free: false });
    const queue = new PaintQueue(brush, 'runs/a');
    let freed = 0;
    const waiting = queue.paint(ordersOf('a', 2)).catch((error: unknown) => error);
    await settled();
    queue.close(() => freed++);
    expect(await waiting).toBeInstanceOf(UserError);
    expect(await messageOf(queue.paint(ordersOf('a', 1)))).toBe('painter: runs/a was disposed of');
    expect(freed).toBe(0);
    for (let i = 0; i < 4; i++) await brush.step();
    expect(freed).toBe(1);
    queue.close(() => freed++);
    expect(freed).toBe(1);
  });
});
