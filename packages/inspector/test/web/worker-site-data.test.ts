import { describe, expect, it } from 'vitest';
import { WorkerSiteData } from '../../web/data/worker-site-data.js';
import type { Reply, Request } from '../../web/data/worker-protocol.js';

/** A worker that answers as it is told. */
class FakeWorker {
  onmessage: ((event: { data: Reply }) => void) | null = null;
  onerror: unknown = null;
  ended = false;

  constructor(private readonly answer: (request: Request, reply: (reply: Reply) => void) => void) {}

  postMessage(request: Request): void {
    this.answer(request, (data) => this.onmessage?.({ data }));
  }

  terminate(): void {
    this.ended = true;
  }
}

const cache = {
  rows: 1,
  shards: [],
  stored: { shards: 0, bytes: 0 },
  overview: 'o',
  pairs: 'p',
  manifest: 'm',
  dropped: 'd',
};

describe('the worker', () => {
  it('that hangs is ended, everybody who waits hears why, and another is started', async () => {
    const workers: FakeWorker[] = [];
    const start = () => {
      const hangs = workers.length === 0;
      const worker = new FakeWorker((request, reply) => {
        if (request.kind === 'call' && !hangs)
          setTimeout(() => reply({ id: request.id, kind: 'answer', value: 7 }));
      });
      workers.push(worker);
      return worker as unknown as Worker;
    };
    const data = new WorkerSiteData(start, 'http://localhost/', cache, 30);
    const both = await Promise.allSettled([data.pair(0), data.pairTable()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((both[0] as PromiseRejectedResult).reason).toMatchObject({ name: 'SiteProblem' });
    expect(workers[0]!.ended).toBe(true);
    expect(await data.pair(0)).toBe(7);
    expect(workers).toHaveLength(2);
  });

  it('is waited for as long as bytes of a slow host arrive', async () => {
    const start = () =>
      new FakeWorker((request, reply) => {
        if (request.kind !== 'call') return;
        for (const ms of [15, 30, 45, 60]) setTimeout(() => reply({ id: 0, kind: 'alive' }), ms);
        setTimeout(() => reply({ id: request.id, kind: 'answer', value: 7 }), 75);
      }) as unknown as Worker;
    expect(await new WorkerSiteData(start, '', cache, 40).pair(0)).toBe(7);
  });

  it('gives on what it is told of a search, and a problem as one', async () => {
    const hits = [{ pair: 1, part: 'prompt' as const, around: 'x' }];
    const start = () =>
      new FakeWorker((request, reply) => {
        if (request.kind !== 'search') return;
        setTimeout(() => {
          reply({ id: request.id, kind: 'progress', progress: { done: 1, of: 2, hits, full: false } });
          reply({ id: request.id, kind: 'problem', message: 'shard 3 is damaged', advice: 'mend it' });
        });
      }) as unknown as Worker;
    const seen: unknown[] = [];
    const searched = new WorkerSiteData(start, '', cache).search(
      'x',
      (progress) => seen.push(progress),
      new AbortController().signal,
    );
    await expect(searched).rejects.toMatchObject({ message: 'shard 3 is damaged', advice: 'mend it' });
    expect(seen).toHaveLength(1);
  });
});
