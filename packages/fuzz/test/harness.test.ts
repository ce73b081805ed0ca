/** What the harness says of parsers that fail in each way there is, and of one that does not. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFailure, runTarget, type FuzzTarget } from '../src/index.js';
// @ts-expect-error Plain JavaScript: the processes of the cases load it, too.
import { targets as untyped } from './controls.mjs';

const controls = untyped as readonly FuzzTarget[];
const module = new URL('./controls.mjs', import.meta.url).href;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-harness-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(name: string, cases = 2, more: { signal?: AbortSignal } = {}) {
  const target = controls.find((one) => one.name === name)!;
  return runTarget(target, { module, cases, seed: 1, folder: join(folder, name), ...more });
}

describe('a parser that', () => {
  it('does what it should has no failure, and every case is counted', async () => {
    const { counts, failures, badSeeds } = await run('sound', 50);
    expect([[...counts], failures, badSeeds]).toEqual([[['right', 50]], [], []]);
  });

  it.each([
    ['hangs', 'hang', 'no result'],
    ['never-answers', 'hang', 'no result'],
    ['slow', 'hang', ' ms'],
    ['throws-type-error', 'untyped', 'TypeError'],
    ['throws-text', 'untyped', 'a text'],
    ['wrong', 'wrong', 'another value'],
    ['hoards', 'memory', 'MiB, limit 128'],
    ['heap', 'crash', 'heap out of memory'],
    ['ends', 'crash', 'the process ended (7)'],
    ['aborts', 'crash', 'SIGABRT'],
  ])(
    '%s is reported as %s, for each case, and the next ones run',
    async (name, kind, detail) => {
      const { failures } = await run(name, name === 'slow' || name.startsWith('h') ? 1 : 2);
      expect(failures.map((failure) => failure.kind)).toEqual(failures.map(() => kind));
      expect(failures.every(isFailure)).toBe(true);
      expect(failures.map(({ index }) => index)).toEqual(failures.map((_, i) => i));
      expect(failures.length).toBeGreaterThan(0);
      expect(failures[0]!.detail).toContain(detail);
    },
    120_000,
  );

  it('does not read what is valid is told by its seed', async () => {
    expect((await run('bad-seed', 1)).badSeeds).toEqual(['seed 0: wrong not read']);
  });
});

describe('a run', () => {
  it('ends when it is asked to, and leaves no file', async () => {
    const stop = new AbortController();
    const running = run('never-answers', 5, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('stopped')), 300);
    await expect(running).rejects.toThrow('stopped');
    expect(await readdir(folder)).not.toContain('never-answers');
  });
});
