import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  InputErrors,
  Interrupted,
  type InputError,
  type NoticeEvent,
  type ProgressEvent,
} from '@selective-dpo/foundation';
import { CacheReader, verifyCache, type CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { scoreDataset, type ScoreOptions } from '../src/index.js';
import { freshFolder, sampleRows, writeReference, writeRows } from './small-reference.js';

let reference: string;
let dataFile: string;
const rows = sampleRows(23);

beforeAll(async () => {
  reference = await writeReference();
  dataFile = await writeRows(rows);
});

async function options(change: Partial<ScoreOptions> = {}): Promise<ScoreOptions> {
  return {
    modelDirectory: reference,
    dataFile,
    outDirectory: join(await freshFolder(), 'cache'),
    engine: 'cpu',
    rowsPerShard: 8,
    batchTokens: 128,
    ...change,
  };
}

async function rowsOf(directory: string): Promise<CacheRow[]> {
  const reader = await CacheReader.open(directory);
  try {
    const all: CacheRow[] = [];
    for await (const row of reader.rows()) all.push(row);
    return all;
  } finally {
    await reader.close();
  }
}

/** Every file's name and bytes. */
async function contents(directory: string): Promise<[string, string][]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = files.sort().map(async (path) => {
    return [path.slice(directory.length), (await readFile(path)).toString('base64')] as [string, string];
  });
  return Promise.all(pairs);
}

const codeOf = (failure: unknown): string =>
  failure instanceof InputErrors ? failure.problems[0]!.code : (failure as InputError).code;
const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined).catch((e: unknown) => e);

describe('scoring a dataset', () => {
  it("caches the log-prob of every response token, as the model's own pass over the whole sequence gives it", async () => {
    const wanted = await options();
    const result = await scoreDataset(wanted);
    expect(result).toMatchObject({ alreadyComplete: false, pairs: 23, shards: 3, dropped: {} });
    await verifyCache(wanted.outDirectory);
    const cached = await rowsOf(wanted.outDirectory);
    expect(cached).toHaveLength(23);
    await openEngine('cpu');
    const model = await CausalLM.load(reference);
    for (const row of cached) {
      for (const [ids, logps] of [
        [row.chosenIds, row.chosenRefLogps],
        [row.rejectedIds, row.rejectedRefLogps],
      ] as const) {
        // One sequence alone, without a shared prompt.
        const whole = Int32Array.from([...row.promptIds, ...ids]);
        const [[alone]] = (await model.logps([
          { prompt: whole.subarray(0, 1), responses: [whole.subarray(1)] },
        ])) as [[Float32Array]];
        const own = alone.subarray(row.promptIds.length - 1);
        expect(logps).toHaveLength(ids.length);
        logps.forEach((value, t) => expect(Math.abs(value - own[t]!)).toBeLessThan(1e-4));
      }
    }
    model.dispose();
  });

  it('gives other values for other weights', async () => {
    const [one, two] = [
      await options(),
      await options({ modelDirectory: await writeReference({ seed: 2 }) }),
    ];
    await scoreDataset(one);
    await scoreDataset(two);
    const [a, b] = [await rowsOf(one.outDirectory), await rowsOf(two.outDirectory)];
    expect(a.map((row) => row.chosenIds)).toEqual(b.map((row) => row.chosenIds));
    expect(a.map((row) => row.chosenRefLogps)).not.toEqual(b.map((row) => row.chosenRefLogps));
  });

  it('takes the first rows only with a limit, and they are the same values', async () => {
    const whole = await options();
    const part = await options({ limit: 8 });
    await scoreDataset(whole);
    expect((await scoreDataset(part)).pairs).toBe(8);
    expect(await rowsOf(part.outDirectory)).toEqual((await rowsOf(whole.outDirectory)).slice(0, 8));
  });

  it('leaves no tensor behind', async () => {
    const engine = await openEngine('cpu');
    const before = engine.tf.memory().numTensors;
    await scoreDataset(await options());
    expect(engine.tf.memory().numTensors).toBe(before);
  });

  it('reports progress up to the number of rows, dropped ones included', async () => {
    const events: (ProgressEvent | NoticeEvent)[] = [];
    const file = await writeRows([...rows.slice(0, 4), { prompt: 'q', chosen: '', rejected: 'b' }]);
    await scoreDataset(await options({ dataFile: file, listener: (event) => events.push(event) }));
    const progress = events.filter((event): event is ProgressEvent => event.type === 'progress');
    expect(progress.at(-1)).toMatchObject({ stage: 'score', unit: 'pairs', done: 5, total: 5 });
    expect(progress.at(-1)!.figures!['tokens/s']).toBeGreaterThan(0);
  });
});

describe('a second call', () => {
  it('returns at once for the same inputs, without a model', async () => {
    const wanted = await options();
    await scoreDataset(wanted);
    const before = await contents(wanted.outDirectory);
    const seen: string[] = [];
    const again = await scoreDataset({ ...wanted, listener: (event) => seen.push(event.type) });
    expect(again).toMatchObject({ alreadyComplete: true, pairs: 23, shards: 3 });
    expect(seen).not.toContain('progress');
    expect(await contents(wanted.outDirectory)).toEqual(before);
  });

  it.each<[string, string, () => Promise<Partial<ScoreOptions>>]>([
    ['weights', 'model.weightsSha256', async () => ({ modelDirectory: await writeReference({ seed: 5 }) })],
    ['rows', 'dataset.sha256', async () => ({ dataFile: await writeRows(sampleRows(23, 9)) })],
    ['limit', 'dataset.limit', () => Promise.resolve({ limit: 5 })],
    ['length', 'limits.maxLength', () => Promise.resolve({ limits: { maxLength: 30 } })],
    ['engine', 'scorer.engine', () => Promise.resolve({ engine: 'wasm' })],
    ['batch size', 'scorer.batchTokens', () => Promise.resolve({ batchTokens: 64 })],
    ['shard size', 'rowsPerShard', () => Promise.resolve({ rowsPerShard: 4 })],
    [
      'template',
      'tokenizer.chatTemplate',
      () => Promise.resolve({ chatTemplate: '{{ messages[0].content }}' }),
    ],
  ])('is refused for another %s, which is named', async (_, field, change) => {
    const wanted = await options();
    await scoreDataset(wanted);
    const before = await contents(wanted.outDirectory);
    const failure = await failureOf(scoreDataset({ ...wanted, ...(await change()) }));
    expect(failure).toBeInstanceOf(InputErrors);
    expect((failure as InputErrors).problems.flatMap(({ details }) => details.field!.split(', '))).toContain(
      field,
    );
    expect(await contents(wanted.outDirectory)).toEqual(before);
  });

  it('keeps the instant of a template that reads the clock', async () => {
    const chatTemplate = "{{ strftime_now('%H%M%S') }}: {% for m in messages %}{{ m.content }}\n{% endfor %}";
    const wanted = await options({ chatTemplate });
    await scoreDataset(wanted);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await scoreDataset(wanted)).alreadyComplete).toBe(true);
    const other = { ...wanted, outDirectory: join(await freshFolder(), 'cache') };
    await scoreDataset(other);
    const instant = async (directory: string) =>
      (
        JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as {
          inputs: { tokenizer: { chatTemplateNow: string } };
        }
      ).inputs.tokenizer.chatTemplateNow;
    // Negative control: a new folder has a new instant.
    expect(await instant(other.outDirectory)).not.toBe(await instant(wanted.outDirectory));
  });
});

/** Stops a pass after so many batches; returns the folder of its unfinished cache. */
async function stoppedAfter(batches: number): Promise<string> {
  const stopper = new AbortController();
  let seen = 0;
  const wanted = await options({
    signal: stopper.signal,
    listener: (event) => {
      if (event.type === 'progress' && ++seen === batches) stopper.abort();
    },
  });
  const failure = await failureOf(scoreDataset(wanted));
  expect(failure).toBeInstanceOf(Interrupted);
  expect((failure as Interrupted).resume).toContain('same command');
  expect(await readdir(wanted.outDirectory)).not.toContain('manifest.json');
  return wanted.outDirectory;
}

describe('stopped on request', () => {
  it.each([1, 5, 9])('after batch %i, it goes on to the same bytes', async (batches) => {
    const whole = await options();
    await scoreDataset(whole);
    const outDirectory = await stoppedAfter(batches);
    const notices: string[] = [];
    await scoreDataset({
      ...(await options({ outDirectory })),
      listener: (event) => event.type === 'notice' && notices.push(event.code),
    });
    expect(await contents(outDirectory)).toEqual(await contents(whole.outDirectory));
    expect(notices.includes('resumed')).toBe(batches > 4);
  });
});

describe('another input for an unfinished cache', () => {
  it('is taken while no shard is published', async () => {
    const other = await options({ outDirectory: await stoppedAfter(1), limits: { maxLength: 30 } });
    await scoreDataset(other);
    const fresh = await options({ limits: { maxLength: 30 } });
    await scoreDataset(fresh);
    expect(await contents(other.outDirectory)).toEqual(await contents(fresh.outDirectory));
  });

  it('is refused from the first shard on', async () => {
    const other = await options({ outDirectory: await stoppedAfter(9), limits: { maxLength: 30 } });
    const before = await contents(other.outDirectory);
    const failure = await failureOf(scoreDataset(other));
    expect((failure as InputErrors).problems.map((problem) => problem.details.field)).toEqual([
      'limits.maxLength',
    ]);
    expect(await contents(other.outDirectory)).toEqual(before);
  });
});

describe('bad input', () => {
  it('without one usable pair is refused with the reasons, and no cache is there', async () => {
    const file = await writeRows([
      { prompt: 'q', chosen: 'same', rejected: 'same' },
      { prompt: 'q', chosen: '', rejected: 'b' },
    ]);
    const wanted = await options({ dataFile: file });
    const failure = await failureOf(scoreDataset(wanted));
    expect(codeOf(failure)).toBe('no-pairs');
    expect((failure as InputError).details.found).toBe('1 empty-chosen, 1 identical');
    expect(await readdir(wanted.outDirectory)).not.toContain('manifest.json');
    const listed = (await readFile(join(wanted.outDirectory, 'dropped.jsonl'), 'utf8')).trim().split('\n');
    expect(listed.map((line) => (JSON.parse(line) as { row: number }).row)).toEqual([0, 1]);
  });

  it('with a token that the reference does not have is refused by its row', async () => {
    const small = await writeReference({ vocabSize: 20 });
    const file = await writeRows([
      { prompt: 'a', chosen: 'b', rejected: 'c' },
      { prompt: 'a', chosen: 'b', rejected: 'z' },
    ]);
    const failure = await failureOf(scoreDataset(await options({ modelDirectory: small, dataFile: file })));
    expect(codeOf(failure)).toBe('token-out-of-range');
    expect((failure as InputError).details).toMatchObject({ file, row: 1, expected: 'ids below 20' });
  });

  it('that changes while it is scored is refused, and no cache is there', async () => {
    const file = await writeRows(rows);
    const changes: Promise<void>[] = [];
    const wanted = await options({
      dataFile: file,
      listener: (event) => {
        if (event.type === 'progress' && event.done === event.total) {
          changes.push(writeFile(file, JSON.stringify({ prompt: 'a', chosen: 'b', rejected: 'c' })));
        }
      },
    });
    const failure = await failureOf(scoreDataset(wanted));
    await Promise.all(changes);
    expect(changes).toHaveLength(1);
    expect(codeOf(failure)).toBe('dataset-changed');
    expect(await readdir(wanted.outDirectory)).not.toContain('manifest.json');
  });

  it('from a reference with NaN in its weights is refused, and no cache is there', async () => {
    const broken = await writeReference();
    const path = join(broken, 'model.safetensors');
    const bytes = await readFile(path);
    bytes.fill(0xff, bytes.length - 4);
    await writeFile(path, bytes);
    const wanted = await options({ modelDirectory: broken });
    const failure = await failureOf(scoreDataset(wanted));
    expect(codeOf(failure)).toBe('reference-not-finite');
    expect((failure as InputError).details.file).toBe(broken);
    expect(await readdir(wanted.outDirectory)).not.toContain('manifest.json');
  });

  it('leaves a folder that holds something else as it was', async () => {
    const outDirectory = await freshFolder();
    await mkdir(join(outDirectory, 'mine'));
    await writeFile(join(outDirectory, 'mine', 'note.txt'), 'kept');
    const failure = await failureOf(scoreDataset(await options({ outDirectory })));
    expect(codeOf(failure)).toBe('folder-in-use');
    expect(await contents(outDirectory)).toEqual([
      ['/mine/note.txt', Buffer.from('kept').toString('base64')],
    ]);
  });
});

describe('the likeliest tokens', () => {
  it('are kept in the place of every response token, and change nothing else', async () => {
    const [plain, own] = [await options(), await options({ topLogprobs: 4 })];
    await scoreDataset(plain);
    await scoreDataset(own);
    await verifyCache(own.outDirectory);
    const [without, cached] = [await rowsOf(plain.outDirectory), await rowsOf(own.outDirectory)];
    expect(cached.map(({ refTop, ...row }) => (refTop === undefined ? {} : row))).toEqual(without);
    await openEngine('cpu');
    const model = await CausalLM.load(reference);
    const every = Array.from({ length: model.config.vocabSize }, (_, id) => id);
    for (const { promptIds, chosenIds, refTop } of cached.slice(0, 5)) {
      for (let t = 0; t < chosenIds.length; t += 3) {
        // Every token of the vocabulary in turn behind what precedes this place.
        const prompt = Int32Array.from([...promptIds, ...chosenIds.subarray(0, t)]);
        const [logps] = await model.logps([{ prompt, responses: every.map((id) => Int32Array.of(id)) }]);
        const order = [...every].sort((a, b) => logps![b]![0]! - logps![a]![0]!).slice(0, 4);
        expect([...refTop!.chosenIds.subarray(4 * t, 4 * t + 4)]).toEqual(order);
        order.forEach((id, i) => expect(refTop!.chosenLogps[4 * t + i]!).toBeCloseTo(logps![id]![0]!, 5));
      }
    }
    model.dispose();
  });

  it('are the same bytes after a pass that was stopped', async () => {
    const [whole, cut] = [await options({ topLogprobs: 2 }), await options({ topLogprobs: 2 })];
    await scoreDataset(whole);
    const controller = new AbortController();
    const listener = (event: ProgressEvent | NoticeEvent) => {
      if (event.type === 'progress' && event.done > 9) controller.abort();
    };
    const stopped = await failureOf(scoreDataset({ ...cut, listener, signal: controller.signal }));
    expect(stopped).toBeInstanceOf(Interrupted);
    expect((await scoreDataset(cut)).alreadyComplete).toBe(false);
    expect(await contents(cut.outDirectory)).toEqual(await contents(whole.outDirectory));
    const other = await failureOf(scoreDataset({ ...cut, topLogprobs: 3 }));
    expect(codeOf(other)).toBe('cache-inputs-differ');
  });

  it('are at most those of the vocabulary', async () => {
    const refused = (await failureOf(scoreDataset(await options({ topLogprobs: 33 })))) as InputError;
    expect([refused.code, refused.details.field]).toEqual(['option-value', '--top-logprobs']);
    expect(refused.details.expected).toContain('at most 32');
    const all = await options({ topLogprobs: 32, limit: 2 });
    await scoreDataset(all);
    const [{ refTop } = {}] = await rowsOf(all.outDirectory);
    const first = refTop!.chosenLogps.subarray(0, 32);
    expect(first.reduce((sum, logp) => sum + Math.exp(logp), 0)).toBeCloseTo(1, 5);
  });
});

describe('an earlier cache', () => {
  /** Scores `grown` anew and from the earlier cache of `before`. */
  async function bothWays(before: object[], grown: object[]) {
    const earlier = await options({ dataFile: await writeRows(before) });
    await scoreDataset(earlier);
    const dataFile = await writeRows(grown);
    const [fresh, reusing] = [await options({ dataFile }), await options({ dataFile })];
    await scoreDataset(fresh);
    const { reusedPairs } = await scoreDataset({ ...reusing, reuseDirectory: earlier.outDirectory });
    return {
      reusedPairs,
      fresh: await contents(fresh.outDirectory),
      reusing: await contents(reusing.outDirectory),
    };
  }

  it('of a dataset that grew gives its whole shards, and the bytes of scoring everything anew', async () => {
    const { reusedPairs, fresh, reusing } = await bothWays(rows.slice(0, 20), rows);
    // Shards of 8: the third had 4 pairs, and has 7 now.
    expect(reusedPairs).toBe(16);
    expect(reusing).toEqual(fresh);
  });

  it('gives nothing of a shard with a row that changed, and of those behind a row that went', async () => {
    const changed = rows.map((row, i) => (i === 9 ? { ...row, chosen: 'another answer' } : row));
    const other = await bothWays(rows, changed);
    expect(other.reusedPairs).toBe(23 - 8);
    expect(other.reusing).toEqual(other.fresh);
    const shorter = await bothWays(rows, rows.slice(1));
    expect(shorter.reusedPairs).toBe(0);
    expect(shorter.reusing).toEqual(shorter.fresh);
  });

  it('made with another reference, or in other batches, is refused', async () => {
    const earlier = await options();
    await scoreDataset(earlier);
    for (const [change, field] of [
      [{ modelDirectory: await writeReference({ seed: 2 }) }, 'model.weightsSha256'],
      [{ batchTokens: 64 }, 'scorer.batchTokens'],
    ] as const) {
      const wanted = await options({ ...change, reuseDirectory: earlier.outDirectory });
      const failure = await failureOf(scoreDataset(wanted));
      expect(failure).toBeInstanceOf(InputErrors);
      expect((failure as InputErrors).problems[0]!.details.field).toContain(field);
    }
  });
});
