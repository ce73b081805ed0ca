import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { commandLines, shellQuote } from '../src/index.js';
import { planOf } from './written-sweep.js';

describe('command lines', () => {
  it('are read back by a shell word for word', () => {
    const words = [
      'plain',
      'keep=0.4',
      'a b',
      "it's",
      '$(id)',
      '`id`',
      '*',
      '~',
      '',
      '"',
      '\\',
      '!x',
      '#',
      'ä',
      ';',
    ];
    const script = `printf '%s\\n' ${words.map(shellQuote).join(' ')}`;
    expect(execFileSync('sh', ['-c', script]).toString()).toBe(words.map((word) => `${word}\n`).join(''));
  });

  it('are one for each run, into its own folder', async () => {
    const plan = await planOf('grid: {keep: [0.2, 0.4]}');
    const lines = await commandLines(plan, '/some where', ['node', 'sdpo.js']);
    expect(lines).toHaveLength(2);
    plan.runs.forEach(({ folder }, i) =>
      expect(lines[i]).toContain(`--out '/some where/runs/${folder}' --resume`),
    );
    expect(lines[0]).toMatch(/ keep=0\.2$/);
    expect(lines[1]).toMatch(/ --resume$/);
  });
});
