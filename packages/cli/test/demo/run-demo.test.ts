/** The whole demo on the wasm engine, with few steps: both stages through their public interfaces. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted } from '@selective-dpo/foundation';
import { verifyCache } from '@selective-dpo/data';
import { readModelConfig } from '@selective-dpo/model';
import { ConsoleWriter } from '../../src/console/console-writer.js';
import { DEMO_RUNS, runDemo, type DemoOutcome } from '../../src/demo/index.js';

const size = { trainingPairs: 64, heldOutPairs: 20, steps: 4 };

/** A writer that remembers, as a terminal or as a pipe. */
function recorder(isTTY: boolean, json = false): { writer: ConsoleWriter; text: () => string } {
  let written = '';
  const stream = { write: (text: string) => (written += text), isTTY, columns: 80 };
  return { writer: new ConsoleWriter(stream, stream, json), text: () => written };
}

describe('runDemo', { timeout: 120_000 }, () => {
  let folder: string;
  let outcome: DemoOutcome;
  let text: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sdpo-demo-run-'));
    const { writer, text: read } = recorder(false);
    outcome = await runDemo({ outDirectory: join(folder, 'out'), engine: 'wasm', writer, size });
    text = read();
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('says in plain words what happens, without colours into a pipe', () => {
    for (const heading of [
      'What is going on',
      '1. Score',
      '2. Select',
      '3. Train',
      '4. Result',
      'Where things are',
    ])
      expect(text).toContain(`\n${heading}`);
    expect(text).toMatch(/Verified: 64 pairs/);
    expect(text).toMatch(/ {2}chosen {5}.*\[.+\]/);
    expect(text).toContain('sdpo score --model');
    expect(text).toContain('sdpo train --policy');
    expect(text).not.toContain('\u001b');
  });

  it('trains every method on their share of the tokens, and each changes the policy in its own way', () => {
    const { before, runs } = outcome;
    expect(runs.dpo.keptFraction).toBe(1);
    expect(runs.selectiveDpo.keptFraction).toBeGreaterThan(0.35);
    expect(runs.selectiveDpo.keptFraction).toBeLessThan(0.5);
    expect(runs.dpoLargerReference.keptFraction).toBe(1);
    const answers = [before, ...DEMO_RUNS.map((run) => runs[run].held)].map((held) => held.answers.join());
    expect(new Set(answers).size).toBeGreaterThan(2);
  });

  it('leaves a whole cache, models to load, answers and figures', async () => {
    const out = join(folder, 'out');
    expect((await verifyCache(join(out, 'cache'))).rows).toBe(64);
    for (const run of ['dpo', 'dpo-larger-reference', 'selective-dpo']) {
      expect((await readModelConfig(join(out, run, 'final'))).architecture).toBe('LlamaForCausalLM');
      const metrics = (await readFile(join(out, run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
      expect(metrics.length).toBe(size.steps);
    }
    const answers = (await readFile(join(out, 'answers.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(answers.length).toBe(size.heldOutPairs);
    expect(Object.keys(JSON.parse(answers[0]!) as object)).toEqual(['prompt', 'before', ...DEMO_RUNS]);
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as { before: object };
    expect(report.before).toMatchObject({ preferenceAccuracy: outcome.before.preferenceAccuracy });
  });

  it('gives the same answers when run again over what is there, in colour on a terminal', async () => {
    const { writer, text: read } = recorder(true);
    const again = await runDemo({ outDirectory: join(folder, 'out'), engine: 'wasm', writer, size });
    expect(again.runs.selectiveDpo.held).toEqual(outcome.runs.selectiveDpo.held);
    expect(again.before).toEqual(outcome.before);
    expect(read()).toContain('The cache was there already.');
    expect(read()).toContain('\u001b[1;30;42m');
  });

  it('writes one JSON object a line and nothing else where that is asked for', async () => {
    const { writer, text: read } = recorder(false, true);
    await runDemo({
      outDirectory: join(folder, 'out'),
      engine: 'wasm',
      writer,
      size,
    });
    const lines = read()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.at(-1)).toMatchObject({ type: 'result', steps: size.steps });
  });

  it('stops when asked to, and says how to go on', async () => {
    const { writer } = recorder(false);
    const signal = AbortSignal.abort();
    const options = { outDirectory: join(folder, 'stopped'), engine: 'wasm', writer, size, signal } as const;
    await expect(runDemo(options)).rejects.toThrow(Interrupted);
  });
});
