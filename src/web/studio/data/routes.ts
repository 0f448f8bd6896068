/** @file What the studio answers about data sets. */
import type { ServerResponse } from 'node:http';
import type { Split } from '../../../../data/dataset.ts';
import { familyOf } from '../../../families/families.ts';
import { readHeader } from '../../../image/decode.ts';
import { guardHeaders, Refusal, readJsonBody, sendJson } from '../../guard.ts';
import type { Asked, Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import { itemsPage } from './items.ts';
import type { DataDetail, DataFacts } from './messages.ts';
import { type OpenData, OpenedData } from './opened.ts';
import { piecesOf, type RunEyes, RunsEyes, runsFor } from './run-eyes.ts';
import { squareOf, Thumbnails } from './thumbnails.ts';

/** Problems that are told. */
const MOST_PROBLEMS = 500;
/** Sides of thumbnails. */
const SIZES: readonly string[] = ['96', '192', '512'];

export function dataRoutes(studio: Studio): Route[] {
  const { library, onError, signal } = studio;
  const opened = new OpenedData();
  const runs = new RunsEyes();
  const thumbnails = new Thumbnails();
  const open = async ({ params }: Asked) => opened.open(await library.dataset(params.data));
  const eyesOf = async ({ query }: Asked): Promise<RunEyes | undefined> => {
    const run = query.get('run') ?? '';
    return run === '' ? undefined : runs.open(await library.run(run));
  };
  return [
    {
      method: 'GET',
      path: '/api/data/:data',
      answer: async (asked, response) => {
        const place = await library.dataset(asked.params.data);
        const data = await opened.open(place);
        const { id, name } = place;
        const found = await runsFor(place, (await library.look()).runs);
        sendJson(response, 200, { id, name, ...factsOf(data), runs: found } satisfies DataFacts);
      },
    },
    {
      method: 'GET',
      path: '/api/data/:data/items',
      answer: async (asked, response) =>
        sendJson(response, 200, itemsPage(await open(asked), asked.query, (await eyesOf(asked))?.sides)),
    },
    {
      method: 'GET',
      path: '/api/data/:data/items/:index',
      answer: async (asked, response) => {
        sendJson(response, 200, await detailOf(await open(asked), asked.params.index, await eyesOf(asked)));
      },
    },
    {
      method: 'GET',
      path: '/api/data/:data/pictures/:index',
      answer: async (asked, response) => {
        const { item } = (await open(asked)).item(asked.params.index);
        const size = asked.query.get('size') ?? '96';
        if (!SIZES.includes(size)) throw new Refusal(400, `size: expected one of ${SIZES.join(', ')}`);
        const key = `${asked.params.data} ${item.id}`;
        sendPicture(response, 'image/webp', await thumbnails.of(item, { key, size: Number(size) }));
      },
    },
    {
      method: 'GET',
      path: '/api/data/:data/squares/:index',
      answer: async (asked, response) => {
        const { item } = (await open(asked)).item(asked.params.index);
        const eyes = await eyesOf(asked);
        if (eyes === undefined) throw new Refusal(400, 'run: expected a run');
        sendPicture(response, 'image/png', await squareOf(item, eyes.config.images.imageSize));
      },
    },
    {
      method: 'GET',
      path: '/api/data/:data/inspection',
      answer: async (asked, response) => sendJson(response, 200, (await open(asked)).inspecting.state),
    },
    {
      method: 'POST',
      path: '/api/data/:data/inspection',
      answer: async (asked, response) => {
        await readJsonBody(asked.request, { most: 64 });
        const { inspecting } = await open(asked);
        inspecting.begin({ signal, onError });
        sendJson(response, 200, inspecting.state);
      },
    },
  ];
}

function factsOf({ dataset, sides, published }: OpenData): Omit<DataFacts, 'id' | 'name' | 'runs'> {
  const { format, items, notices, problems, unused } = dataset;
  const on = (side: Split) => [...sides.values()].filter(each => each === side).length;
  return {
    ...{ format, images: items.length, notices, published },
    sides: { train: on('train'), validation: on('validation'), test: on('test') },
    problems: problems.slice(0, MOST_PROBLEMS),
    unused: unused.slice(0, MOST_PROBLEMS),
  };
}

async function detailOf(data: OpenData, at: string, eyes: RunEyes | undefined): Promise<DataDetail> {
  const { item, index } = data.item(at);
  const encoded = await item.read().catch((error: unknown) => {
    throw new Refusal(422, `${item.id}: ${error instanceof Error ? error.message : error}`);
  });
  const { width, height, encoding } = await readHeader(encoded);
  const hasPatches = eyes !== undefined && familyOf(eyes.config.family).stages.includes('patch');
  const { id, captions } = item;
  return {
    ...{ index, id, captions, width, height, encoding, bytes: encoded.length },
    side: sideOf(data, at, eyes),
    pieces: eyes === undefined ? null : captions.map(caption => piecesOf(caption, eyes)),
    imageSize: eyes?.config.images.imageSize ?? null,
    grid: hasPatches ? eyes.config.patch.grid : null,
  };
}

function sideOf(data: OpenData, at: string, eyes: RunEyes | undefined): Split | null {
  const { item } = data.item(at);
  return (eyes?.sides === undefined ? data.sides.get(item) : eyes.sides.get(item.id)) ?? null;
}

function sendPicture(response: ServerResponse, type: string, bytes: Uint8Array): void {
  const cached = { 'Cache-Control': 'private, max-age=60' };
  response.writeHead(200, { ...guardHeaders(), ...cached, 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(bytes);
}
