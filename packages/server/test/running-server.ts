/** A server with the demo's policy (a context of 64 tokens, a word a token), and requests to it. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { openTextGenerator, type TextGenerator } from '@selective-dpo/generation';
import {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type RequestEvent,
} from '../src/index.js';

export const POLICY = fileURLToPath(new URL('../../cli/demo/policy', import.meta.url));
export const CONTEXT = 64;
export const MODEL = 'policy';

export const openPolicy = (): Promise<TextGenerator> =>
  openTextGenerator(POLICY, { engine: 'wasm', batchSize: 4 });

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // What a test reads of it is what it claims.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  json: any;
}

export class RunningServer {
  private readonly port: number;

  private constructor(
    readonly server: ModelServer,
    readonly events: RequestEvent[],
  ) {
    this.port = server.port;
  }

  static async start(
    generator: TextGenerator,
    options: Partial<ModelServerOptions> = {},
  ): Promise<RunningServer> {
    const events: RequestEvent[] = [];
    const onRequest = (event: RequestEvent) => events.push(event);
    return new RunningServer(
      await startModelServer(generator, { modelId: MODEL, port: 0, onRequest, ...options }),
      events,
    );
  }

  /** @param body an object becomes JSON; texts and bytes go as they are. @param onText told what of the answer has come. */
  send(
    path: string,
    body?: object | string | Buffer,
    headers: Record<string, string> = {},
    method = body === undefined ? 'GET' : 'POST',
    onText?: (text: string, leave: () => void) => void,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const given = httpRequest(
        {
          ...{ port: this.port, host: '127.0.0.1', path, method, agent: false },
          headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        },
        (response) => {
          let text = '';
          response.on('data', (piece: Buffer) => {
            text += piece.toString();
            onText?.(text, () => given.destroy());
          });
          response.on('error', reject);
          response.on('end', () => {
            const { statusCode: status, headers } = response;
            const isJson = headers['content-type']?.startsWith('application/json') === true;
            resolve({ status: status!, headers, text, json: isJson ? JSON.parse(text) : undefined });
          });
        },
      );
      given.on('error', reject);
      given.end(typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body);
    });
  }

  /** Raw bytes on a connection of their own; what comes back until the server closes it. */
  raw(bytes: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write(bytes));
      let text = '';
      socket.on('data', (piece) => (text += piece.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ECONNRESET' ? resolve(text) : reject(error),
      );
    });
  }
}

/** The objects of a stream of server-sent events, without the end mark. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function eventsOf(text: string): any[] {
  const events = text.split('\n\n').filter((event) => event !== '');
  if (events.at(-1) !== 'data: [DONE]') throw new Error(`the stream has no end: ${text.slice(-200)}`);
  return events.slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, '')));
}
