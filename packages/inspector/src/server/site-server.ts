/** A site over HTTP on 127.0.0.1, for a browser on the same machine and nobody else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { HostCheck, InputError, explainSystemError, openRegularFile } from '@selective-dpo/foundation';
import { contentOf, type SiteFile, type SiteFiles } from '../site/site-files.js';
import { byteRange } from './byte-range.js';
import { contentType } from './content-type.js';

const HOST = '127.0.0.1';

/** Nothing but the site's own files, and no page of others around it. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  // The browser asks each time; an unchanged file is 304.
  'cache-control': 'no-cache',
};

const MAX_CONNECTIONS = 64;
const MAX_URL = 4096;

export interface SiteServerOptions {
  /** 0, the default, takes a free one. */
  port?: number | undefined;
  /** Told of what no client is told: failures that are not a request's fault. */
  onFailure?: ((path: string, error: unknown) => void) | undefined;
}

/**
 * Serves the files of a site until it is closed.
 * @throws InputError `address-in-use`, `no-permission`.
 */
export async function startSiteServer(
  files: SiteFiles,
  options: SiteServerOptions = {},
): Promise<SiteServer> {
  const server = new SiteServer(files, options);
  await server.listen();
  return server;
}

/** What of a file is sent: all of it at hand, or a file that is read while it is sent. */
interface Content {
  size: number;
  /** Strong where the content is known, weak where only size and time are. */
  etag: string | undefined;
  send(first: number, last: number, response: ServerResponse): Promise<void>;
  close(): Promise<void>;
}

export class SiteServer {
  private readonly server: Server;
  private readonly hosts = new HostCheck(HOST, []);

  constructor(
    private readonly files: SiteFiles,
    private readonly options: SiteServerOptions = {},
  ) {
    this.server = createServer(
      { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5000 },
      (request, response) => void this.serve(request, response),
    );
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  get url(): string {
    return `http://${HOST}:${(this.server.address() as AddressInfo).port}/`;
  }

  async listen(): Promise<void> {
    const { port = 0 } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) => reject(explainSystemError(error, `${HOST}:${port}`)));
      this.server.listen(port, HOST, resolve);
    });
  }

  /** Ends at once: nothing that is on its way is worth waiting for. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const path = this.pathOf(request.url ?? '');
    try {
      if (this.hosts.foreign(request) !== undefined)
        return refuse(response, 403, 'not for this Host or Origin');
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD');
        return refuse(response, 405, 'GET or HEAD expected');
      }
      const file = path === undefined ? undefined : this.files.get(path);
      if (file === undefined) return refuse(response, 404, 'there is nothing at this path');
      const content = await open(file);
      try {
        await answer(request, response, path!, content);
      } finally {
        await content.close();
      }
    } catch (error) {
      if (isGone(error)) response.destroy();
      else this.fail(response, path ?? '', error);
    }
  }

  /** The path in the site; undefined for what cannot be one. */
  private pathOf(url: string): string | undefined {
    if (url.length > MAX_URL || !url.startsWith('/')) return undefined;
    try {
      const path = decodeURIComponent(url.slice(1).split(/[?#]/, 1)[0]!);
      return path === '' ? 'index.html' : path;
    } catch {
      return undefined;
    }
  }

  private fail(response: ServerResponse, path: string, error: unknown): void {
    this.options.onFailure?.(path, error);
    if (response.headersSent) response.destroy();
    else if (error instanceof InputError)
      refuse(response, 404, 'the file cannot be read; the server’s output says why');
    else refuse(response, 500, 'an internal error; the server’s output says more');
  }
}

async function open(file: SiteFile): Promise<Content> {
  const path = file.make === undefined ? await file.locate!() : undefined;
  if (path === undefined) {
    const bytes = await contentOf(file);
    return {
      ...{ size: bytes.length, etag: undefined, close: () => Promise.resolve() },
      send: (first, last, response) => {
        response.end(bytes.subarray(first, last + 1));
        return Promise.resolve();
      },
    };
  }
  const { handle, size } = await openRegularFile(path);
  const { mtimeMs } = await handle.stat();
  return {
    size,
    etag: file.sha256 === undefined ? `W/"${size}-${Math.round(mtimeMs)}"` : `"${file.sha256}"`,
    // A file that grows meanwhile is sent up to the size it had.
    send: (first, last, response) =>
      pipeline(handle.createReadStream({ start: first, end: last, autoClose: false }), response),
    close: () => handle.close(),
  };
}

/** RFC 9110: conditions first (13.2.2), then the range. */
async function answer(
  { headers, method }: IncomingMessage,
  response: ServerResponse,
  path: string,
  content: Content,
): Promise<void> {
  const { size, etag } = content;
  if (etag !== undefined) response.setHeader('etag', etag);
  response.setHeader('accept-ranges', 'bytes');
  if (etag !== undefined && isAmong(etag, headers['if-none-match'])) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader('content-type', contentType(path));
  // If-Range compares strongly: a weak tag never matches.
  const ifRange = headers['if-range'];
  const valid = ifRange === undefined || (ifRange === etag && !ifRange.startsWith('W/'));
  const range = method === 'GET' && valid ? byteRange(headers.range, size) : 'all';
  if (range === 'none') {
    response.setHeader('content-range', `bytes */${size}`);
    return refuse(response, 416, 'no byte of this range is there');
  }
  const { first, last } = range === 'all' ? { first: 0, last: size - 1 } : range;
  if (range !== 'all') response.setHeader('content-range', `bytes ${first}-${last}/${size}`);
  response.writeHead(range === 'all' ? 200 : 206, { 'content-length': last - first + 1 });
  if (method === 'HEAD' || size === 0) response.end();
  else await content.send(first, last, response);
}

function isAmong(etag: string, header: string | undefined): boolean {
  if (header === undefined) return false;
  const bare = (tag: string): string => tag.trim().replace(/^W\//, '');
  return header.trim() === '*' || header.split(',').some((tag) => bare(tag) === bare(etag));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const text = `${message}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}

/** The client ended the connection: it has seen enough. */
function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE';
}
