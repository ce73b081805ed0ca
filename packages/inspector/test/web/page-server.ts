/** A static host for the page and a site in memory: ranges of bytes, and the security policy that sdpo inspect sends. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { readFile, readdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Files } from './made-site.js';

const WEB = fileURLToPath(new URL('../../dist/web', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};
const POLICY = [
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
];

/** The built page by paths. */
export async function pageFiles(): Promise<Files> {
  const names = (await readdir(WEB, { recursive: true })).filter((name) => extname(name) !== '');
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(WEB, name))] as const)),
  );
}

export interface PageServer {
  url: string;
  /** What is served; it may change while it is. */
  files: Files;
  close(): Promise<void>;
}

/** Serves the page with a site. @param delay milliseconds before every answer. */
export async function servePage(site: Files, delay = 0): Promise<PageServer> {
  const files = new Map([...(await pageFiles()), ...site]);
  const server = createServer((request, response) => {
    setTimeout(() => answer(files, request, response), delay);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ url: `http://127.0.0.1:${port}/`, files },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(files: Files, { url, headers }: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(url!.slice(1).split('?')[0]!) || 'index.html';
  const bytes = files.get(path);
  response.setHeader('content-security-policy', ["default-src 'self'", ...POLICY].join('; '));
  if (bytes === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
  const range = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? '');
  if (range === null) {
    response.end(bytes);
    return;
  }
  const size = bytes.length;
  const [, from, to] = range as unknown as [string, string, string];
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size : Math.min(size, Number(to) + 1);
  response.setHeader('content-range', first < size ? `bytes ${first}-${end - 1}/${size}` : `bytes */${size}`);
  response.writeHead(first < size ? 206 : 416).end(first < size ? bytes.subarray(first, end) : undefined);
}
