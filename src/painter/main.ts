/** @file The entry of the page that paints a run: reads what the document says of it, and begins. */
import { failure, fill } from '../web/page/dom.ts';
import { FACTS_ID, type PageFacts } from '../web/painter/facts.ts';
import { type EngineFiles, PainterPage } from './page.ts';
import { fromBase64 } from './sources.ts';

function start(): void {
  const main = document.querySelector('main');
  if (main === null) return;
  try {
    const facts = JSON.parse(document.getElementById(FACTS_ID)?.textContent ?? '') as PageFacts;
    void new PainterPage(
      facts,
      facts.isSingle ? inlineEngine() : { workerUrl: 'worker.js', wasmUrl: 'tessera.wasm' },
    ).open(main);
  } catch (error) {
    fill(main, failure(error));
  }
}

/** The engine's parts out of the page itself. */
function inlineEngine(): EngineFiles {
  const textOf = (id: string) => document.getElementById(id)?.textContent ?? '';
  const code = fromBase64(textOf('file:worker.js')) as BlobPart;
  const worker = new Blob(['(() => {', code, '\n})();'], { type: 'text/javascript' }); // names of its own
  return {
    workerUrl: URL.createObjectURL(worker),
    wasmUrl: `data:application/wasm;base64,${textOf('file:tessera.wasm')}`,
  };
}

start();
