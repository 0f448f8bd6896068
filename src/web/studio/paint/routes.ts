/** @file What the painting page asks of the studio. */
import type { ServerResponse } from 'node:http';
import { UserError } from '../../../core/errors.ts';
import { readRun } from '../../../families/config.ts';
import { familyOf } from '../../../families/families.ts';
import { decodeImage } from '../../../image/decode.ts';
import { guardHeaders, Refusal, readJsonBody, sendJson } from '../../guard.ts';
import { EventStream } from '../events.ts';
import type { Asked, Route } from '../routes.ts';
import type { Studio } from '../studio.ts';
import { Easel, type EaselStudio } from './easel.ts';
import { offerCaptions, paintingFacts } from './facts.ts';
import { readPicture } from './given-pictures.ts';
import type { GivenPicture, NearestPicture, PaintTicket, Remembered } from './messages.ts';
import { readOrder } from './order.ts';

/** Longest order, in bytes, and longest text that captions are looked for with. */
const MOST_BYTES = 65_536;
const MOST_TEXT = 1000;

/** See the file's doc. */
export function paintRoutes(studio: Studio): Route[] {
  return easelRoutes(studio, new Easel(studio));
}

/** The same of an easel of the caller's. */
export function easelRoutes(studio: EaselStudio, easel: Easel): Route[] {
  return [...runRoutes(studio, easel), ...pictureRoutes(studio, easel), ...jobRoutes(studio, easel)];
}

/** What a run paints with. */
function runRoutes({ library }: EaselStudio, easel: Easel): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/runs/:run/painting',
      answer: async ({ params }, response) => {
        const run = await library.run(params.run);
        const datasets = (await library.look()).datasets.map(({ id, name }) => ({ id, name }));
        sendJson(response, 200, await paintingFacts(run, { polite: await easel.polite(), datasets }));
      },
    },
    {
      method: 'GET',
      path: '/api/runs/:run/paintings',
      answer: async ({ params }, response) => {
        const { id } = await library.run(params.run);
        const paintings = easel.jobs.of(id).map(job => ({ job: job.id, order: job.order }));
        sendJson(response, 200, { paintings } satisfies Remembered);
      },
    },
    {
      method: 'GET',
      path: '/api/runs/:run/captions',
      answer: async ({ params, query }, response) => {
        const run = await library.run(params.run);
        const text = (query.get('search') ?? '').slice(0, MOST_TEXT);
        sendJson(response, 200, (await offerCaptions(run, text)) ?? { captions: [], total: 0, unseen: [] });
      },
    },
  ];
}

/** Pictures to complete. */
function pictureRoutes({ library }: EaselStudio, easel: Easel): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/pictures',
      answer: async ({ request, query, signal }, response) => {
        const run = await library.run(query.get('run') ?? '');
        const { images, family } = await readRun(run.folder, 'paint');
        const { piecewise, words } = familyOf(family);
        if (piecewise !== true) throw new UserError('picture', `${run.name} completes no pictures: ${words.paints}`);
        const { id } = await easel.give(run, await readPicture(request, images.imageSize), signal);
        const url = `/api/pictures/${id}`;
        sendJson(response, 200, { id, url, reconstruction: `${url}/copy` } satisfies GivenPicture);
      },
    },
    {
      method: 'GET',
      path: '/api/pictures/:picture',
      answer: async ({ params }, response) => sendPng(response, easel.given.get(params.picture).png),
    },
    {
      method: 'GET',
      path: '/api/pictures/:picture/copy',
      answer: async ({ params }, response) => sendPng(response, easel.given.get(params.picture).copy),
    },
  ];
}

/** Paintings. */
function jobRoutes({ library }: EaselStudio, easel: Easel): Route[] {
  const imageOf = ({ params }: Asked): Uint8Array => {
    const image = easel.jobs.get(params.job).pictures[Number(params.image)];
    if (image === undefined) throw new Refusal(404, 'there is no such picture here');
    return image;
  };
  return [
    {
      method: 'POST',
      path: '/api/paint',
      answer: async ({ request }, response) => {
        const order = readOrder(await readJsonBody(request, { most: MOST_BYTES }));
        const run = await library.run(order.run);
        const job = await easel.paint(run, order);
        sendJson(response, 200, { job: job.id, captions: order.captions } satisfies PaintTicket);
      },
    },
    {
      method: 'GET',
      path: '/api/paint/:job/events',
      answer: async ({ params, signal }, response) => {
        const job = easel.jobs.get(params.job);
        const stream = new EventStream(response, signal);
        const leave = job.listen((name, data) => {
          if (name === 'tiles' && stream.isCrowded) return; // the next ones show more
          stream.send(name, data);
          if (name === 'done' || name === 'failed') stream.end();
        });
        await stream.closed;
        leave();
      },
    },
    {
      method: 'DELETE',
      path: '/api/paint/:job',
      answer: async ({ params }, response) => {
        const job = easel.jobs.get(params.job);
        const stopped = !job.isOver;
        job.stop.abort(new Refusal(409, 'cancelled'));
        sendJson(response, 200, { stopped });
      },
    },
    {
      method: 'GET',
      path: '/api/paint/:job/images/:image',
      answer: async (asked, response) => sendPng(response, imageOf(asked)),
    },
    {
      method: 'GET',
      path: '/api/paint/:job/images/:image/nearest',
      answer: async (asked, response) => {
        const { order } = easel.jobs.get(asked.params.job);
        const by = { run: await library.run(order.run), weights: order.weights };
        const data = await library.dataset(asked.query.get('data') ?? '');
        const picture = await decodeImage(imageOf(asked));
        const { png, ...found } = await easel.nearest(by, { picture, data, signal: asked.signal });
        const url = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
        sendJson(response, 200, { url, ...found } satisfies NearestPicture);
      },
    },
  ];
}

function sendPng(response: ServerResponse, png: Uint8Array): void {
  response.writeHead(200, { ...guardHeaders(), 'Content-Type': 'image/png', 'Content-Length': png.length });
  response.end(png);
}
