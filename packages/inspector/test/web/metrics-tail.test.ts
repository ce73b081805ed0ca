import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { MetricsTail } from '../../web/metrics/metrics-tail.js';
import { sweptRun } from '../../web/metrics/swept-runs.js';
import { metricCurves } from '../../web/plots/metric-curves.js';
import type { SiteFiles } from '../../web/files/site-files.js';

/** A file that grows. */
class GrowingFile implements SiteFiles {
  bytes = new Uint8Array(0);
  asked: number[] = [];

  read(_path: string, range?: { start: number; end: number } | { last: number }) {
    const { start, end } = range as { start: number; end: number };
    this.asked.push(start);
    return Promise.resolve({ bytes: this.bytes.slice(start, end), total: this.bytes.length });
  }
}

const line = (step: number, extra: object = {}) =>
  `${JSON.stringify({ split: 'train', step, loss: 1 / step, é: step, ...extra })}\n`;

describe('the metrics of a run', () => {
  it('are the same however the file grew', async () => {
    const random = new SeededRandom(1);
    const lines = Array.from({ length: 60 }, (_, i) => line(i + 1)).join('');
    const whole = new TextEncoder().encode(
      `${lines}${JSON.stringify({ split: 'eval', step: 60, loss: 0.5 })}\n`,
    );
    for (let trial = 0; trial < 30; trial++) {
      const file = new GrowingFile();
      const tail = new MetricsTail(file, 'm');
      for (let end = 0; end < whole.length;) {
        end = Math.min(whole.length, end + 1 + random.below(400));
        file.bytes = whole.slice(0, end);
        expect(await tail.follow()).toBe(true);
      }
      expect(await tail.follow()).toBe(false);
      const { steps, curves, last, odd } = tail.figures;
      expect([steps, odd]).toEqual([60, 0]);
      expect([...curves.keys()].sort()).toEqual(['eval/loss', 'train/loss', 'train/é']);
      expect(curves.get('train/é')).toEqual(Array.from({ length: 60 }, (_, i) => [i + 1, i + 1]));
      expect(last.get('eval/loss')).toBe(0.5);
    }
  });

  it('are read from where the last look ended', async () => {
    const file = new GrowingFile();
    const tail = new MetricsTail(file, 'm');
    file.bytes = new TextEncoder().encode(line(1));
    await tail.follow();
    const before = file.bytes.length;
    file.bytes = new TextEncoder().encode(line(1) + line(2));
    await tail.follow();
    expect(file.asked).toEqual([0, before - 1]);
    expect(tail.figures.steps).toBe(2);
  });

  it('begin anew when another run took the place', async () => {
    const file = new GrowingFile();
    const tail = new MetricsTail(file, 'm');
    file.bytes = new TextEncoder().encode(line(1) + line(2) + line(3));
    await tail.follow();
    file.bytes = new TextEncoder().encode(line(9));
    await tail.follow();
    expect(tail.figures.curves.get('train/loss')).toEqual([[9, 1 / 9]]);
  });

  it('hold no more than their bounds, whatever the file has', async () => {
    const file = new GrowingFile();
    const tail = new MetricsTail(file, 'm');
    const many = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`m${i}`, i]));
    const hostile = [
      'x',
      '[]',
      '{"split":1}',
      '{"split":"train","step":1e999}',
      '{"split":"train","step":1,"__proto__":7,"constructor":8}',
    ];
    const steps = Array.from({ length: 3000 }, (_, i) => line(i + 1)).join('');
    file.bytes = new TextEncoder().encode(`${hostile.join('\n')}\n${line(1, many)}${steps}`);
    await tail.follow();
    const { curves, odd } = tail.figures;
    expect(odd).toBe(4);
    expect(curves.size).toBe(400);
    expect(curves.get('train/__proto__')).toEqual([[1, 7]]);
    expect(curves.get('train/loss')!.length).toBeLessThanOrEqual(401);
    expect(({} as { split?: unknown }).split).toBeUndefined();
  });

  it('count what could not be read, and take the figures of a line that could', async () => {
    const file = new GrowingFile();
    const tail = new MetricsTail(file, 'm');
    const put = async (content: string) => {
      file.bytes = new TextEncoder().encode(content);
      await tail.follow();
      return tail.figures;
    };
    const sound = line(1) + line(2);
    expect(await put(sound)).toMatchObject({ odd: 0, cut: false });
    const broken = `${sound}{"split":"train","step":3,"loss":\n{"split":"train","step":4,"loss":null,"lr":3}\n`;
    expect(await put(broken)).toMatchObject({ odd: 2, cut: false, steps: 4 });
    expect(tail.figures.curves.get('train/lr')).toEqual([[4, 3]]);
    expect(tail.figures.last.get('train/loss')).toBe(1 / 2);
    expect(await put(`${broken}{"split":`)).toMatchObject({ odd: 2, cut: true });
  });

  it('make a plot only with two values, and a run for the figures of a sweep', () => {
    expect(metricCurves('loss', [['train', [[1, 1]]]])).toBeUndefined();
    const plot = metricCurves('loss', [
      [
        'train',
        [
          [1, 1],
          [2, 0.5],
        ],
      ],
      ['eval', [[2, 0.4]]],
    ]);
    expect(plot!.legend.map(({ label }) => label)).toEqual(['train', 'eval']);
    const config = JSON.parse('{"keep":0.4,"seed":7,"__proto__":{"x":1},"odd":{"a":1}}') as Record<
      string,
      unknown
    >;
    const figures = { steps: 1, odd: 0, cut: false, curves: new Map(), last: new Map([['train/loss', 0.5]]) };
    const run = sweptRun(
      { name: 'a', state: 'finished', config, metrics: 'm' },
      ['keep', 'seed', 'odd', 'toString'],
      figures,
    );
    expect(run).toMatchObject({ seed: 7, values: { keep: 0.4 }, metrics: { 'train/loss': 0.5 } });
    expect(Object.keys(run.values)).toEqual(['keep']);
  });
});
