/** The worker that reads Parquet files: a decoder that hangs on hostile bytes hangs here, and is ended by the page. */
import { FetchedFiles, type SiteFiles } from '../files/site-files.js';
import { asProblem } from '../files/site-problem.js';
import { DirectSiteData } from './site-data.js';
import type { CallArgument, PlainCall, Reply, Request } from './worker-protocol.js';

interface Port {
  postMessage(message: Reply, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}

const port = self as unknown as Port;
/** What marks a table of pairs, and one of a policy. */
const LARGE = ['duplicateOf', 'chosenStart'];
const searches = new Map<number, AbortController>();
let data: DirectSiteData | undefined;

port.onmessage = ({ data: request }) => {
  if (request.kind === 'open')
    data = new DirectSiteData(reporting(new FetchedFiles(request.base)), request.cache);
  else if (request.kind === 'stop') searches.get(request.id)?.abort();
  else
    answer(request).catch((error: unknown) => {
      const { message, advice } = asProblem(error);
      say({ id: request.id, kind: 'problem', message, advice });
    });
};

/** Tells the page of every piece that arrives: a slow host is not a decoder that hangs. */
function reporting(files: SiteFiles): SiteFiles {
  return {
    async read(path, range) {
      const piece = await files.read(path, range);
      say({ id: 0, kind: 'alive' });
      return piece;
    },
  };
}

async function answer(request: Extract<Request, { kind: 'call' | 'search' }>): Promise<void> {
  const { id } = request;
  if (request.kind === 'call') {
    const value = await plain(request.call, request.argument);
    say({ id, kind: 'answer', value });
    return;
  }
  const stop = new AbortController();
  searches.set(id, stop);
  try {
    await data!.search(request.query, (progress) => say({ id, kind: 'progress', progress }), stop.signal);
    say({ id, kind: 'answer', value: undefined });
  } finally {
    searches.delete(id);
  }
}

function plain(call: PlainCall, argument: CallArgument): Promise<unknown> {
  switch (call) {
    case 'pairTable':
      return data!.pairTable();
    case 'pairTexts':
      return data!.pairTexts(Number(argument));
    case 'pair':
      return data!.pair(Number(argument));
    case 'pairs':
      return data!.pairs(argument as readonly number[]);
    case 'policy':
      return data!.policy(String(argument));
  }
}

/** The large tables go over without a copy; pairs stay here to be asked for again. */
function say(reply: Reply): void {
  const large =
    reply.kind === 'answer' && LARGE.some((name) => Object.hasOwn(Object(reply.value) as object, name));
  const parts: unknown[] = large ? Object.values(reply.value as object) : [];
  const buffers = parts.flatMap((part) => (ArrayBuffer.isView(part) ? [part.buffer as ArrayBuffer] : []));
  port.postMessage(reply, buffers);
}
