/** The trained model behind OpenAI-compatible HTTP, for clients on the same machine by default. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { HostCheck, explainSystemError } from '@selective-dpo/foundation';
import type { TextGenerator } from '@selective-dpo/generation';
import { ApiError, asApiError } from './api-error.js';
import { ChatHandler } from './chat-completions.js';
import { CompletionHandler } from './completions.js';
import { EventStream } from './event-stream.js';
import type { Exchange } from './exchange.js';
import { DEFAULT_LIMITS, RETRY_AFTER_SECONDS, type ServerLimits } from './limits.js';
import { readJsonBody } from './request-body.js';
import { RequestReader } from './request-schema.js';

export interface ModelServerOptions {
  /** Name of the model in requests and answers. */
  modelId: string;
  /** Address to listen on. Default 127.0.0.1. */
  host?: string | undefined;
  /** 0 takes a free one. Default 8000. */
  port?: number | undefined;
  /** Further names that the server is reached by; others are refused. */
  allowedHosts?: readonly string[] | undefined;
  limits?: Partial<ServerLimits> | undefined;
  /** Told every request when it has ended. `failure`: what a client is told nothing of. */
  onRequest?: ((event: RequestEvent) => void) | undefined;
}

export interface RequestEvent {
  type: 'request';
  method: string;
  /** One of the server's own paths, or `(other)`. */
  path: string;
  status: number;
  seconds: number;
  failure?: unknown;
}

type Route = {
  method: 'GET' | 'POST';
  run: (exchange: () => Promise<Exchange>) => Promise<object | undefined>;
};

/** Paths of the server, for its log. */
const OTHER_PATH = '(other)';

/**
 * Starts a server. The receiver closes it, and disposes the generator after that.
 * @throws InputError `address-in-use`, `no-permission`, `address-not-available`.
 */
export async function startModelServer(
  generator: TextGenerator,
  options: ModelServerOptions,
): Promise<ModelServer> {
  const server = new ModelServer(generator, options);
  await server.listen();
  return server;
}

export class ModelServer {
  private readonly server: Server;
  private readonly limits: ServerLimits;
  private readonly hosts: HostCheck;
  private readonly routes: ReadonlyMap<string, Route>;
  private readonly atWork = new Set<AbortController>();
  private closing = false;

  constructor(
    generator: TextGenerator,
    private readonly options: ModelServerOptions,
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.hosts = new HostCheck(this.host, options.allowedHosts ?? []);
    this.routes = routesOf(generator, options.modelId, this.limits);
    const { headersTimeoutMs: headersTimeout, requestTimeoutMs: requestTimeout } = this.limits;
    this.server = createServer(
      { headersTimeout, requestTimeout, keepAliveTimeout: 5000, connectionsCheckingInterval: 500 },
      (request, response) => void this.serve(request, response),
    );
    this.server.maxConnections = this.limits.maxConnections;
    this.server.on('clientError', refuseGarbage);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Requests whose body is being read, or that are being answered. */
  get requestsAtWork(): number {
    return this.atWork.size;
  }

  get url(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `http://${host}:${this.port}/v1`;
  }

  async listen(): Promise<void> {
    const { port = 8000 } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) => reject(explainSystemError(error, `${this.host}:${port}`)));
      this.server.listen(port, this.host, resolve);
    });
  }

  /** Takes no more requests, lets those at work end, or stops them after the time of grace. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeIdleConnections();
    const deadline = performance.now() + this.limits.closeGraceMs;
    while (this.atWork.size > 0 && performance.now() < deadline) await wait(20);
    for (const controller of this.atWork) controller.abort(new ApiError(503, 'the server is closing'));
    while (this.atWork.size > 0) await wait(20);
    // Answers that are on their way get a moment.
    this.server.closeIdleConnections();
    await Promise.race([closed, wait(500, undefined, { ref: false })]);
    this.server.closeAllConnections();
    await closed;
  }

  private get host(): string {
    return this.options.host ?? '127.0.0.1';
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const controller = new AbortController();
    response.once('close', () => controller.abort(new ApiError(499, 'the client is gone')));
    const stream = new EventStream(response);
    const path = request.url?.split('?')[0] ?? '';
    let failure: unknown;
    try {
      const answer = await this.answer(path, request, controller, stream);
      if (answer !== undefined) sendJson(response, 200, answer);
    } catch (error) {
      const refusal = asApiError(error);
      if (refusal.code === 'internal_error') failure = error;
      if (stream.open) {
        stream.send(refusal.body);
        stream.end();
      } else this.refuse(response, refusal, request.complete);
    } finally {
      this.atWork.delete(controller);
    }
    const timer = setTimeout(() => response.destroy(), this.limits.readTimeoutMs);
    response.once('close', () => clearTimeout(timer));
    if (response.closed) clearTimeout(timer);
    this.options.onRequest?.({
      ...{ type: 'request', method: request.method ?? '', path: this.routes.has(path) ? path : OTHER_PATH },
      ...{ status: response.statusCode, seconds: (performance.now() - started) / 1000 },
      ...(failure === undefined ? {} : { failure }),
    });
  }

  private async answer(
    path: string,
    request: IncomingMessage,
    controller: AbortController,
    stream: EventStream,
  ): Promise<object | undefined> {
    this.refuseForeign(request);
    const route = this.routes.get(path);
    if (route === undefined) throw new ApiError(404, 'there is nothing at this path', 'not_found');
    if (request.method !== route.method)
      throw new ApiError(405, `${route.method} expected`, 'method_not_allowed');
    if (this.closing) throw new ApiError(503, 'the server is closing');
    return route.run(async () => {
      if (this.atWork.size >= this.limits.maxRequests) {
        throw new ApiError(429, 'too many requests are waiting; ask again later', 'rate_limit_exceeded');
      }
      this.atWork.add(controller);
      const body = await readJsonBody(request, this.limits.maxBodyBytes, controller.signal);
      return { body, signal: controller.signal, stream };
    });
  }

  /** @throws ApiError 403 for a foreign Host, and for a page of another origin. */
  private refuseForeign(request: IncomingMessage): void {
    const foreign = this.hosts.foreign(request);
    if (foreign === undefined) return;
    throw foreign === 'host'
      ? new ApiError(403, 'this server is not reached by the name in the Host header', 'host_not_allowed')
      : new ApiError(403, 'requests from pages of other origins are not answered', 'origin_not_allowed');
  }

  /** @param complete whether the request was read to its end; if not, the connection ends with it. */
  private refuse(response: ServerResponse, refusal: ApiError, complete: boolean): void {
    if (response.destroyed) {
      // For the log alone.
      response.statusCode = refusal.status;
      return;
    }
    if (!complete || this.closing) response.setHeader('connection', 'close');
    if (refusal.status === 429) response.setHeader('retry-after', String(RETRY_AFTER_SECONDS));
    sendJson(response, refusal.status, refusal.body);
  }
}

function routesOf(generator: TextGenerator, modelId: string, limits: ServerLimits): Map<string, Route> {
  const reader = new RequestReader(limits, modelId);
  const completions = new CompletionHandler(generator, reader, modelId);
  const chat = new ChatHandler(generator, reader, modelId);
  const created = Math.floor(Date.now() / 1000);
  const model = { id: modelId, object: 'model', created, owned_by: 'selective-dpo' };
  const models = { object: 'list', data: [{ ...model, max_model_len: generator.contextLength }] };
  return new Map<string, Route>([
    ['/health', { method: 'GET', run: () => Promise.resolve({ status: 'ok', ...generator.load }) }],
    ['/v1/models', { method: 'GET', run: () => Promise.resolve(models) }],
    ['/v1/completions', { method: 'POST', run: async (exchange) => completions.run(await exchange()) }],
    ['/v1/chat/completions', { method: 'POST', run: async (exchange) => chat.run(await exchange()) }],
  ]);
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

/** Bytes that are no HTTP, and requests that take too long to come. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the request took too long to come']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the headers are too long']
        : ['400 Bad Request', 'this is no HTTP request'];
  const text = JSON.stringify(new ApiError(Number(status.slice(0, 3)), message).body);
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${text}`, () => socket.destroy());
}
