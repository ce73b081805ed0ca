/** Both stages for the baselines that need more than log-probs of the response's own tokens, and figures for trackers. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { demo, freshFolder, sdpo, shared } from './run-sdpo.js';

interface Sources {
  policy: string;
  reference: string;
  data: string;
}
const SOURCES: [string, Sources | undefined][] = [
  [
    'the demo’s models and rows',
    {
      policy: join(demo, 'policy'),
      reference: join(demo, 'reference'),
      data: join(demo, 'preferences', 'preferences.jsonl'),
    },
  ],
  [
    'stories260K and real rows',
    shared === undefined
      ? undefined
      : {
          policy: `${shared}/models/stories260K`,
          reference: `${shared}/models/stories260K-dpo`,
          data: `${shared}/preferences/rasbt/instruction-data-with-preference.json`,
        },
  ],
];

interface Line {
  type?: string;
  split: string;
  step: number;
  loss: number;
}
const objectsOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line & { figures: { loss: number } });

describe.each(SOURCES)('baselines on %s', (_, sources) => {
  let cache: string;
  const score = (out: string, ...more: string[]) =>
    sdpo([
      ...['score', '--model', sources!.reference, '--data', sources!.data, '--out', out],
      ...['--limit', '60', '--max-length', '512', '--engine', 'wasm', ...more],
    ]);
  const train = async (from: string, ...settings: string[]) => {
    const out = join(await freshFolder(), 'run');
    const args = ['train', '--policy', sources!.policy, '--cache', from, '--out', out, 'engine=wasm'];
    return { out, ...(await sdpo([...args, ...settings, '--json'])) };
  };

  beforeAll(async () => {
    if (sources === undefined) return;
    cache = join(await freshFolder(), 'cache');
    const { code, stderr } = await score(cache, '--top-logprobs', '8');
    expect(code, stderr).toBe(0);
  }, 120_000);

  it.skipIf(sources === undefined)('score with --top-logprobs gives a cache that verifies', async () => {
    const verified = await sdpo(['cache', 'verify', cache]);
    expect([verified.code, verified.stderr]).toEqual([0, '']);
    expect((await sdpo(['cache', 'info', cache])).stdout).toMatch(/topLogprobs +8/);
  });

  it.skipIf(sources === undefined).each([
    ['distillation', ['loss=distillation']],
    ['hard labels', ['loss=distillation', 'distillationTopN=1', 'distillationRest=renormalize']],
    ['SFT', ['loss=sft']],
    ['frozen selection', ['selectionFrom=initial']],
  ])(
    '%s trains: its loss on held-out pairs goes down, and every record is an object on standard output',
    async (_name, settings) => {
      const steps = ['maxSteps=12', 'learningRate=2e-4', 'lrSchedule=constant', 'evalFraction=0.2'];
      const { code, stdout, stderr, out } = await train(cache, ...settings, ...steps);
      expect(code, stderr).toBe(0);
      const lines = objectsOf(await readFile(join(out, 'metrics.jsonl'), 'utf8'));
      const held = lines.filter(({ split }) => split === 'eval').map(({ loss }) => loss);
      expect(held).toHaveLength(2);
      expect(held[1]!).toBeLessThan(held[0]!);
      const told = objectsOf(stdout).filter(({ type }) => type === 'metrics');
      expect(told.map(({ split, step, figures }) => [split, step, figures.loss])).toEqual(
        lines.map(({ split, step, loss }) => [split, step, loss]),
      );
    },
    120_000,
  );

  it.skipIf(sources === undefined)('a cache without likeliest tokens is refused by its name', async () => {
    const other = join(await freshFolder(), 'cache');
    expect((await score(other, '--limit', '8')).code).toBe(0);
    const { code, stderr } = await train(other, 'loss=distillation');
    expect(code).toBe(2);
    expect(stderr).toContain(other);
    expect(stderr).toContain('sdpo score --top-logprobs 8');
    const wrong = await train(cache, 'loss=sft', 'rpoAlpha=1', 'distillationTopN=3');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr.trim().split('\n')).toHaveLength(2);
    const many = await score(join(await freshFolder(), 'cache'), '--top-logprobs', '1000');
    expect([many.code, many.stderr]).toEqual([2, expect.stringContaining('--top-logprobs')]);
  });
});
