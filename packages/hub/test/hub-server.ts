/**
 * A hub on this machine: the protocol of huggingface.co (models' revisions, trees by pages, files with their headers, large files by
 * redirects to a store on another port), which fails and lies by a script.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface ServedModel {
  /** Contents by path. */
  files: Map<string, Buffer>;
  commit: string;
  revisions: string[];
  /** Token that a request must carry. */
  token?: string;
  gated?: boolean;
}

/** What becomes of a request for the bytes of a file; undefined for what is right. */
export type Fault =
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** The connection ends after so many bytes. */
  | { kind: 'cut'; after: number }
  /** Nothing comes any more after so many bytes. */
  | { kind: 'stall'; after: number }
  | { kind: 'content'; content: Buffer }
  /** No lengths are told. */
  | { kind: 'chunked'; content: Buffer }
  /** Ranges are not known. */
  | { kind: 'whole' };

export interface FileCall {
  path: string;
  /** First byte asked for. */
  from: number;
  /** 1 for the first call of this file. */
  count: number;
}

export interface HubScript {
  models: Record<string, ServedModel>;
  pageSize?: number;
  spoilTree?: (entries: Record<string, unknown>[]) => unknown;
  fault?: (call: FileCall) => Fault | undefined;
  /** Where large files are redirected to, in place of the store. */
  redirect?: (address: string) => string;
  /** Answers a request in place of the script. Returns whether it did. */
  instead?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface HubServer {
  url: string;
  storeUrl: string;
  script: HubScript;
  /** Every request: method, address within its server, who was asked, and what came as Authorization. */
  requests: { method: string; url: string; server: 'hub' | 'store'; authorization: string | undefined }[];
  files: FileCall[];
  close(): Promise<void>;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** The files of a folder as a model. Weights and whatever is large are stored apart, as with LFS. */
export async function modelOf(folder: string): Promise<ServedModel> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isFile()) files.set(entry.name, await readFile(join(folder, entry.name)));
  }
  return { files, commit: COMMIT, revisions: ['main'] };
}

const isLarge = (path: string): boolean => /\.(safetensors|bin)$/.test(path);
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
export const gitBlob = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
/** The name of a file in `blobs/`. */
export const digestOf = (path: string, content: Buffer): string =>
  isLarge(path) ? sha256(content) : gitBlob(content);

export async function startHub(script: HubScript): Promise<HubServer> {
  const state: HubServer = {
    url: '',
    storeUrl: '',
    script,
    requests: [],
    files: [],
    close: async () => undefined,
  };
  const servers: Server[] = [];
  const listen = async (kind: 'hub' | 'store'): Promise<string> => {
    const server = createServer((request, response) => {
      const { method = '', url = '', headers } = request;
      state.requests.push({ method, url, server: kind, authorization: headers.authorization });
      if (state.script.instead?.(request, response) === true) return;
      if (kind === 'store') serveStored(state, request, response);
      else serveHub(state, request, response);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // Another name for the store: Python goes by hosts, we go by hosts and ports.
    return `http://${kind === 'hub' ? '127.0.0.1' : 'localhost'}:${(server.address() as AddressInfo).port}`;
  };
  state.url = await listen('hub');
  state.storeUrl = await listen('store');
  state.close = async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };
  return state;
}

function serveHub(state: HubServer, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, state.url);
  const parts = decodeURIComponent(url.pathname).split('/').slice(1);
  const isApi = parts[0] === 'api';
  const [org, name, verb, ...rest] = isApi ? parts.slice(2) : parts;
  const model = state.script.models[`${org}/${name}`];
  if (model === undefined) return refuse(response, 404, 'RepoNotFound', 'Repository not found');
  const authorized = model.token === undefined || request.headers.authorization === `Bearer ${model.token}`;
  if (!authorized) return refuse(response, 401, 'RepoNotFound', 'Invalid username or password.');
  const revision = isApi && verb === 'revision' ? rest.join('/') : rest[0]!;
  if (revision !== model.commit && !model.revisions.includes(revision)) {
    return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
  }
  if (isApi && verb === 'revision')
    return json(response, { _id: '1', id: `${org}/${name}`, sha: model.commit });
  if (isApi && verb === 'tree') return serveTree(state, model, url, response);
  if (verb !== 'resolve') return refuse(response, 404, 'EntryNotFound', 'no such page');
  if (model.gated === true) return refuse(response, 403, 'GatedRepo', 'Access to this model is restricted.');
  serveFile(state, model, rest.slice(1).join('/'), request, response);
}

function serveTree(state: HubServer, model: ServedModel, url: URL, response: ServerResponse): void {
  const { pageSize = 1000, spoilTree } = state.script;
  const entries = [...model.files].map(([path, content]) => ({
    ...{ type: 'file', path, size: content.length, oid: gitBlob(content) },
    ...(isLarge(path) ? { lfs: { oid: sha256(content), size: content.length, pointerSize: 134 } } : {}),
  }));
  const listed = spoilTree === undefined ? entries : spoilTree(entries);
  if (!Array.isArray(listed)) return json(response, listed);
  const start = Number(url.searchParams.get('cursor') ?? 0);
  if (start + pageSize < listed.length) {
    url.searchParams.set('cursor', String(start + pageSize));
    response.setHeader('link', `<${url.href}>; rel="next"`);
  }
  json(response, listed.slice(start, start + pageSize));
}

function serveFile(
  state: HubServer,
  model: ServedModel,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const content = model.files.get(path);
  if (content === undefined) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
  response.setHeader('x-repo-commit', model.commit);
  if (!isLarge(path)) {
    response.setHeader('etag', `"${gitBlob(content)}"`);
    return sendBytes(state, path, content, request, response);
  }
  const address = `${state.storeUrl}/${sha256(content)}?signature=1&path=${encodeURIComponent(path)}`;
  response.setHeader('x-linked-etag', `"${sha256(content)}"`);
  response.setHeader('x-linked-size', String(content.length));
  response.writeHead(302, { location: state.script.redirect?.(address) ?? address }).end();
}

function serveStored(state: HubServer, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, state.storeUrl);
  const path = url.searchParams.get('path') ?? '';
  const all = Object.values(state.script.models).flatMap(({ files }) => files.get(path) ?? []);
  const content = all.find((one) => `/${sha256(one)}` === url.pathname);
  // As a store that takes the token of another server for a signature of its own.
  if (content === undefined || request.headers.authorization !== undefined)
    return void response.writeHead(400).end();
  sendBytes(state, path, content, request, response);
}

function sendBytes(
  state: HubServer,
  path: string,
  right: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const from = Number(range?.[1] ?? 0);
  const count = 1 + state.files.filter((call) => call.path === path).length;
  const call = { path, from, count };
  if (request.method === 'GET') state.files.push(call);
  const fault = request.method === 'GET' ? state.script.fault?.(call) : undefined;
  if (fault?.kind === 'status') return void response.writeHead(fault.status, fault.headers).end();
  const content = fault?.kind === 'content' || fault?.kind === 'chunked' ? fault.content : right;
  if (range !== null && from >= content.length) return void response.writeHead(416).end();
  const isRange = range !== null && fault?.kind !== 'whole';
  const bytes = isRange ? content.subarray(from) : content;
  response.writeHead(isRange ? 206 : 200, {
    'accept-ranges': 'bytes',
    ...(fault?.kind === 'chunked' ? {} : { 'content-length': bytes.length }),
    ...(isRange ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  });
  if (request.method === 'HEAD') return void response.end();
  if (fault?.kind !== 'cut' && fault?.kind !== 'stall') return void response.end(bytes);
  response.write(bytes.subarray(0, fault.after), () => {
    // A moment for the bytes to arrive: what is still on its way goes when the connection is reset.
    if (fault.kind === 'cut') setTimeout(() => response.destroy(), 20);
  });
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, {
      'content-type': 'application/json',
      'x-error-code': code,
      'x-error-message': message,
    })
    .end(JSON.stringify({ error: message }));
}
