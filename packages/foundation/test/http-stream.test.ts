import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpClient, TransientFailure } from '../src/index.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serving(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<URL> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file`);
}

const call = (how: object = {}) => ({ idleMs: 200, signal: new AbortController().signal, from: 0, ...how });
const client = new HttpClient('secret');

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

describe('a streamed answer', () => {
  it('comes as it is, from the byte asked for, with the key', async () => {
    const asked: IncomingMessage['headers'][] = [];
    const address = await serving((request, response) => {
      asked.push(request.headers);
      response.writeHead(206, { 'content-range': 'bytes 2-4/5' }).end('cde');
    });
    const answer = await client.stream(address, call({ from: 2 }));
    expect([answer.status, answer.headers.get('content-range')]).toEqual([206, 'bytes 2-4/5']);
    expect(await bytesOf(answer.pieces)).toBe('cde');
    await bytesOf((await new HttpClient(undefined).stream(address, call())).pieces);
    expect(asked.map((headers) => headers.range)).toEqual(['bytes=2-', undefined]);
    expect(asked.map((headers) => headers.authorization)).toEqual(['Bearer secret', undefined]);
    expect(new Set(asked.map((headers) => headers['accept-encoding']))).toEqual(new Set(['identity']));
  });

  it('follows no redirect, and ends the connection where its body is of no interest', async () => {
    const closed = { count: 0 };
    const address = await serving((_, response) => {
      response.on('close', () => closed.count++);
      response.writeHead(302, { location: 'http://127.0.0.1:9/' }).write('moved');
    });
    const answer = await client.stream(address, call());
    expect(answer.status).toBe(302);
    answer.abandon();
    const other = await client.stream(address, call());
    for await (const piece of other.pieces) {
      expect(piece.length).toBe(5);
      break;
    }
    await expect.poll(() => closed.count).toBe(2);
  });

  it.each([
    ['no headers', 0],
    ['no further piece', 1],
  ])('of which comes %s for too long is a failure that passes', async (_, pieces) => {
    const address = await serving((_request, response) => {
      if (pieces > 0) response.writeHead(200).write('some');
    });
    const read = async () => bytesOf((await client.stream(address, call())).pieces);
    await expect(read()).rejects.toMatchObject({ name: 'TransientFailure', kind: 'timeout' });
  });

  it('that breaks off is a failure that passes, and tells nothing of the key', async () => {
    const address = await serving((_, response) => {
      response
        .writeHead(200, { 'content-length': 10 })
        .write('some', () => setTimeout(() => response.destroy(), 20));
    });
    const failure: unknown = await client
      .stream(address, call())
      .then(({ pieces }) => bytesOf(pieces))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TransientFailure);
    expect(failure).toMatchObject({ kind: 'connection' });
    server!.close();
  });

  it('ends with the reason of the signal', async () => {
    const address = await serving((_, response) => void response.writeHead(200).write('some'));
    const stop = new AbortController();
    const { pieces } = await client.stream(address, call({ signal: stop.signal, idleMs: 60_000 }));
    const reason = new Error('stopped');
    const read = bytesOf(pieces);
    stop.abort(reason);
    await expect(read).rejects.toBe(reason);
  });

  it('does not count the time that its reader takes', async () => {
    const address = await serving((_, response) => void response.writeHead(200).end('some'));
    const { pieces } = await client.stream(address, call({ idleMs: 100 }));
    let text = '';
    for await (const piece of pieces) {
      text += Buffer.from(piece).toString();
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(text).toBe('some');
  });
});
