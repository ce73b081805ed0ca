/** Sweeps that are not as one would wish them give pages that say so. */
import { describe, expect, it } from 'vitest';
import { configurationsOf } from '../../src/report/figures/configurations.js';
import { curveFigure } from '../../src/report/figures/curve-figure.js';
import { incomparableKeys } from '../../src/report/figures/metrics.js';
import { keyRoles } from '../../src/report/figures/swept-keys.js';
import { renderMetricPlot } from '../../src/report/metric-plot.js';
import { renderSweepReport } from '../../src/report/sweep-report.js';
import type { SweepReport, SweptRun } from '../../src/swept-run.js';
import { grid, report, run } from './made-up-sweep.js';
import { tagsOf } from './well-formed.js';

/** The page of a sweep, in which every coordinate is a number. */
function pageOf(sweep: SweepReport): string {
  const page = renderSweepReport(sweep);
  for (const { attributes } of tagsOf(page)) {
    const numbers = [
      attributes['d'],
      attributes['transform'],
      attributes['viewBox'],
      attributes['cx'],
      attributes['y'],
    ];
    expect(numbers.join(' ')).not.toMatch(/NaN|Infinity|undefined|e[+\d]{2}/);
  }
  return page;
}

const shapes = grid([0.1, 1], [0.1], ['self'], [0, 1]);

describe('odd sweeps', () => {
  it('no run', () => {
    expect(pageOf(report([]))).toContain('There are no runs.');
  });

  it('one run', () => {
    const page = pageOf(report(shapes.slice(0, 1)));
    expect(page).toContain('1 run</summary>');
    expect(page).not.toContain('Best of');
    expect(page).toContain('eval/loss over steps');
  });

  it('no seeds, so no intervals', () => {
    const page = pageOf(report(shapes.filter(({ seed }) => seed === 0)));
    expect(page).not.toContain('class="interval');
    expect(page).toContain('Best of 2 configurations');
    // The control: with seeds there are some.
    expect(pageOf(report(shapes))).toContain('class="interval');
  });

  it('all failed, with what they said', () => {
    const failed = shapes.map((one): SweptRun => ({
      ...one,
      status: 'failed',
      metrics: {},
      message: 'the disk is full',
    }));
    const page = pageOf(report(failed));
    expect(page.match(/the disk is full/g)).toHaveLength(4);
    expect(page).toContain('✕ failed');
    expect(page).not.toContain('Best of');
  });

  it('some failed, some missing: seeds that count are named', () => {
    const [a, b, c, d] = shapes as [SweptRun, SweptRun, SweptRun, SweptRun];
    const page = pageOf(report([{ ...a, status: 'missing', metrics: {}, curves: {} }, b, c, d]));
    expect(page).toContain('<td class="number">1 of 2</td>');
    expect(page).toContain('… missing');
  });

  it('nothing held out: figures of the training pairs, and how to have others', () => {
    const runs = shapes.map((one): SweptRun => ({
      ...one,
      metrics: { 'train/loss': 0.5 + one.seed },
      curves: {},
    }));
    const page = pageOf(report(runs));
    expect(page).toContain(
      'No finished run has eval/rewards/accuracies. Set evalFraction to hold pairs out.',
    );
    expect(page).toContain('train/loss by keep');
  });

  it('figures that are not finite are no best, and are counted', () => {
    const runs = [0.1, 0.2, 0.3].flatMap((keep) =>
      [0, 1, 2].map((seed) => {
        const value = keep === 0.2 && seed < 2 ? [NaN, Infinity][seed]! : keep === 0.3 ? NaN : keep;
        return run({ values: { keep }, seed, metrics: { 'eval/rewards/accuracies': value } });
      }),
    );
    const page = pageOf(report(runs));
    expect(page).toContain('1 of 3 finite');
    expect(page).toContain('not finite</td>');
    // keep 0.2 has the higher mean of what is finite, but lost two seeds.
    expect(page).toContain('<bdi>keep=0.1</bdi>');
  });

  it.each([
    ['huge', [1.7e308, -1.7e308, 1e308]],
    ['tiny', [5e-324, 1e-323, 2e-323]],
    ['equal', [0.5, 0.5, 0.5]],
    ['zero', [0, -0, 0]],
    ['close', [1e9, 1e9 + 1e-6, 1e9 + 2e-6]],
  ])('%s figures', (_, values) => {
    const runs = values.map((value, index) =>
      run({
        ...{ values: { beta: index + 1 }, seed: 0, metrics: { 'eval/loss': value } },
        curves: { 'eval/loss': values.map((one, step) => [step, one] as const) },
      }),
    );
    expect(pageOf(report(runs))).toContain('eval/loss by beta');
  });

  it('values of keys that are no numbers beside numbers are names', () => {
    const runs = [0.1, 'auto', true].map((keep) => run({ values: { keep }, metrics: { 'eval/loss': 1 } }));
    expect(pageOf(report([...runs, run({ metrics: { 'eval/loss': 2 } })]))).toContain('eval/loss by keep');
  });
});

describe('keys that change along with others', () => {
  const runs = [0, 1].flatMap((seed) =>
    [0.1, 1].flatMap((beta) => [
      run({ seed, values: { run: 'dpo', beta, cache: 'self', keep: 1 }, metrics: { 'eval/loss': 1 } }),
      run({
        seed,
        values: { run: 'selective', beta, cache: 'large', keep: 0.4 },
        metrics: { 'eval/loss': 2 },
      }),
    ]),
  );

  it('have no plots of their own', () => {
    const { independent, plotted, dependent } = keyRoles(runs, ['run', 'beta', 'cache', 'keep']);
    expect(independent).toEqual(['run', 'beta']);
    expect(plotted.map(({ key }) => key)).toEqual(['run', 'beta']);
    expect(dependent).toEqual(['cache', 'keep']);
    expect(pageOf(report(runs))).toContain('These change only along with others: cache, keep.');
  });

  it('but a single key of numbers behind the names has', () => {
    const { plotted } = keyRoles(runs, ['run', 'beta', 'keep']);
    expect(plotted).toContainEqual({ key: 'keep', others: ['beta'], varying: ['run', 'beta', 'keep'] });
  });

  it('losses of other betas are not said to compare', () => {
    const alike = [1e-4, 1e-3].map((learningRate) =>
      run({ values: { learningRate }, metrics: { 'eval/loss': learningRate } }),
    );
    expect(pageOf(report(runs))).toContain('it depends what is measured: eval/loss (beta, cache, keep).');
    expect(pageOf(report(alike))).not.toContain('it depends what is measured');
  });

  it('nor accuracies of rewards to other references, where a named run has its own', () => {
    const depends = (metric: string) => incomparableKeys(metric, ['run', 'beta', 'cache', 'keep']);
    expect(depends('eval/rewards/accuracies')).toEqual(['cache']);
    expect(depends('eval/rewards/margins')).toEqual(['beta', 'cache']);
    expect(depends('eval/logps/accuracies')).toEqual([]);
    expect(incomparableKeys('eval/logps/accuracies', ['evalFraction'])).toEqual(['evalFraction']);
    expect(incomparableKeys('train/logps/accuracies', ['evalFraction'])).toEqual([]);
    const trust = ['refTrust', 'refTrustScale'];
    expect(incomparableKeys('train/loss', trust)).toEqual(trust);
    expect(incomparableKeys('eval/loss', trust)).toEqual([]);
    expect(incomparableKeys('faultless answers', trust)).toEqual([]);
    expect(renderMetricPlot(report(runs), 'beta', 'eval/loss')).toContain('depends on beta, cache, keep.');
  });

  it('so no loss has a star, unless it is the figure asked for; then a warning stands beside it', () => {
    const byAccuracy = runs.map((one): SweptRun => {
      return { ...one, metrics: { ...one.metrics, 'eval/logps/accuracies': 0.9 } };
    });
    const metric = 'eval/logps/accuracies';
    expect(pageOf(report(byAccuracy, { metric })).match(/<strong>★/g)).toHaveLength(1);
    const byLoss = pageOf(report(byAccuracy, { metric: 'eval/loss' }));
    expect(byLoss.match(/<strong>★/g)).toHaveLength(2);
    expect(byLoss).toMatch(/class="best">[^]*?it depends what is measured: eval\/loss[^]*?<\/div>/);
  });
});

describe('curves', () => {
  const curve = (values: readonly number[], seed = 0) =>
    run({ seed, curves: { 'train/loss': values.map((value, index) => [index + 1, value] as const) } });

  it('have the mean and the ends of the seeds at each step, and gaps where nothing is finite', () => {
    const configurations = configurationsOf([curve([1, 2, NaN, 4]), curve([3, 2, Infinity, 8], 1)], []);
    const { curves } = curveFigure(configurations, 'train/loss')!;
    expect(curves[0]!.points).toEqual([
      { step: 1, seeds: { mean: 2, smallest: 1, largest: 3 } },
      { step: 2, seeds: { mean: 2, smallest: 2, largest: 2 } },
      { step: 3 },
      { step: 4, seeds: { mean: 6, smallest: 4, largest: 8 } },
    ]);
  });

  it('are gathered into means where steps are many', () => {
    const configurations = configurationsOf([curve(Array.from({ length: 401 }, (_, index) => index))], []);
    const { curves, gathered } = curveFigure(configurations, 'train/loss')!;
    expect(gathered).toBe(4);
    expect(curves[0]!.points).toHaveLength(100);
    expect(curves[0]!.points[0]).toMatchObject({ step: 3, seeds: { mean: 1.5 } });
  });
});

describe('size', () => {
  const long = 'x'.repeat(100_000);

  it('200 runs with 400 points of 40 curves each', () => {
    const points = Array.from({ length: 400 }, (_, step) => [step, Math.sin(step)] as const);
    const names = Array.from({ length: 36 }, (_, index) => `train/other${index}`);
    const runs = grid([0.1, 0.2, 0.4, 0.7, 1], [0.01, 0.1, 0.3, 1, 3], ['self', 'aligned'], [0, 1, 2, 3]).map(
      (one) => ({
        ...one,
        curves: {
          ...one.curves,
          'train/loss': points,
          ...Object.fromEntries(names.map((name) => [name, points])),
        },
      }),
    );
    expect(runs).toHaveLength(200);
    expect(pageOf(report(runs)).length).toBeLessThan(600_000);
  });

  it('thousands of runs, values and keys, and texts of 100 kB', () => {
    const runs = Array.from({ length: 3000 }, (_, index) => {
      const values = Object.fromEntries(
        Array.from({ length: 20 }, (__, key) => [`key${key}`, index % (key + 2)]),
      );
      const status = index % 3 === 0 ? ('failed' as const) : ('finished' as const);
      const message = index % 300 === 0 ? { message: long } : {};
      return run({
        ...{ seed: 0, status, name: `run ${index}`, values, metrics: { 'eval/loss': index } },
        ...message,
      });
    });
    runs.push(run({ name: long, key: long, values: { [long]: long }, status: 'failed', message: long }));
    const page = pageOf(report(runs, { title: long }));
    expect(page).toContain('of 3001; results.csv has all.');
    expect(page).not.toContain('x'.repeat(2001));
    expect(page.length).toBeLessThan(2_500_000);
  });
});
