import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mergeCache } from '@selective-dpo/data';
import { describe, expect, it } from 'vitest';
import { scoreDataset, type ScoreOptions } from '../src/index.js';
import { freshFolder, sampleRows, writeReference, writeRows } from './small-reference.js';

const rows = sampleRows(23).map(({ prompt, chosen, rejected }) => ({
  prompt: [{ role: 'user', content: prompt }],
  chosen: [{ role: 'assistant', content: chosen }],
  rejected: [{ role: 'assistant', content: rejected }],
}));
const chatTemplate =
  "{{ strftime_now('%H.%M.%S') | replace('0', 'a') | replace('1', 'b') }}{% for m in messages %}{{ m.content }}{% endfor %}";
const modelDirectory = await writeReference();

async function options(change: Partial<ScoreOptions> = {}): Promise<ScoreOptions> {
  const outDirectory = join(await freshFolder(), 'cache');
  const fixed = { engine: 'cpu', rowsPerShard: 8, batchTokens: 128 } as const;
  return { modelDirectory, dataFile: await writeRows(rows), outDirectory, chatTemplate, ...fixed, ...change };
}

async function instantOf(directory: string): Promise<string> {
  const text = await readFile(join(directory, 'manifest.json'), 'utf8');
  const { inputs } = JSON.parse(text) as { inputs: { tokenizer: { chatTemplateNow: string } } };
  return inputs.tokenizer.chatTemplateNow;
}

/** Until the clock shows another instant. */
function nextInstant(): void {
  const start = Date.now();
  while (Date.now() - start < 5);
}

describe('a chat template that reads the clock', () => {
  it('has one instant for workers that start before any of them has published its inputs', async () => {
    const shared = await options();
    let second: Promise<unknown> | undefined;
    await scoreDataset({
      ...shared,
      worker: { index: 0, count: 2 },
      // Told between the choice of the instant and the inputs.
      listener: () => {
        if (second !== undefined) return;
        nextInstant();
        second = scoreDataset({ ...shared, worker: { index: 1, count: 2 } });
      },
    });
    await second;
    const { manifest } = await mergeCache(shared.outDirectory);
    expect(manifest.rows).toBe(23);
  });

  it('is rendered at the instant of the cache whose shards are taken', async () => {
    const earlier = await options({ limit: 20 });
    await scoreDataset(earlier);
    nextInstant();
    const grown = await options({ reuseDirectory: earlier.outDirectory });
    expect((await scoreDataset(grown)).reusedPairs).toBe(16);
    expect(await instantOf(grown.outDirectory)).toBe(await instantOf(earlier.outDirectory));
    // Negative control: without it the clock goes on.
    const fresh = await options();
    await scoreDataset(fresh);
    expect(await instantOf(fresh.outDirectory)).not.toBe(await instantOf(earlier.outDirectory));
  });
});
