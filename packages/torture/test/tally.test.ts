import { describe, expect, it } from 'vitest';
import { Tally, ZEROS, describeTally, isSound, runScenarios, type Scenario } from '../src/index.js';

const quiet = { seed: 1, short: true, signal: new AbortController().signal, listener: () => undefined };

describe('a tally', () => {
  it('adds up what faults came to, and is sound where nothing bad happened', () => {
    const tally = new Tally('kill', 'score');
    for (const outcome of ['old', 'old', 'new', 'refused', 'right'] as const) tally.count(outcome, 'x');
    tally.countResumed(true, 'x');
    const row = tally.row();
    expect(row).toMatchObject({ count: 5, old: 2, new: 1, refused: 1, right: 1, resumed: 1, findings: [] });
    expect(isSound(row)).toBe(true);
    expect(describeTally([row])[2]).toMatch(/kill: score +5 +2 +1 +1 +1 +0 +0 +0 +1 of 1/);
  });

  it.each(ZEROS)('is not sound with one %s, and says what it was', (column) => {
    const tally = new Tally('kill', 'score');
    tally.count('old', 'x');
    if (column === 'differing') tally.countResumed(false, 'fault 7');
    else tally.count(column, 'fault 7');
    expect(isSound(tally.row())).toBe(false);
    expect(describeTally([tally.row()]).at(-1)).toMatch(/^FOUND: kill, score: .*: fault 7$/);
  });

  it('is not sound where nothing was tried without a reason', () => {
    expect(isSound(new Tally('kill', 'score').row())).toBe(false);
    const skipped = Tally.skipped('disk', 'full', 'needs mounts');
    expect(isSound(skipped)).toBe(true);
    expect(describeTally([skipped]).at(-1)).toBe('skipped: disk, full: needs mounts');
  });
});

describe('scenarios', () => {
  it('run one after the other, each in an empty folder of its own', async () => {
    const folders: string[] = [];
    const scenario = (name: string): Scenario => ({
      ...{ name, meaning: '' },
      async *run({ folder }) {
        folders.push(folder);
        yield Promise.resolve(Tally.skipped(name, 'none', 'nothing to do'));
      },
    });
    const rows = [];
    for await (const row of runScenarios([scenario('one'), scenario('two')], quiet)) rows.push(row.scenario);
    expect(rows).toEqual(['one', 'two']);
    expect(new Set(folders).size).toBe(2);
  });
});
