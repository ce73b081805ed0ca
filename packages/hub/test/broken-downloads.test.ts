/** Downloads that break, stall and lie: taken up, refused, and never published. */
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Interrupted, type NoticeEvent, type ProgressEvent } from '@selective-dpo/foundation';
import { POLICY, fetched, freshFolder, type Fetching } from './fetched.js';
import { digestOf, modelOf, startHub, type Fault, type FileCall, type HubServer } from './hub-server.js';

const WEIGHTS = 'model.safetensors';
const CUT = 500_000;

let hub: HubServer;
let cache: string;
let weights: Buffer;
beforeEach(async () => {
  hub = await startHub({ models: { 'org/tiny': await modelOf(POLICY) } });
  cache = await freshFolder();
  weights = hub.script.models['org/tiny']!.files.get(WEIGHTS)!;
});
afterEach(() => hub.close());

/** Faults of the weights alone; the other files come as they are. */
function spoil(fault: (call: FileCall) => Fault | undefined): void {
  hub.script.fault = (call) => (call.path === WEIGHTS ? fault(call) : undefined);
}
const starts = () => hub.files.filter(({ path }) => path === WEIGHTS).map(({ from }) => from);
const blobs = () => readdir(join(cache, 'models--org--tiny', 'blobs'));
const incomplete = () =>
  join(cache, 'models--org--tiny', 'blobs', `${digestOf(WEIGHTS, weights)}.selective-dpo.incomplete`);
const fetchTiny = (how: Fetching = {}) => fetched(hub, cache, how);

async function expectWhole(directory: string): Promise<void> {
  expect((await readFile(join(directory, WEIGHTS))).equals(weights)).toBe(true);
  expect((await blobs()).filter((name) => name.endsWith('.incomplete'))).toEqual([]);
}
/** Neither blob nor link of the weights. */
async function expectUnpublished(): Promise<void> {
  expect(await blobs()).not.toContain(digestOf(WEIGHTS, weights));
  for (const snapshot of await readdir(join(cache, 'models--org--tiny', 'snapshots')).catch(() => [])) {
    expect(await readdir(join(cache, 'models--org--tiny', 'snapshots', snapshot))).not.toContain(WEIGHTS);
  }
}

describe('a download that breaks off', () => {
  it('goes on at the byte where it broke, and shows no byte twice', async () => {
    spoil(({ count }) => (count < 3 ? { kind: 'cut', after: CUT } : undefined));
    const events: (ProgressEvent | NoticeEvent)[] = [];
    await expectWhole((await fetchTiny({ events })).directory);
    const [first, second, third] = starts();
    expect(first).toBe(0);
    expect(second).toBeGreaterThan(0);
    expect(third).toBeGreaterThan(second!);
    const done = events.flatMap((event) =>
      event.type === 'progress' && event.total === weights.length ? [event.done] : [],
    );
    expect(done.every((bytes, i) => i === 0 || bytes > done[i - 1]!)).toBe(true);
    expect(done.at(-1)).toBe(weights.length);
  });

  it('goes on in another process, with the rate of its own bytes', async () => {
    await fetchTiny({ part: 'tokenizer' });
    await writeFile(incomplete(), weights.subarray(0, CUT));
    const events: (ProgressEvent | NoticeEvent)[] = [];
    await expectWhole((await fetchTiny({ events })).directory);
    expect(starts()).toEqual([CUT]);
    const first = events.find((event): event is ProgressEvent => event.type === 'progress')!;
    expect(first.done).toBeGreaterThan(CUT);
  });

  it('ends after failures in a row, keeps what came and says so', async () => {
    spoil(({ count }) => (count === 1 ? { kind: 'cut', after: CUT } : { kind: 'status', status: 503 }));
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'hub-broken-off',
      details: { found: 'HTTP 503', hint: expect.stringContaining('what was fetched is kept') as string },
    });
    await expectUnpublished();
    const { size } = await stat(incomplete());
    expect(size).toBeGreaterThan(0);
    spoil(() => undefined);
    await expectWhole((await fetchTiny()).directory);
    expect(starts().at(-1)).toBe(size);
  });

  it('because nothing comes any more is asked for anew', async () => {
    spoil(({ count }) => (count === 1 ? { kind: 'stall', after: CUT } : undefined));
    await expectWhole((await fetchTiny({ idleMs: 300 })).directory);
    expect(starts().length).toBe(2);
    expect(starts()[1]).toBeGreaterThan(0);
  });

  it('from a store that knows no ranges begins anew', async () => {
    spoil(({ count }) => (count === 1 ? { kind: 'cut', after: CUT } : { kind: 'whole' }));
    await expectWhole((await fetchTiny()).directory);
  });

  it('by Ctrl-C keeps what came, tells how to go on, and does', async () => {
    spoil(({ count }) => (count === 1 ? { kind: 'stall', after: CUT } : undefined));
    const stop = new AbortController();
    const listener = (event: ProgressEvent | NoticeEvent) => {
      if (event.type === 'progress' && event.total === weights.length) stop.abort();
    };
    const failure = await fetchTiny({ signal: stop.signal, listener }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Interrupted);
    expect((failure as Interrupted).message).toContain('what was fetched is kept');
    await expectUnpublished();
    const { size } = await stat(incomplete());
    expect(size).toBeGreaterThan(0);
    await expectWhole((await fetchTiny()).directory);
    expect(starts()).toEqual([0, size]);
  });

  it('asks again for links that have run out, and as late as a busy server wants', async () => {
    const faults: Fault[] = [
      { kind: 'status', status: 403 },
      { kind: 'status', status: 429, headers: { 'retry-after': '0' } },
    ];
    spoil(({ count }) => faults[count - 1]);
    await expectWhole((await fetchTiny()).directory);
    expect(starts()).toEqual([0, 0, 0]);
  });
});

describe('a file that is not what the hub lists', () => {
  const other = () => Buffer.from(weights).fill(7, 1000, 1001);

  it('is refused by its digest, after a second try, and leaves nothing', async () => {
    spoil(() => ({ kind: 'content', content: other() }));
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'hub-digest',
      details: { file: 'org/tiny: model.safetensors', expected: digestOf(WEIGHTS, weights) },
    });
    expect(starts()).toEqual([0, 0]);
    await expectUnpublished();
    await expect(stat(incomplete())).rejects.toThrow();
  });

  it('is fetched anew where the part that was there is wrong', async () => {
    await fetchTiny({ part: 'tokenizer' });
    await writeFile(incomplete(), other().subarray(0, CUT));
    await expectWhole((await fetchTiny()).directory);
    expect(starts()).toEqual([CUT, 0]);
  });

  it('is refused by the digest of Git where it is small', async () => {
    const config = hub.script.models['org/tiny']!.files.get('config.json')!;
    hub.script.fault = ({ path }) =>
      path === 'config.json' ? { kind: 'content', content: Buffer.from(config).fill(32, 0, 1) } : undefined;
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'hub-digest',
      details: { file: 'org/tiny: config.json' },
    });
    expect(await blobs()).not.toContain(digestOf('config.json', config));
  });

  it('is refused by its size, told or not', async () => {
    for (const content of [weights.subarray(0, CUT), Buffer.concat([weights, Buffer.alloc(100)])]) {
      spoil(() => ({ kind: 'content', content }));
      await expect(fetchTiny()).rejects.toMatchObject({
        code: 'hub-size',
        details: { found: `${content.length} bytes`, expected: `${weights.length} bytes` },
      });
    }
    spoil(() => ({ kind: 'chunked', content: Buffer.concat([weights, Buffer.alloc(100)]) }));
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'hub-size',
      details: { found: `more than ${weights.length} bytes` },
    });
    await expectUnpublished();
    // Negative control: without lengths, but right.
    spoil(() => ({ kind: 'chunked', content: weights }));
    await expectWhole((await fetchTiny()).directory);
  });
});

describe('two at one time', () => {
  it('fetch a model once between them', async () => {
    const [one, other] = await Promise.all([fetchTiny(), fetchTiny()]);
    expect(one).toEqual(other);
    await expectWhole(one.directory);
    const paths = hub.files.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
  });

  it('go on where the first one fails', async () => {
    spoil(({ count }) => (count === 1 ? { kind: 'stall', after: CUT } : undefined));
    const stop = new AbortController();
    const first = fetchTiny({
      signal: stop.signal,
      listener: (event) =>
        event.type === 'progress' && event.total === weights.length && second === undefined && begin(),
    }).catch((error: unknown) => error);
    let second: ReturnType<typeof fetchTiny> | undefined;
    const notices: string[] = [];
    const begin = () => {
      second = fetchTiny({
        listener: (event) => {
          if (event.type !== 'notice') return;
          notices.push(event.code);
          stop.abort();
        },
      });
    };
    expect(await first).toBeInstanceOf(Interrupted);
    await expectWhole((await second!).directory);
    expect(notices).toEqual(['waiting']);
  });
});
