import { createServer } from 'node:http';
import { readFile, readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { AddressInfo } from 'node:net';
const WEB = new URL('../../dist/web/', import.meta.url).pathname;
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};
export async function pageFiles(): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of await readdir(WEB, { recursive: true }))
    if (extname(name)) files.set(name, await readFile(join(WEB, name)));
  return files;
}
export interface PageServer {
  url: string;
  close(): Promise<void>;
  files: Map<string, Uint8Array>;
}
export async function servePage(site: Map<string, Uint8Array>, delay = 0): Promise<PageServer> {
  const files = new Map([...(await pageFiles()), ...site]);
  const server = createServer(async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, delay));
    const path = decodeURIComponent(request.url!.slice(1).split('?')[0]!) || 'index.html';
    const bytes = files.get(path);
    response.setHeader('content-security-policy', "default-src 'self'; base-uri 'none'");
    if (!bytes) return void response.writeHead(404).end('no');
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    const range = /bytes=(\d*)-(\d*)/.exec(request.headers.range ?? '');
    if (!range) return void response.end(bytes);
    const [first, last] =
      range[1] === ''
        ? [Math.max(0, bytes.length - Number(range[2])), bytes.length - 1]
        : [Number(range[1]), range[2] ? Math.min(bytes.length - 1, Number(range[2])) : bytes.length - 1];
    if (first >= bytes.length) {
      response.setHeader('content-range', `bytes */${bytes.length}`);
      return void response.writeHead(416).end();
    }
    response.setHeader('content-range', `bytes ${first}-${last}/${bytes.length}`);
    response.writeHead(206).end(bytes.subarray(first, last + 1));
  });
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
    files,
  };
}
