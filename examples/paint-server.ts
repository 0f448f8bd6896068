/**
 * @file Paints over HTTP: `GET /?text=red+apple&seed=1` answers a PNG. Requests that arrive while others are painted are
 * painted together in the next batch, and who hangs up is not painted for.
 *
 *   node paint-server.ts 8080 [RUN]
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodePng, openPainter, UserError } from 'tesserae';

const [port = '8080', run] = process.argv.slice(2);
const painter = await openPainter(run); // the model that comes with the package, unless another is named

const server = createServer(async (request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const caption = searchParams.get('text') ?? '';
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const seed = Number(searchParams.get('seed') ?? 0);
    const [picture] = await painter.paint([caption], { seed, signal: gone.signal });
    response.setHeader('Content-Type', 'image/png');
    response.end(await encodePng(picture, { text: { caption } }));
  } catch (error) {
    if (gone.signal.aborted) return;
    const mistake = error instanceof UserError; // of who asks
    response.statusCode = mistake ? 400 : 500;
    response.end(mistake ? error.message : 'cannot paint');
    if (!mistake) console.error(error);
  }
});

server.listen(Number(port), () => {
  console.log(`http://localhost:${(server.address() as AddressInfo).port}/?text=red+apple`);
});
process.once('SIGTERM', () => server.close(() => painter.dispose()));
