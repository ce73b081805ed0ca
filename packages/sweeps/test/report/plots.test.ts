/** Points stand where the axes say. */
import { InputError } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { renderMetricPlot } from '../../src/report/metric-plot.js';
import { band, line } from '../../src/report/svg/marks.js';
import type { SweptRun } from '../../src/swept-run.js';
import { grid, report, run } from './made-up-sweep.js';
import { placesIn, tagsOf } from './well-formed.js';

const METRIC = 'eval/rewards/accuracies';

function runsOver(key: string, figures: Readonly<Record<string, readonly number[]>>): SweptRun[] {
  return Object.entries(figures).flatMap(([value, seeds]) =>
    seeds.map((figure, seed) => {
      const number = Number(value);
      return run({
        seed,
        values: { [key]: Number.isNaN(number) ? value : number },
        metrics: { [METRIC]: figure },
      });
    }),
  );
}

/** A figure read off an axis between (or beyond) two ticks, as a reader does. */
function readOff(pixel: number, ticks: readonly { text: string; place: number }[], ratio = false): number {
  const scale = (text: string) => {
    const value = Number(text.replace('−', '-').replace('%', 'e-2'));
    return ratio ? Math.log10(value) : value;
  };
  const [first, last] = [ticks[0]!, ticks.at(-1)!];
  const share = (pixel - first.place) / (last.place - first.place);
  const value = scale(first.text) + share * (scale(last.text) - scale(first.text));
  return ratio ? 10 ** value : value;
}

function read(svg: string, ratio = false) {
  const { points, ticks } = placesIn(svg);
  const along = (axis: 'x' | 'y') =>
    ticks.filter((tick) => tick.axis === axis).map((tick) => ({ text: tick.text, place: tick[axis] }));
  return points.map(({ x, y, hint }) => ({
    x: readOff(x, along('x'), ratio),
    y: readOff(y, along('y')),
    hint,
    yTicks: along('y').map(({ text }) => text),
    xTicks: along('x').map(({ text }) => text),
  }));
}

describe('against a key of numbers', () => {
  it('keep in per cent, means over seeds', () => {
    const points = read(
      renderMetricPlot(
        report(runsOver('keep', { 0.1: [0.5, 0.6], 0.4: [0.8, 0.9], 1: [0.7] })),
        'keep',
        METRIC,
      ),
    );
    expect(points.map(({ x }) => x)).toEqual([0.1, 0.4, 1].map((x) => expect.closeTo(x, 2)));
    expect(points.map(({ y }) => y)).toEqual([0.55, 0.85, 0.7].map((y) => expect.closeTo(y, 2)));
    // The control: a point 2% of the axis beside would be seen.
    expect(points[1]!.y).not.toEqual(expect.closeTo(0.87, 2));
    expect(points[0]!.xTicks).toEqual(['10%', '40%', '100%']);
    expect(points[0]!.hint).toContain('keep 10%\n0.55 ± 0.64 (95% t-interval, 2 seeds)');
    expect(points[2]!.hint).toContain('0.7 (1 seed)');
  });

  it.each(['beta', 'learningRate'])('%s by ratios from a decade on', (key) => {
    const svg = renderMetricPlot(report(runsOver(key, { 0.01: [1], 0.1: [2], 1: [3], 5: [4] })), key, METRIC);
    const points = read(svg, true);
    for (const [index, value] of [0.01, 0.1, 1, 5].entries())
      expect(points[index]!.x / value).toBeCloseTo(1, 1);
    const [a, b, c] = placesIn(svg).points.map(({ x }) => x) as [number, number, number];
    expect(b - a).toBeCloseTo(c - b, 0);
  });

  it.each([
    ['beta', [0.1, 0.2, 0.5]],
    ['batchSize', [1, 10, 100]],
  ])('%s by differences otherwise', (key, values) => {
    const svg = renderMetricPlot(
      report(runsOver(key, Object.fromEntries(values.map((value) => [value, [value]])))),
      key,
      METRIC,
    );
    const [a, b, c] = placesIn(svg).points.map(({ x }) => x) as [number, number, number];
    expect((b - a) / (c - a)).toBeCloseTo((values[1]! - values[0]!) / (values[2]! - values[0]!), 2);
  });

  it('bars end at the ends of the t-interval', () => {
    const svg = renderMetricPlot(
      report(runsOver('keep', { 0.1: [0.5, 0.52, 0.54], 1: [0.7, 0.7, 0.7] })),
      'keep',
      METRIC,
    );
    const [, top] = /class="interval s0" d="M\S+ \S+?L\S+ ([\d.]+)M/.exec(svg)!;
    const ticks = placesIn(svg)
      .ticks.filter(({ axis }) => axis === 'y')
      .map(({ text, y }) => ({ text, place: y }));
    expect(readOff(Number(top), ticks)).toBeCloseTo(0.52 + (4.30265 * 0.02) / Math.sqrt(3), 2);
  });

  it('an interval beyond the plot has no end in it', () => {
    const near = runsOver('keep', { 0.1: [0.5, 0.6], 1: [0.7] });
    const svg = renderMetricPlot(report(near), 'keep', METRIC);
    // 0.55 ± 0.64: one stroke, no bars at its ends.
    expect(/class="interval s0" d="([^"]*)"/.exec(svg)![1]!.match(/M/g)).toHaveLength(1);
  });

  it('tells lines apart by colour, dashes and markers', () => {
    const svg = renderMetricPlot(report(grid([0.1, 1], [0.1], ['a', 'b', 'c'], [0])), 'keep', METRIC);
    const lines = [...svg.matchAll(/<path class="line (s\d)"(?: stroke-dasharray="([^"]*)")? d="M0 8/g)];
    expect(new Set(lines.map(([, colour]) => colour)).size).toBe(3);
    expect(new Set(lines.map(([, , dashes]) => dashes)).size).toBe(3);
    const shapes = [...svg.matchAll(/<g class="point s\d" transform="translate\(12 8\)"><path d="([^"]*)"/g)];
    expect(new Set(shapes.map(([, shape]) => shape)).size).toBe(3);
    expect(svg).toContain('>cache=b</text>');
  });

  it('draws the mean where settings are many, over those that have every value', () => {
    const runs = grid([0.1, 1], [0.1, 0.2, 0.3, 0.4], ['self', 'aligned'], [0, 1]).filter(
      ({ values }) => !(values['beta'] === 0.4 && values['keep'] === 1),
    );
    const svg = renderMetricPlot(report(runs), 'keep', METRIC);
    expect(svg).toContain('Bold: mean over 6 of 8 settings of beta, cache. Grey: each of them.');
    expect(svg.match(/class="line context"/g)).toHaveLength(8);
    const complete = runs.filter(({ values }) => values['beta'] !== 0.4 && values['keep'] === 0.1);
    const mean = complete.reduce((sum, { metrics }) => sum + metrics[METRIC]! / complete.length, 0);
    expect(read(svg)[0]!.y).toBeCloseTo(mean, 2);
  });

  it('says which runs it left out', () => {
    const svg = renderMetricPlot(
      report(runsOver('keep', { 0.1: [0.5, NaN], 0.4: [0.6], 1: [Infinity] })),
      'keep',
      METRIC,
    );
    expect(svg).toContain('Left out: 2 runs with a value that is not finite.');
    expect(placesIn(svg).points).toHaveLength(2);
  });
});

describe('lines', () => {
  it('are broken where a place is missing, and a place alone is a dot', () => {
    const { source } = line([[0, 1], [1, 2], undefined, [3, 4]], 0);
    expect(source).toContain('d="M0 1h0L1 2M3 4h0"');
  });

  it('so are bands', () => {
    const { source } = band([[0, 1, 2], [1, 1, 2], undefined, [3, 1, 2], [4, 1, 3]], 0);
    expect(source).toContain('d="M0 1L1 1L1 2L0 2zM3 1L4 1L4 3L3 2z"');
  });
});

describe('against a key of names', () => {
  it('a row a name, the best first', () => {
    const svg = renderMetricPlot(
      report(runsOver('cache', { self: [0.5, 0.6], aligned: [0.8, 0.9] })),
      'cache',
      METRIC,
    );
    const points = read(svg);
    expect(points[0]!.yTicks).toEqual(['aligned', 'self']);
    expect(points.map(({ x }) => x)).toEqual([0.85, 0.55].map((x) => expect.closeTo(x, 2)));
    const rows = placesIn(svg).ticks.filter(({ axis }) => axis === 'y');
    expect(placesIn(svg).points.map(({ y }) => y)).toEqual(rows.map(({ y }) => y));
  });
});

describe('as a file of its own', () => {
  const svg = renderMetricPlot(report(grid([0.1, 0.4, 1], [0.1], ['self'], [0, 1, 2])), 'keep', METRIC);

  it('is well-formed, brings its ground and both themes, asks for nothing', () => {
    expect(tagsOf(svg)[0]).toMatchObject({
      name: 'svg',
      attributes: { xmlns: 'http://www.w3.org/2000/svg' },
    });
    expect(svg).toMatch(
      /^<svg [^>]*>\s*<style>[^<]*prefers-color-scheme:dark[^<]*<\/style><rect class="ground"/,
    );
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/url\(|@import|https?:|href/);
  });

  it('has no room for keys and figures that are not there', () => {
    const sweep = report(grid([0.1, 1], [0.1], ['self'], [0]));
    const codeOf = (key: string, metric: string) => {
      try {
        renderMetricPlot(sweep, key, metric);
      } catch (error) {
        return error instanceof InputError ? error.code : error;
      }
      return 'none';
    };
    expect(codeOf('keep', METRIC)).toBe('none');
    expect(codeOf('beta', METRIC)).toBe('no-such-key');
    expect(codeOf('keep', 'eval/nothing')).toBe('no-metric');
  });
});
