/**
 * @file The library from outside: a run is trained, stopped, gone on with, painted, measured, compared and exported by
 * functions alone; and every public function refuses what does not fit in one line.
 */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import * as library from '../src/index.ts';
import {
  BpeTokenizer,
  collectStudy,
  compare,
  decodePicture,
  divideItems,
  drawEmoji,
  drawModes,
  drawShapes,
  drawSheet,
  encodeAnimation,
  encodePng,
  evaluate,
  exportRun,
  findNearest,
  inspectDataset,
  keepOf,
  knownCaptions,
  makeStudy,
  openClip,
  openDataset,
  openPainter,
  openTokenizers,
  type ProgressEvent,
  planTraining,
  presetNames,
  rankPictures,
  readPngText,
  readRunConfig,
  reconstruct,
  reportStudy,
  splitOf,
  startBackend,
  Tessera,
  train,
  trainFeatureNetwork,
  UserError,
  writeLogs,
} from '../src/index.ts';
import { captions, draw, hardlyTrained, temporaryFolder, writeDrawings } from './cli/program.ts';
import { writeClip } from './features/clip-fixture.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const run = join(folder, 'run');
const config = { ...hardlyTrained, train: { ...hardlyTrained.train, steps: 4, saveEvery: 1 } };
const events: ProgressEvent[] = [];
const native = { backend: 'native', precision: 'fp32' } as const;

beforeAll(async () => {
  await writeDrawings(data);
  const trained = await train({ data, out: run, config, ...native, onProgress: event => events.push(event) });
  expect(trained).toEqual({ finished: true });
});

const square = { width: 4, height: 4, data: new Uint8Array(48) };

/** What happened, without what is said step by step. */
const stagesOf = (seen: readonly ProgressEvent[]) =>
  seen.flatMap(event => ('stage' in event && event.type !== 'step' ? `${event.type} ${event.stage}` : []));

describe('train', () => {
  test('tells its stages in their order, every step with its loss, and pictures', () => {
    expect(stagesOf(events)).toEqual(
      ['caption tokenizer', 'patch tokenizer', 'codes', 'transformer'].flatMap(name => [
        `stage ${name}`,
        `end ${name}`,
      ]),
    );
    const steps = events.filter(event => event.type === 'step' && event.stage === 'transformer');
    expect(steps.map(event => event.type === 'step' && event.step)).toEqual([1, 2, 3, 4]);
    for (const event of steps) expect(event.type === 'step' && event.loss).toBeGreaterThan(0);
    expect(events.some(event => event.type === 'pictures' && event.pictures.length > 0)).toBe(true);
  });

  test('stops at its signal, and the same call goes on to the same weights', async () => {
    const out = join(folder, 'stopped');
    const stop = new AbortController();
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'step' && event.stage === 'transformer' && event.step === 2) stop.abort();
    };
    const { signal } = stop;
    expect(await train({ data, out, config, ...native, signal, onProgress })).toEqual({ finished: false });
    const again: ProgressEvent[] = [];
    expect(await train({ data, out, config, ...native, onProgress: event => again.push(event) })).toEqual({
      finished: true,
    });
    expect(stagesOf(again)).toEqual([
      'skip caption tokenizer',
      'skip patch tokenizer',
      'skip codes',
      'stage transformer',
      'end transformer',
    ]);
    const [whole, resumed] = [await Tessera.load(run, native), await Tessera.load(out, native)];
    for (const [i, { variable }] of whole.model.parameters.list().entries()) {
      expect(resumed.model.parameters.list()[i].variable.dataSync()).toEqual(variable.dataSync());
    }
    whole.dispose();
    resumed.dispose();
  });

  test('refuses another config of a run that is there', async () => {
    await expect(train({ data, out: run, config: { ...config, seed: 5 } })).rejects.toThrow(
      /expected seed 0, as the run in .* has it, got 5/,
    );
  });
});

describe('what was trained', () => {
  test('has tokenizers that go there and back', async () => {
    const tokenizers = await openTokenizers(run, native);
    const ids = tokenizers.captions.encode('red circle');
    expect(tokenizers.captions.decode(ids)).toBe('red circle');
    const codes = Int32Array.from({ length: 32 }, (_, i) => i);
    const pictures = await tokenizers.pictures.decode(codes);
    expect(pictures).toHaveLength(2);
    expect(await tokenizers.pictures.encode(pictures)).toHaveLength(32);
    tokenizers.pictures.dispose();
    await expect(tokenizers.pictures.decode(codes)).rejects.toThrow('codec: it was disposed of');
  });

  test('is measured and compared', async () => {
    const seen: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent) => seen.push(event);
    const metrics = ['kid'];
    const { records, step } = await evaluate({ run, data, metrics, numImages: 8, reference: 8, ...native, onProgress });
    expect(step).toBe(4);
    expect(records.map(({ metric }) => metric)).toContain('kid');
    expect(stagesOf(seen)).toContain('stage painting');
    const out = join(folder, 'page.html');
    const { report } = await compare({ runs: [run], out, captions: ['red circle'], metrics, ...native });
    expect(report.grid?.captions).toEqual(['red circle']);
    expect(existsSync(out)).toBe(true);
  });

  test('stops being measured at the signal', async () => {
    const stop = new AbortController();
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'step') stop.abort();
    };
    const { signal } = stop;
    const work = evaluate({ run, data, metrics: ['kid'], numImages: 8, reference: 8, ...native, signal, onProgress });
    expect(await work.catch((error: unknown) => error)).toBe(signal.reason);
    await expect(evaluate({ run, data, signal })).rejects.toBe(signal.reason);
  });

  test('is exported, and the copy paints the same pictures', async () => {
    const out = join(folder, 'export');
    await startBackend('cpu');
    const { step, weights, bytes } = await exportRun({ run, out, dtype: 'f32' });
    expect({ step, weights }).toEqual({ step: 4, weights: 'ema' });
    expect(tf.getBackend()).toBe('cpu'); // painters that are open compute on
    expect(bytes).toBeGreaterThan(1000);
    const [original, copy] = [await openPainter(run, native), await openPainter(out, native)];
    const options = { seed: 3, temperature: 0.9 };
    expect(await copy.paint(['red circle', ''], options)).toEqual(await original.paint(['red circle', ''], options));
    original.dispose();
    copy.dispose();
    await expect(exportRun({ run, out })).rejects.toThrow('there is a run in');
  });

  test('is asked people about: every run paints the same captions from the same seeds', async () => {
    const [out, twin] = [join(folder, 'asked'), join(folder, 'twin')];
    cpSync(run, twin, { recursive: true });
    const texts = [...captions, 'teal square'];
    const asked = { texts, images: 2, trials: 10, seed: 5, questions: ['fits', 'finished'] as const };
    const said: string[] = [];
    const onProgress = (event: ProgressEvent) => event.type === 'message' && said.push(event.text);
    const { study, key } = await makeStudy({ runs: [run, twin], out, ...asked, ...native, onProgress });
    expect(said).toContain('real and copy are left out: the captions are not of a data set');
    expect(key.systems.map(({ name }) => name)).toEqual(['run', 'twin']);
    expect(study.wording.questions.fits.ask).toBe('Which pictures fit this description better?');
    const painter = await openPainter(run, native);
    const shown = Object.entries(key.pictures).filter(([, { control }]) => control === null);
    expect(shown.length).toBeGreaterThan(30);
    const painted = await painter.paint(
      shown.map(([, { caption }]) => caption),
      { seed: 5, numbers: shown.map(([, { image }]) => image ?? 0) },
    );
    painter.dispose();
    for (const [i, [id]] of shown.entries()) {
      expect(await decodePicture(readFileSync(join(out, 'pictures', `${id}.png`)))).toEqual(painted[i]);
    }
    await expect(makeStudy({ runs: [run, twin], out, ...asked })).rejects.toThrow('there is a study in it');
  });

  test('goes through its tokenizer and back, and says what was lost', async () => {
    expect(await readRunConfig(run)).toMatchObject({ family: 'transformer', images: { imageSize: 32 } });
    const picture = await decodePicture(await draw('red circle'), { size: 32 });
    const { pictures, psnr } = await reconstruct([picture], run, native);
    expect([pictures[0].width, pictures[0].data.length]).toEqual([32, 32 * 32 * 3]);
    const squares = picture.data.reduce((sum, byte, i) => sum + (byte - pictures[0].data[i]) ** 2, 0);
    expect(psnr[0]).toBeCloseTo(10 * Math.log10((255 ** 2 * picture.data.length) / squares), 8);
  });

  test('completes a picture where a mask says so', async () => {
    const painter = await openPainter(run, native);
    const image = await decodePicture(await draw('red circle'), { size: 32 });
    const mask = { width: 8, height: 8, data: new Uint8Array(192).fill(255, 96) }; // black above
    const keep = keepOf(mask, painter.grid ?? 0);
    expect(keep).toEqual([...Array(8).fill(true), ...Array(8).fill(false)]);
    const [completed] = await painter.paint(['blue square'], { completion: { image, keep } });
    const [other] = await painter.paint(['blue square']);
    expect(completed).not.toEqual(other);
    painter.dispose();
  });

  test('of the data set has its items', async () => {
    const { items, problems } = await openDataset(data);
    expect(items.flatMap(item => item.captions).sort()).toEqual([...captions].sort());
    expect(problems).toEqual([]);
  });
});

describe('data and pictures', () => {
  test('are drawn, looked at, stopped at a signal, and laid out', async () => {
    const out = join(folder, 'shapes');
    const seen: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent) => seen.push(event);
    expect(await drawShapes({ out, count: 12, size: 16, holdOut: 0.25, onProgress })).toMatchObject({ heldOut: 3 });
    expect(stagesOf(seen)).toEqual(['stage shapes', 'end shapes']);
    expect(await drawShapes({ out, count: 12, size: 16, holdOut: 0.25 })).toMatchObject({ upToDate: true });
    const inspection = await inspectDataset(out, { format: 'metadata' });
    expect(inspection).toMatchObject({ images: 12, validation: 3, width: { min: 16, max: 16 } });
    expect(await drawEmoji({ out: join(folder, 'emoji'), styles: ['noto'], limit: 3, size: 16 })).toMatchObject({
      counts: { noto: 3 },
    });
    const stop = new AbortController();
    const stopping = drawModes({
      ...{ out: join(folder, 'modes'), perMode: 1, size: 16, signal: stop.signal },
      onProgress: event => event.type === 'step' && stop.abort(),
    });
    expect(await stopping.catch((error: unknown) => error)).toBe(stop.signal.reason);
    expect(existsSync(join(folder, 'modes', 'metadata.jsonl'))).toBe(false);

    const { items } = await openDataset(out);
    const pictures = await Promise.all(items.map(async item => decodePicture(await item.read())));
    const sheet = await drawSheet(
      pictures.map(picture => ({ picture, label: 'x' })),
      { columns: 4 },
    );
    expect(sheet.width).toBeGreaterThan(4 * 16);
    expect(await findNearest(pictures, [pictures[5]])).toEqual([{ index: 5, distance: 0 }]);
  });

  test('are ranked by a CLIP', async () => {
    const name = join(folder, 'clip');
    writeClip(name);
    const clip = await openClip(name);
    const image = await decodePicture(await draw('red circle'), { size: 32 });
    const mirrored = { ...image, data: Uint8Array.from(image.data).reverse() };
    const ranked = await rankPictures(clip, 'red circle', [image, mirrored, image]);
    expect(ranked.map(({ index }) => index).sort()).toEqual([0, 1, 2]);
    const scores = await clip.score('red circle', [image, mirrored, image]);
    expect(ranked.map(({ score }) => score)).toEqual([...scores].sort((a, b) => b - a));
    await expect(clip.score(5 as never, [])).rejects.toThrow('score: caption: expected text, got 5');
    await clip.dispose();
  });

  test('there is a preset for every name', () => expect(presetNames).toContain('small'));
});

/** Every function that takes arguments, with some that do not fit. Methods of loaded runs: tessera.test.ts. */
/** A black picture. */
const blankOf = (side: number) => ({ width: side, height: side, data: new Uint8Array(side * side * 3) });

const refused: Readonly<Record<string, readonly (readonly [() => unknown, string])[]>> = {
  openDataset: [
    [() => openDataset(5 as never), 'openDataset: path: expected a path, got 5'],
    [() => openDataset(data, { strict: 'yes' } as never), 'openDataset: strict: expected true or false, got "yes"'],
    [() => openDataset(join(folder, 'nowhere')), 'no such folder or file'],
  ],
  train: [
    [() => train(undefined as never), 'train: expected an object of options, got nothing'],
    [() => train({ data } as never), 'train: out: expected a path, got nothing'],
    [() => train({ data, out: '' }), 'train: out: expected a path, got ""'],
    [() => train({ data, out: run, steps: 5 } as never), 'train: unknown option steps'],
    [() => train({ data, out: run, preset: 'huge' as never }), 'train: preset: expected one of '],
    [() => train({ data, out: run, threads: -1 }), 'train: threads: expected a whole number from 1 to 64, got -1'],
    [() => train({ data, out: join(folder, 'x'), config: { model: { width: Number.NaN } } }), 'model.width: expected'],
    [() => train({ data, out: run, onProgress: 5 as never }), 'train: onProgress: expected a function, got 5'],
  ],
  planTraining: [
    [() => planTraining({} as never), 'planTraining: data: expected a path, got nothing'],
    [() => planTraining({ data, out: run } as never), 'planTraining: unknown option out'],
    [() => planTraining({ data, config: { plan: { minutes: 1, epochs: 2 } } }), 'expected one of them'],
    [() => planTraining({ data, config: { plan: { minutes: -1 } } }), 'plan.minutes: expected a number'],
  ],
  trainFeatureNetwork: [
    [() => trainFeatureNetwork({ data } as never), 'trainFeatureNetwork: out: expected a path, got nothing'],
    [() => trainFeatureNetwork({ data, out: join(folder, 'y'), config: { steps: 3 } }), 'config: unknown field steps'],
    [
      () => trainFeatureNetwork({ data, out: join(folder, 'y'), config: { textTrain: { steps: -1 } } }),
      'config: textTrain.steps: expected a whole number above 0 and at most 1000000000, got -1',
    ],
  ],
  evaluate: [
    [() => evaluate({ run } as never), 'evaluate: data: expected a path, got nothing'],
    [
      () => evaluate({ run, data, numImages: 0 }),
      'evaluate: numImages: expected a whole number from 1 to 100000, got 0',
    ],
    [() => evaluate({ run, data, seed: 2 ** 32 }), 'evaluate: seed: expected a whole number from 0 to 4294967295'],
    [() => evaluate({ run, data, metrics: [] }), 'evaluate: metrics: expected an array of at least 1 names, got none'],
    [() => evaluate({ run, data, metrics: ['beauty'] }), 'got "beauty"'],
    [() => evaluate({ run: join(folder, 'none'), data }), 'no run in'],
  ],
  compare: [
    [() => compare({ runs: [], out: 'x.html' }), 'compare: runs: expected an array of at least 1 folders, got none'],
    [() => compare({ runs: [run] } as never), 'compare: out: expected a path, got nothing'],
    [() => compare({ runs: run as never, out: 'x.html' }), 'compare: runs: expected an array'],
  ],
  exportRun: [
    [() => exportRun({ run } as never), 'exportRun: out: expected a path, got nothing'],
    [
      () => exportRun({ run, out: 'x', dtype: 'int8' as never }),
      'exportRun: dtype: expected one of bf16, f32, got "int8"',
    ],
  ],
  openPainter: [
    [() => openPainter(5 as never), 'openPainter: run: expected a path, got 5'],
    [() => openPainter(run, { weights: 'good' as never }), 'openPainter: weights: expected one of ema, best, last'],
    [() => openPainter(run, { backend: 'gpu' as never }), 'openPainter: backend: expected one of auto, '],
  ],
  readRunConfig: [
    [() => readRunConfig(''), 'readRunConfig: run: expected a path, got ""'],
    [() => readRunConfig(join(folder, 'none')), 'readRunConfig: no run in'],
  ],
  reconstruct: [
    [() => reconstruct('x' as never), 'reconstruct: pictures: expected an array of pictures, got "x"'],
    [() => reconstruct([square], run), 'expected 32 x 32 pixels, got 4 x 4'],
    [() => reconstruct([], run, { backend: 'gpu' as never }), 'reconstruct: backend: expected one of auto, '],
  ],
  inspectDataset: [
    [() => inspectDataset(5 as never), 'inspectDataset: data: expected a path, got 5'],
    [() => inspectDataset(data, { validation: 2 }), 'inspectDataset: validation: expected a number from 0 to 1, got 2'],
  ],
  drawEmoji: [
    [() => drawEmoji({} as never), 'drawEmoji: out: expected a path, got nothing'],
    [() => drawEmoji({ out: 'x', styles: ['apple'] }), 'drawEmoji: styles: expected an array of at least 1 sets'],
  ],
  drawShapes: [
    [() => drawShapes({ out: 'x', count: 0 }), 'drawShapes: count: expected a whole number from 1 to 1000000, got 0'],
    [() => drawShapes({ out: 'x', holdOut: 1 }), 'drawShapes: holdOut: expected a number from 0 to 0.5, got 1'],
  ],
  drawModes: [
    [() => drawModes({ out: 'x', size: 8 }), 'drawModes: size: expected a whole number from 16 to 256, got 8'],
  ],
  keepOf: [
    [
      () => keepOf(square, 3),
      'keepOf: mask: expected a square picture whose side is a multiple of 3, got 4 x 4 pixels',
    ],
    [() => keepOf(square, 0), 'keepOf: grid: expected a whole number from 1 to 4096, got 0'],
  ],
  drawSheet: [
    [() => drawSheet([], { columns: 1 }), 'drawSheet: cells: expected an array of at least 1 cells, got none'],
    [() => drawSheet([{ picture: square }], {} as never), 'drawSheet: columns: expected a whole number'],
    [() => drawSheet([{ picture: 5 }] as never, { columns: 1 }), 'where a cell, { picture, label } should be'],
  ],
  findNearest: [
    [() => findNearest([], [square]), 'findNearest: references: expected an array of at least 1 pictures, got none'],
    [
      () => findNearest([square, { ...square, width: 2, height: 8 }], []),
      'findNearest: references: expected an array of at least 1 pictures, got 2 x 8 pixels at 1',
    ],
  ],
  knownCaptions: [
    [() => knownCaptions('\0'), 'knownCaptions: run: expected a path'],
    [() => knownCaptions('x', { limit: 0 }), 'knownCaptions: limit: expected a whole number of at least 1, got 0'],
    [() => knownCaptions(run, { search: '!' }), "captions: search: expected words, got '!'"],
  ],
  openClip: [[() => openClip(''), 'openClip: name: expected a path, got ""']],
  rankPictures: [
    [() => rankPictures({} as never, 'x', []), 'rankPictures: clip: expected a CLIP, as openClip gives it'],
  ],
  openTokenizers: [[() => openTokenizers('\0'), 'openTokenizers: run: expected a path']],
  startBackend: [
    [() => startBackend('gpu' as never), 'startBackend: backend: expected one of auto, '],
    [
      () => startBackend('native', { threads: 0 }),
      'startBackend: threads: expected a whole number from 1 to 64, got 0',
    ],
  ],
  divideItems: [
    [() => divideItems('x' as never), 'divideItems: items: expected an array of items'],
    [() => divideItems([], { validation: 2 }), 'divideItems: validation: expected a number from 0 to 1, got 2'],
    [() => divideItems([], { split: ['val' as never] }), 'divideItems: split: expected an array of at least 1 splits'],
  ],
  splitOf: [[() => splitOf('x', Number.NaN), 'splitOf: validation: expected a number from 0 to 1, got NaN']],
  Tessera: [[() => Tessera.load(join(folder, 'none')), 'no run in']],
  BpeTokenizer: [
    [
      () => BpeTokenizer.train('red circle'),
      'BpeTokenizer.train: captions: expected a list of texts, got "red circle"',
    ],
    [() => BpeTokenizer.train([5 as never]), 'BpeTokenizer.train: captions: expected text, got 5'],
    [
      () => BpeTokenizer.train(['a'], { vocabSize: 10 }),
      'vocabSize: expected a whole number from 256 to 1048576, got 10',
    ],
    [() => BpeTokenizer.train(['a']).encode(null as never), 'BpeTokenizer.encode: caption: expected text, got null'],
    [() => BpeTokenizer.train(['a']).encode('a', { dropout: 2 }), 'BpeTokenizer.encode: expected dropout in [0, 1]'],
    [() => BpeTokenizer.train(['a']).encodeCaption('a', { length: 0 }), 'length: expected a whole number from 1'],
    [() => BpeTokenizer.train(['a']).decode(5 as never), 'BpeTokenizer.decode: ids: expected an array of ids, got 5'],
  ],
  encodeAnimation: [
    [() => encodeAnimation([]), 'encodeAnimation: pictures: expected'],
    [() => encodeAnimation([blankOf(2), blankOf(3)]), 'encodeAnimation: pictures: expected pictures of one size'],
    [() => encodeAnimation([blankOf(2)], { format: 'mp4' as never }), 'encodeAnimation: format: expected one of '],
    [() => encodeAnimation([blankOf(2)], { fps: 0 }), 'encodeAnimation: fps: expected'],
  ],
  makeStudy: [
    [() => makeStudy({} as never), 'makeStudy: runs: expected an array of at least 1 folders, got nothing'],
    [() => makeStudy({ runs: [run], out: 'x', questions: ['why' as never] }), 'makeStudy: questions: expected'],
    [() => makeStudy({ runs: [run], out: 'x', wording: { titel: 'x' } as never }), 'unknown field titel'],
    [() => makeStudy({ runs: [run], out: join(folder, 'study') }), 'expected --data or --text-file, got neither'],
    [() => makeStudy({ runs: [run], out: join(folder, 'study'), texts: ['a'] }), 'expected two systems to compare'],
    [() => makeStudy({ runs: [run], out: join(folder, 'study'), data, trials: 60 }), 'trials of a person need 26'],
    [() => makeStudy({ runs: [run], out: data, data, trials: 10 }), 'expected a new or empty folder'],
  ],
  collectStudy: [
    [() => collectStudy({ study: folder, files: [] }), 'collectStudy: files: expected an array of at least 1 files'],
    [() => collectStudy({ study: folder, files: ['x'] }), 'is no study'],
  ],
  reportStudy: [
    [() => reportStudy({} as never), 'reportStudy: study: expected a path, got nothing'],
    [() => reportStudy({ study: folder }), 'is no study'],
  ],
  writeLogs: [
    [() => writeLogs({} as never), 'writeLogs: run: expected a path, got nothing'],
    [() => writeLogs({ run, formats: [] }), 'writeLogs: formats: expected'],
    [() => writeLogs({ run, formats: ['xls' as never] }), 'writeLogs: formats: expected an array'],
    [() => writeLogs({ run: join(folder, 'nowhere') }), 'nowhere'],
  ],
  encodePng: [
    [() => encodePng({ width: 2, height: 2, data: new Uint8Array(3) }), 'got 3 bytes for 2 x 2 pixels'],
    [() => encodePng({ width: -1, height: 2, data: new Uint8Array(3) }), 'got a size of -1 x 2'],
    [() => encodePng('x' as never), 'encodePng: picture: expected a picture'],
  ],
  decodePicture: [
    [() => decodePicture('x' as never), 'decodePicture: expected the bytes of an image file, got "x"'],
    [
      () => decodePicture(new Uint8Array(5)),
      'decodePicture: expected an image, got 5 bytes: not a picture (zeros only)',
    ],
    [() => decodePicture(new Uint8Array(5), { size: 0 }), 'decodePicture: size: expected a whole number from 1'],
  ],
  readPngText: [
    [() => readPngText('x' as never), 'PNG: expected bytes, got "x"'],
    [() => readPngText(new Uint8Array(3)), 'PNG: expected a PNG file'],
  ],
};

describe('wrong arguments', () => {
  const cases = Object.entries(refused).flatMap(([name, list]) =>
    list.map(([call, message]) => ({ name, call, message })),
  );

  test.each(cases)('of $name: $message', async ({ call, message }) => {
    const error = await (async () => call())().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    const said = (error as UserError).message;
    expect(said).toContain(message);
    expect(said).not.toContain('\n');
  });

  test('are tried of every function that the library exports', () => {
    // Definitions have tests of their own, and so has what they are made of.
    const elsewhere =
      /^(define|remove)|^(bootstrap|captionsFrom|imageFile|mean|ordersOf|overImage|PaintQueue|Parameters|Random|runKernel|wilson)$/;
    const functions = Object.entries(library).filter(([, value]) => typeof value === 'function' && !isError(value));

    const missing = functions
      .map(([name]) => name)
      .filter(name => !(name in refused) && name !== 'shippedModel' && !elsewhere.test(name));
    expect(missing).toEqual([]);
  });
});

function isError(value: unknown): boolean {
  return typeof value === 'function' && value.prototype instanceof Error;
}
