/** @file Requests as they come over the wire, written byte by byte: no browser is so rude. */
import { connect } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

type Headers = Readonly<Record<string, string>>;

/** Sends bytes to a port of this machine and reads until the other end closes. */
export function send(port: number, text: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', part => {
      answer += part;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head, ...body] = answer.split('\r\n\r\n');
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body: body.join('\r\n\r\n') });
    });
  });
}

/** A request of these headers. @param line e.g. `GET /` */
export function ask(port: number, line: string, headers: Headers = {}, body = ''): Promise<Answer> {
  const all = {
    Host: `127.0.0.1:${port}`,
    Connection: 'close',
    ...(body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return send(port, `${line} HTTP/1.1\r\n${head.join('')}\r\n${body}`);
}
