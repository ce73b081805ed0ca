import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Interrupted, type NoticeEvent } from '@selective-dpo/foundation';
import { mergeCache, readManifest, verifyCache } from '@selective-dpo/data';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scoreDataset } from '../src/index.js';
import type { Json, ScoringServer, ServerScript } from './scoring-server.js';
import { contents, problemOf, rowsOf, serve, servedOptions } from './served-reference.js';
import { freshFolder, sampleRows, writeReference, writeRows } from './small-reference.js';

const KINDS = ['vllm', 'sglang'] as const;
let reference: string;
let dataFile: string;
const open: ScoringServer[] = [];

beforeAll(async () => {
  reference = await writeReference();
  dataFile = await writeRows(sampleRows(45));
});
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(change: Partial<ServerScript> & Pick<ServerScript, 'kind'>): Promise<ScoringServer> {
  const server = await serve(reference, change);
  open.push(server);
  return server;
}

async function localCache(topLogprobs?: number): Promise<string> {
  const outDirectory = join(await freshFolder(), 'cache');
  await scoreDataset({ modelDirectory: reference, dataFile, outDirectory, engine: 'wasm', topLogprobs });
  return outDirectory;
}

describe.each(KINDS)('a reference on %s', (kind) => {
  it('gives the log-probs of the same model on this machine, from ids alone', async () => {
    const server = await start({ kind });
    const wanted = await servedOptions(reference, dataFile, [server]);
    expect(await scoreDataset(wanted)).toMatchObject({ pairs: 45, shards: 3, alreadyComplete: false });
    await verifyCache(wanted.outDirectory);
    const [served, local] = [await rowsOf(wanted.outDirectory), await rowsOf(await localCache())];
    served.forEach((row, i) => {
      expect(row.pairId).toBe(local[i]!.pairId);
      for (const side of ['chosenRefLogps', 'rejectedRefLogps'] as const) {
        row[side].forEach((logp, t) => expect(Math.abs(logp - local[i]![side][t]!)).toBeLessThan(1e-4));
      }
    });
    // Negative control: another model differs by more than the tolerance.
    const others = await serve(await writeReference({ seed: 5 }), { kind });
    open.push(others);
    const other = await servedOptions(reference, dataFile, [others], { limit: 3 });
    await scoreDataset(other);
    const [first] = await rowsOf(other.outDirectory);
    expect(Math.abs(first!.chosenRefLogps[0]! - local[0]!.chosenRefLogps[0]!)).toBeGreaterThan(1e-3);
    const ids = (body: Json) => (kind === 'vllm' ? body['prompt'] : body['input_ids']) as number[][];
    for (const body of server.bodies) {
      expect(ids(body)).toHaveLength(2);
      expect(ids(body).flat().every(Number.isInteger)).toBe(true);
      expect(body).not.toHaveProperty('text');
    }
    expect(server.mostAtOnce).toBeLessThanOrEqual(8);
  });

  it('gives the likeliest tokens, too', async () => {
    const server = await start({ kind });
    const wanted = await servedOptions(reference, dataFile, [server], { topLogprobs: 3 });
    await scoreDataset(wanted);
    await verifyCache(wanted.outDirectory);
    const [served, local] = [await rowsOf(wanted.outDirectory), await rowsOf(await localCache(3))];
    served.forEach((row, i) => {
      expect([...row.refTop!.chosenIds]).toEqual([...local[i]!.refTop!.chosenIds]);
      row.refTop!.rejectedLogps.forEach((logp, t) =>
        expect(Math.abs(logp - local[i]!.refTop!.rejectedLogps[t]!)).toBeLessThan(1e-4),
      );
    });
  });

  it('with 10% failures, 5% stalls and two restarts ends with the bytes of an undisturbed pass', async () => {
    const calm = await servedOptions(reference, dataFile, [await start({ kind })]);
    await scoreDataset(calm);
    const server = await start({
      kind,
      faults: { seed: 4, fail: 0.1, stall: 0.05 },
      restarts: { at: [15, 40], goneMs: 30 },
    });
    const troubled = await servedOptions(reference, dataFile, [server]);
    await scoreDataset(troubled);
    expect(server.restarts).toBe(2);
    expect(server.faults).toBeGreaterThan(4);
    expect(await contents(troubled.outDirectory)).toEqual(await contents(calm.outDirectory));
  });

  it('keeps kind, name, version and the difference of two answers in the manifest; no address, key or number of requests', async () => {
    const server = await start({ kind });
    const notices: NoticeEvent[] = [];
    const wanted = await servedOptions(reference, dataFile, [server], {
      server: { key: 'sk-of-the-test' },
      listener: (event) => event.type === 'notice' && notices.push(event),
    });
    await scoreDataset(wanted);
    const { inputs, shards } = await readManifest(wanted.outDirectory);
    expect(inputs.model).toEqual({ servedModel: 'tiny/reference' });
    expect(inputs.scorer).toEqual(
      kind === 'vllm'
        ? { kind, version: '1.2.3' }
        : { kind, version: '1.2.3', dtype: 'float32', weightVersion: 'default' },
    );
    expect(shards.map(({ rescored }) => rescored)).toEqual(
      shards.map(() => ({ pairs: 1, greatestDifference: 0 })),
    );
    expect(notices.find(({ code }) => code === 'rescored')!.figures).toEqual({
      pairs: 3,
      greatestDifference: 0,
    });
    expect(server.keys).toContain('Bearer sk-of-the-test');
    const written = Object.values(await contents(wanted.outDirectory)).map((text) =>
      Buffer.from(text, 'base64').toString(),
    );
    for (const text of [...written, JSON.stringify(notices)]) expect(text).not.toContain('sk-of-the-test');
    for (const text of written) expect(text).not.toContain(server.url);
    const other = await servedOptions(reference, dataFile, [server], { server: { concurrency: 2 } });
    await scoreDataset(other);
    expect(await contents(other.outDirectory)).toEqual(await contents(wanted.outDirectory));
  });
});

const STORIES = join(
  process.env['SELECTIVE_DPO_SHARED'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url)),
  'data/models/stories260K',
);
const DEMO = fileURLToPath(new URL('../../cli/demo/reference', import.meta.url));
const real = existsSync(STORIES) ? STORIES : DEMO;

it.each(KINDS)(`a real model (${basename(real)}) on %s gives its log-probs on this machine`, async (kind) => {
  const server = await serve(real, { kind });
  open.push(server);
  const texts = ['Once upon a time', 'The dog was big.', 'Hello! Two coffees, please.', 'naïve 日本 12345'];
  const rows = texts.map((prompt, i) => ({
    prompt,
    chosen: `${prompt} there was a little girl.`,
    rejected: texts[3 - i]!,
  }));
  const wanted = await servedOptions(real, await writeRows(rows), [server]);
  await scoreDataset(wanted);
  const { tokenizerDirectory: modelDirectory, dataFile: rowsFile, rowsPerShard } = wanted;
  const outDirectory = join(await freshFolder(), 'cache');
  await scoreDataset({ modelDirectory, dataFile: rowsFile, rowsPerShard, outDirectory, engine: 'wasm' });
  const [served, local] = [await rowsOf(wanted.outDirectory), await rowsOf(outDirectory)];
  expect(served).toHaveLength(4);
  served.forEach((row, i) => {
    for (const side of ['chosenRefLogps', 'rejectedRefLogps'] as const) {
      row[side].forEach((logp, t) => expect(Math.abs(logp - local[i]![side][t]!)).toBeLessThan(1e-4));
    }
  });
});

describe('several servers', () => {
  it('share the work; one that is away at first comes back into it', async () => {
    const [one, two] = [await start({ kind: 'vllm' }), await start({ kind: 'vllm' })];
    let away = true;
    two.script.instead = (_path, response) => {
      if (away) response.destroy();
      return away;
    };
    one.script.spoil = (answer, call) => {
      if (call === 10) away = false;
      return answer;
    };
    const codes: string[] = [];
    const wanted = await servedOptions(reference, dataFile, [one, two], {
      server: { concurrency: 2 },
      listener: (event) => event.type === 'notice' && codes.push(event.code),
    });
    await scoreDataset(wanted);
    expect(one.calls).toBeGreaterThan(10);
    expect(two.calls).toBeGreaterThan(5);
    const alone = await servedOptions(reference, dataFile, [one]);
    await scoreDataset(alone);
    expect(await contents(wanted.outDirectory)).toEqual(await contents(alone.outDirectory));
  });

  it('of different models or versions are refused', async () => {
    const servers = [await start({ kind: 'vllm' }), await start({ kind: 'vllm', version: '9' })];
    const problem = await problemOf(scoreDataset(await servedOptions(reference, dataFile, servers)));
    expect(problem.code).toBe('servers-differ');
    expect(problem.details.file).toBe(servers[1]!.url);
  });

  it('that all stay away end the pass after the limit, and a pass with a server again goes on', async () => {
    const server = await start({ kind: 'vllm' });
    server.script.instead = (_path, response, call) => {
      if (call < 30) return false;
      response.destroy();
      return true;
    };
    server.script.restarts = { at: [], goneMs: 0 };
    const wanted = await servedOptions(reference, dataFile, [server], { server: { patienceMs: 20_000 } });
    const problem = await problemOf(scoreDataset(wanted));
    expect(problem.code).toBe('servers-down');
    expect(await readdir(join(wanted.outDirectory, 'shards'))).toContain('shard-00000.json');
    server.script.instead = () => false;
    const codes: string[] = [];
    await scoreDataset({ ...wanted, listener: (event) => event.type === 'notice' && codes.push(event.code) });
    expect(codes).toContain('resumed');
  });

  it('restarted with another model in between, end the pass', async () => {
    const server = await start({ kind: 'vllm', restarts: { at: [20], goneMs: 10 } });
    const wanted = await servedOptions(reference, dataFile, [server], {
      listener: () => {
        if (server.restarts > 0) server.script.version = '2';
      },
    });
    server.script.spoil = (answer, call) => {
      if (call === 19) server.script.version = '2';
      return answer;
    };
    expect((await problemOf(scoreDataset(wanted))).code).toBe('reference-changed');
  });
});

describe('stopped on request', () => {
  it('aborts its requests, keeps every published shard and goes on to the same bytes', async () => {
    const server = await start({ kind: 'sglang' });
    const whole = await servedOptions(reference, dataFile, [server]);
    await scoreDataset(whole);
    const stopper = new AbortController();
    const wanted = await servedOptions(reference, dataFile, [server], {
      signal: stopper.signal,
      listener: (event) =>
        event.type === 'progress' && event.stage === 'score' && event.done > 25 && stopper.abort(),
    });
    const failure: unknown = await scoreDataset(wanted).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Interrupted);
    expect(await readdir(join(wanted.outDirectory, 'shards'))).toContain('shard-00000.json');
    expect(await readdir(wanted.outDirectory)).not.toContain('manifest.json');
    const before = server.calls;
    await scoreDataset({ ...wanted, signal: undefined, listener: undefined });
    expect(server.calls - before).toBeLessThan(29 + 5);
    expect(await contents(wanted.outDirectory)).toEqual(await contents(whole.outDirectory));
  });

  it('before that, a server that says nothing for some seconds is named', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const controller = new AbortController();
    const wanted = await servedOptions(reference, dataFile, [await start({ kind: 'vllm' })]);
    const told: string[] = [];
    const pass = scoreDataset({
      ...wanted,
      server: { ...wanted.server, urls: [url], timing: undefined },
      signal: controller.signal,
      listener: (event) => {
        if (event.type !== 'notice' || event.code !== 'server-silent') return;
        told.push(event.message);
        controller.abort();
      },
    });
    await expect(pass).rejects.toBeInstanceOf(Interrupted);
    expect(told).toEqual([expect.stringContaining(url)]);
    silent.closeAllConnections();
    silent.close();
  }, 20_000);

  it('while a server says nothing, stops at once', async () => {
    const server = await start({ kind: 'vllm', instead: (_path, _response, call) => call > 5 });
    const stopper = new AbortController();
    const wanted = await servedOptions(reference, dataFile, [server], {
      signal: stopper.signal,
      server: { timing: { timeoutMs: () => 60_000 } },
    });
    const pass = scoreDataset(wanted).catch((error: unknown) => error);
    while (server.calls < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    stopper.abort();
    expect(await pass).toBeInstanceOf(Interrupted);
  });
});

describe('a served cache', () => {
  it('filled by two workers, or with shards of an earlier one, has the bytes of one pass', async () => {
    const server = await start({ kind: 'vllm' });
    const whole = await servedOptions(reference, dataFile, [server]);
    await scoreDataset(whole);
    const parts = await servedOptions(reference, dataFile, [server]);
    for (const index of [1, 0]) await scoreDataset({ ...parts, worker: { index, count: 2 } });
    await mergeCache(parts.outDirectory);
    expect(await contents(parts.outDirectory)).toEqual(await contents(whole.outDirectory));
    const earlier = await servedOptions(reference, dataFile, [server], { limit: 32 });
    await scoreDataset(earlier);
    const grown = await servedOptions(reference, dataFile, [server], {
      reuseDirectory: earlier.outDirectory,
    });
    expect((await scoreDataset(grown)).reusedPairs).toBe(32);
    expect(await contents(grown.outDirectory)).toEqual(await contents(whole.outDirectory));
  });
});

describe('caches of a reference on this machine', () => {
  it('say nothing of servers or second answers', async () => {
    const directory = await localCache();
    const text = await readFile(join(directory, 'manifest.json'), 'utf8');
    expect(text).not.toMatch(/servedModel|rescored/);
    expect(text).toMatch(
      /"model": \{\s+"weightsSha256": "[0-9a-f]{64}",\s+"configSha256": "[0-9a-f]{64}"\s+\}/,
    );
  });

  it('are not gone on with by a server, and the other way round', async () => {
    const server = await start({ kind: 'vllm' });
    const outDirectory = await localCache();
    const wanted = await servedOptions(reference, dataFile, [server], { outDirectory, rowsPerShard: 512 });
    const before = await contents(outDirectory);
    const failure = await problemOf(scoreDataset(wanted));
    expect(failure.code).toBe('cache-inputs-differ');
    expect(failure.details.field).toContain('model.');
    expect(failure.details.expected).toContain('"tiny/reference"');
    expect(await contents(outDirectory)).toEqual(before);
  });
});
