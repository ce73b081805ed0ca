import { describe, expect, it } from 'vitest';
import { trainInProcess, type RunProgress } from '../src/pool/train-process.js';
import { inPool } from '../src/pool/run-pool.js';

const never = new AbortController().signal;

/** A program that writes these lines and then does `ending`. */
const program = (lines: readonly object[], ending = '') => [
  process.execPath,
  '-e',
  `${lines.map((line) => `console.log(${JSON.stringify(JSON.stringify(line))});`).join('')}${ending}`,
];

const step = (done: number, loss: number) => ({
  ...{ type: 'progress', stage: 'train', done, total: 9, unit: 'steps', ratePerSecond: 2, secondsLeft: 3 },
  figures: { loss, 'tokens/s': 5 },
});
const evaluated = { type: 'notice', code: 'evaluated', message: '', figures: { step: 9, loss: 0.5 } };

describe('a run in a process of its own', () => {
  it('tells its progress and its last figures', async () => {
    const seen: RunProgress[] = [];
    const outcome = await trainInProcess(
      program([step(1, 3), step(2, 2), evaluated]),
      (p) => seen.push(p),
      never,
    );
    expect(seen.map(({ done, figures }) => [done, figures['train/loss']])).toEqual([
      [1, 3],
      [2, 2],
    ]);
    expect(outcome).toMatchObject({ status: 'finished', figures: { 'train/loss': 2, 'eval/loss': 0.5 } });
  });

  it('that is refused its input says why', async () => {
    const error = {
      type: 'error',
      code: 'cache-damaged',
      message: 'the cache is damaged',
      file: 'x',
      line: 3,
    };
    const outcome = await trainInProcess(program([error], 'process.exit(2)'), () => undefined, never);
    expect(outcome).toEqual({
      ...{ status: 'failed', badInput: true, codes: ['cache-damaged'] },
      message: 'x:3: the cache is damaged',
    });
  });

  it('that ends otherwise says how', async () => {
    const defect = { type: 'error', code: 'defect', message: 'TypeError: no\n    at somewhere' };
    const first = await trainInProcess(program([defect], 'process.exit(1)'), () => undefined, never);
    expect(first).toMatchObject({ status: 'failed', badInput: false, message: 'TypeError: no' });
    const killed = program([], 'console.error("last words"); process.kill(process.pid, "SIGKILL")');
    const second = await trainInProcess(killed, () => undefined, never);
    expect(second).toMatchObject({ status: 'failed', badInput: false });
    expect(second).toHaveProperty('message', expect.stringContaining('SIGKILL'));
    const third = await trainInProcess(['/no/such/program'], () => undefined, never);
    expect(third).toMatchObject({ status: 'failed', badInput: false });
    expect(third).toHaveProperty('message', expect.stringContaining('could not be started'));
  });

  it('is asked to stop once', async () => {
    const stopping = new AbortController();
    const waiting = program(
      [step(1, 1)],
      'let n = 0; process.on("SIGINT", () => { n++; setTimeout(() => process.exit(n === 1 ? 130 : 0), 100); }); setInterval(() => 0, 1000);',
    );
    // The line is written before the handler is there; the handler is there when the event loop first turns.
    const outcome = await trainInProcess(
      waiting,
      () => setTimeout(() => stopping.abort(), 200),
      stopping.signal,
    );
    expect(outcome).toEqual({ status: 'stopped' });
  });
});

describe('a pool', () => {
  it('works on so many items at one time, on every item once, and on none after a stop', async () => {
    for (const parallel of [1, 3]) {
      let [now, most] = [0, 0];
      const done: number[] = [];
      const work = async (item: number) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now--;
        done.push(item);
      };
      await inPool([1, 2, 3, 4, 5, 6, 7], parallel, work, never);
      expect([most, done.sort()]).toEqual([parallel, [1, 2, 3, 4, 5, 6, 7]]);
    }
    const stopping = new AbortController();
    const begun: number[] = [];
    const stopAtTwo = (item: number) => {
      begun.push(item);
      if (item === 2) stopping.abort();
      return Promise.resolve();
    };
    await inPool([1, 2, 3, 4], 1, stopAtTwo, stopping.signal);
    expect(begun).toEqual([1, 2]);
  });

  it('waits for what it began before it throws', async () => {
    let ended = false;
    const work = async (item: number) => {
      if (item === 1) throw new Error('first');
      await new Promise((resolve) => setTimeout(resolve, 20));
      ended = true;
    };
    await expect(inPool([1, 2, 3], 2, work, never)).rejects.toThrow('first');
    expect(ended).toBe(true);
  });
});
