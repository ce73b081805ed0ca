/** The site's data by way of a worker, with a deadline for every answer. */
import type { CacheDescription } from '../../src/site-contract.js';
import { SiteProblem } from '../files/site-problem.js';
import type { SearchProgress } from '../text/search.js';
import type { PairContent } from './pair-content.js';
import type { PairTable } from './pair-table.js';
import type { PairText } from './pair-texts.js';
import type { PolicyTable } from './policy-table.js';
import type { SiteData } from './site-data.js';
import type { CallArgument, PlainCall, Reply, Request } from './worker-protocol.js';

/** Silence that lasts longer comes from a decoder that hangs, or from a host that does. */
const DEADLINE_MS = 60_000;

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (problem: SiteProblem) => void;
  report?: (progress: SearchProgress) => void;
  alarm: ReturnType<typeof setTimeout>;
}

/** What is asked of a worker; one is started anew after it hung. */
export class WorkerSiteData implements SiteData {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;

  constructor(
    private readonly start: () => Worker,
    private readonly base: string,
    private readonly cache: CacheDescription,
    private readonly deadline = DEADLINE_MS,
  ) {}

  pairTable(): Promise<PairTable> {
    return this.call('pairTable') as Promise<PairTable>;
  }

  pairTexts(block: number): Promise<PairText[]> {
    return this.call('pairTexts', block) as Promise<PairText[]>;
  }

  pair(index: number): Promise<PairContent> {
    return this.call('pair', index) as Promise<PairContent>;
  }

  pairs(indices: readonly number[]): Promise<PairContent[]> {
    return this.call('pairs', indices) as Promise<PairContent[]>;
  }

  policy(file: string): Promise<PolicyTable> {
    return this.call('policy', file) as Promise<PolicyTable>;
  }

  async search(query: string, report: (progress: SearchProgress) => void, stop: AbortSignal): Promise<void> {
    const id = this.nextId++;
    const stopped = () => this.worker?.postMessage({ id, kind: 'stop' } satisfies Request);
    stop.addEventListener('abort', stopped);
    try {
      await this.ask({ id, kind: 'search', query }, report);
    } finally {
      stop.removeEventListener('abort', stopped);
    }
  }

  private call(call: PlainCall, argument?: CallArgument): Promise<unknown> {
    return this.ask({ id: this.nextId++, kind: 'call', call, argument });
  }

  private ask(request: Request, report?: (progress: SearchProgress) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.waiting.set(request.id, { resolve, reject, ...(report && { report }), alarm: this.alarm() });
      this.running().postMessage(request);
    });
  }

  private running(): Worker {
    if (this.worker !== undefined) return this.worker;
    const worker = this.start();
    this.worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.giveUp(`the reader of the site's files failed${event.message ? `: ${event.message}` : ''}`);
    };
    worker.postMessage({ id: 0, kind: 'open', base: this.base, cache: this.cache } satisfies Request);
    return worker;
  }

  private hear(reply: Reply): void {
    if (reply.kind === 'alive') {
      for (const one of this.waiting.values()) this.renew(one);
      return;
    }
    const waiting = this.waiting.get(reply.id);
    if (waiting === undefined) return;
    if (reply.kind === 'progress') {
      this.renew(waiting);
      waiting.report?.(reply.progress);
      return;
    }
    clearTimeout(waiting.alarm);
    this.waiting.delete(reply.id);
    if (reply.kind === 'answer') waiting.resolve(reply.value);
    else waiting.reject(new SiteProblem(reply.message, reply.advice));
  }

  private renew(waiting: Waiting): void {
    clearTimeout(waiting.alarm);
    waiting.alarm = this.alarm();
  }

  private alarm(): ReturnType<typeof setTimeout> {
    const seconds = Math.round(this.deadline / 1000);
    return setTimeout(
      () =>
        this.giveUp(
          `a file of the site could not be read within ${seconds} s: it may be damaged, or the host hangs`,
        ),
      this.deadline,
    );
  }

  /** Ends the worker; all who wait hear why. */
  private giveUp(message: string): void {
    this.worker?.terminate();
    this.worker = undefined;
    for (const { alarm, reject } of this.waiting.values()) {
      clearTimeout(alarm);
      reject(new SiteProblem(message, 'Check the cache with sdpo cache verify.'));
    }
    this.waiting.clear();
  }
}
