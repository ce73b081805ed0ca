/** A request's JSON, read up to a size and a depth. */
import type { IncomingMessage } from 'node:http';
import { parseShallowJson } from '@selective-dpo/foundation';
import { ApiError } from './api-error.js';

/** Messages in a list in an object, with parts of their content in a list. */
const MAX_DEPTH = 8;

/** @throws ApiError 413, 415, 400; the signal's reason, whether or not the client goes on sending. */
export async function readJsonBody(
  request: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new ApiError(415, 'Content-Type: application/json expected');
  if (request.headers['content-encoding'] !== undefined) {
    throw new ApiError(415, 'a body without Content-Encoding expected');
  }
  const bytes = await readBytes(request, maxBytes, signal);
  try {
    return parseShallowJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), MAX_DEPTH);
  } catch {
    throw new ApiError(
      400,
      `the body is not valid JSON in UTF-8, nested at most ${MAX_DEPTH} deep`,
      'invalid_json',
    );
  }
}

/** Not `for await`: leaving it early would close the connection before the refusal is written. */
function readBytes(request: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const leave = (reason: unknown): void => {
      pieces.length = 0;
      request.removeAllListeners('data').resume();
      reject(reason as Error);
    };
    const refuse = (): void => {
      leave(new ApiError(413, `the body has more than ${maxBytes} bytes`, 'body_too_large'));
    };
    if (Number(request.headers['content-length']) > maxBytes) return refuse();
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > maxBytes) refuse();
      else pieces.push(piece);
    });
    request.once('end', () => resolve(Buffer.concat(pieces)));
    const early = (): void => leave(new ApiError(400, 'the body ended early'));
    request.once('error', early);
    request.once('close', early);
    if (signal.aborted) leave(signal.reason);
    else signal.addEventListener('abort', () => leave(signal.reason), { once: true });
  });
}
