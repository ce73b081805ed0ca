/** A request's JSON, read up to a size and a depth. */
import type { IncomingMessage } from 'node:http';
import { parseShallowJson } from '@selective-dpo/foundation';
import { ApiError } from './api-error.js';

/** Messages in a list in an object, with parts of their content in a list. */
const MAX_DEPTH = 8;

/** @throws ApiError 413, 415, 400. */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new ApiError(415, 'Content-Type: application/json expected');
  if (request.headers['content-encoding'] !== undefined) {
    throw new ApiError(415, 'a body without Content-Encoding expected');
  }
  const bytes = await readBytes(request, maxBytes);
  try {
    return parseShallowJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), MAX_DEPTH);
  } catch {
    throw new ApiError(400, 'the body is not valid JSON in UTF-8', 'invalid_json');
  }
}

/** Not `for await`: leaving it early would close the connection before the refusal is written. */
function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const refuse = (): void => {
      pieces.length = 0;
      request.removeAllListeners('data').resume();
      reject(new ApiError(413, `the body has more than ${maxBytes} bytes`, 'body_too_large'));
    };
    if (Number(request.headers['content-length']) > maxBytes) return refuse();
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > maxBytes) refuse();
      else pieces.push(piece);
    });
    request.once('end', () => resolve(Buffer.concat(pieces)));
    request.once('error', reject);
    request.once('close', () => reject(new ApiError(400, 'the body ended early')));
  });
}
