import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Interrupted } from '@selective-dpo/foundation';
import { ConsoleWriter } from 'selective-dpo';
import { describe, expect, it } from 'vitest';
import { Tally, buildTorture, type Outcome, type Scenario } from '../src/index.js';

/** A scenario of one fault with a known outcome. */
const scenarioOf = (name: string, outcome: Outcome): Scenario => ({
  ...{ name, meaning: 'one fault' },
  async *run({ seed }) {
    const tally = new Tally(name, 'x');
    tally.count(outcome, `fault of seed ${seed}`);
    yield Promise.resolve(tally.row());
  },
});
const SCENARIOS = [scenarioOf('good', 'refused'), scenarioOf('bad', 'mixed')];

/** Runs the command on words; what it printed, and whether it failed. */
async function torture(scenarios: Scenario[], ...words: string[]) {
  let text = '';
  let code = 0;
  const stream = { write: (piece: string) => (text += piece) };
  const context = {
    run: async (
      values: Record<string, unknown>,
      body: (writer: ConsoleWriter, signal: AbortSignal) => Promise<void>,
    ) => {
      const writer = new ConsoleWriter(stream, stream, values['json'] === true);
      await body(writer, new AbortController().signal).catch(
        (error: unknown) => (code = writer.failure(error)),
      );
    },
  };
  await buildTorture(scenarios, context, () => (code = 1)).parseAsync(words, { from: 'user' });
  return { text, code };
}

describe('the command', () => {
  it('fails where a zero is not one, and says which fault it was', async () => {
    const { text, code } = await torture(SCENARIOS, '--seed', '9');
    expect(code).toBe(1);
    expect(text).toMatch(/good: x +1 +0 +0 +1 +0 +0 +0 +0/);
    expect(text).toContain('FOUND: bad, x: mixed: fault of seed 9');
    expect(text).toContain('seed 9: NOT SOUND');
  });

  it('succeeds where all are, runs one scenario alone, and writes a report', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sdpo-torture-'));
    const report = join(folder, 'report.json');
    const { text, code } = await torture(SCENARIOS, '--only', 'good', '--json', '--report', report);
    expect(code).toBe(0);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { type: 'row', scenario: 'good', count: 1, refused: 1, mixed: 0 },
      { type: 'result', seed: 1, sound: true },
    ]);
    const { rows } = JSON.parse(await readFile(report, 'utf8')) as { rows: object[] };
    expect(rows).toMatchObject([{ scenario: 'good', sound: true }]);
    await rm(folder, { recursive: true });
  });

  it('shows what was counted when it is stopped', async () => {
    const stopped: Scenario = {
      ...{ name: 'stopped', meaning: 'comes to no end' },
      // eslint-disable-next-line require-yield
      async *run() {
        await Promise.resolve();
        throw new Interrupted('stopped', 'run the same command again');
      },
    };
    const { text, code } = await torture([...SCENARIOS, stopped]);
    expect(code).toBe(130);
    expect(text).toMatch(/good: x +1 +0 +0 +1[^]*stopped; to go on/);
  });

  it('names all words that it does not know at once', async () => {
    const { text, code } = await torture(SCENARIOS, '--only', 'all', '--seed', 'x');
    expect(code).toBe(2);
    expect(text).toContain('one of good, bad');
    expect(text).toContain('a whole number');
  });
});
