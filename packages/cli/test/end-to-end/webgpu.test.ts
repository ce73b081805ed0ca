import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheReader } from '@selective-dpo/data';
import { webgpuProblem } from '@selective-dpo/model';
import { describe, expect, it } from 'vitest';
import { demo, freshFolder, sdpo } from './run-sdpo.js';

const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('webgpu');
const skipped = !required && (await webgpuProblem()) !== undefined;

interface Walk {
  logps: number[];
  lines: Record<string, number | string>[];
}

/** Both stages on an engine, each a process that has to end by itself with exit code 0. */
async function walk(engine: string): Promise<Walk> {
  const folder = await freshFolder();
  const [cache, run] = [join(folder, 'cache'), join(folder, 'run')];
  const score = await sdpo([
    ...['score', '--model', join(demo, 'reference'), '--tokenizer', join(demo, 'policy'), '--out', cache],
    ...[
      '--data',
      join(demo, 'preferences', 'preferences.jsonl'),
      '--limit',
      '8',
      '--engine',
      engine,
      '--json',
    ],
  ]);
  expect(score.code, score.stderr).toBe(0);
  const train = await sdpo([
    ...['train', '--policy', join(demo, 'policy'), '--cache', cache, '--out', run, '--json'],
    ...[`engine=${engine}`, 'maxSteps=3', 'batchSize=2', 'learningRate=3e-4', 'saveEvery=2'],
  ]);
  expect(train.code, train.stderr).toBe(0);
  // The driver's own words must not get between the lines of --json.
  for (const { stdout } of [score, train])
    stdout
      .trim()
      .split('\n')
      .forEach((line) => void JSON.parse(line));
  const reader = await CacheReader.open(cache);
  const logps: number[] = [];
  for (let i = 0; i < reader.rowCount; i++) logps.push(...(await reader.row(i)).chosenRefLogps);
  await reader.close();
  const text = await readFile(join(run, 'metrics.jsonl'), 'utf8');
  return {
    logps,
    lines: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Walk['lines'][number]),
  };
}

describe.skipIf(skipped)('the command line on webgpu (needs webgpu)', { timeout: 300_000 }, () => {
  it('scores and trains as on wasm: log-probs, losses and gradient norms within 1e-4', async () => {
    const [wasm, webgpu] = [await walk('wasm'), await walk('webgpu')];
    expect(webgpu.logps.length).toBe(wasm.logps.length);
    webgpu.logps.forEach((value, i) => expect(Math.abs(value - wasm.logps[i]!)).toBeLessThan(1e-4));
    expect(webgpu.lines.length).toBe(wasm.lines.length);
    for (const [i, line] of wasm.lines.entries()) {
      for (const key of ['loss', 'grad_norm']) {
        const expected = Number(line[key]);
        const difference = Math.abs(Number(webgpu.lines[i]![key]) - expected);
        expect(difference / Math.max(1, Math.abs(expected)), key).toBeLessThan(1e-4);
      }
    }
  });
});
