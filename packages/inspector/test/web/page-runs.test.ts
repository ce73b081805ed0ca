/** Runs and sweeps in Chromium. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteDescription } from '../../src/site-contract.js';
import { poorTexts } from './contrast.js';
import { json, type Files } from './made-site.js';
import { quietView, startChromium, withoutChromium } from './page-browser.js';
import { servePage } from './page-server.js';

const text = (value: string) => new TextEncoder().encode(value);
const lines = (from: number, to: number, loss: (step: number) => number) =>
  Array.from({ length: to - from }, (_, i) => {
    const step = from + i + 1;
    return `${JSON.stringify({ split: 'train', step, loss: loss(step), 'seconds/forward': 0.1 })}\n`;
  }).join('');

const runSite = (metrics: string, finished: boolean): Files => {
  const site: SiteDescription = {
    ...{ version: 1, kind: 'run', title: 'a run' },
    run: { config: { keep: 0.4, beta: 0.1 }, metrics: 'data/run/metrics.jsonl', finished, policies: [] },
  };
  return new Map([
    ['data/site.json', json(site)],
    ['data/run/metrics.jsonl', text(metrics)],
  ]);
};

/** Losses fall faster with a larger `keep`; one run failed. */
function sweepSite(): Files {
  const files: Files = new Map();
  const runs = [0.1, 0.4, 1].flatMap((keep) =>
    [0, 1].map((seed) => {
      const name = `keep-${keep}-seed-${seed}`;
      const metrics = `data/sweep/${name}/metrics.jsonl`;
      const figures = lines(0, 10, (step) => 0.7 - (keep * step) / 50 + seed / 1000);
      const last = JSON.stringify({
        split: 'eval',
        step: 10,
        loss: 0.7 - keep / 5,
        'rewards/accuracies': 0.5 + keep / 4 + seed / 100,
      });
      files.set(metrics, text(`${figures}${last}\n`));
      return { name, state: 'finished' as const, config: { keep, seed, beta: 0.1 }, metrics };
    }),
  );
  const failed = {
    name: 'keep-2',
    state: 'failed' as const,
    config: { keep: 2, seed: 0 },
    metrics: 'data/sweep/missing/metrics.jsonl',
  };
  const site: SiteDescription = {
    ...{ version: 1, kind: 'sweep', title: 'a sweep' },
    sweep: { runs: [...runs, failed], keys: ['keep', 'seed'] },
  };
  return files.set('data/site.json', json(site));
}

let browser: Browser;

describe.skipIf(withoutChromium !== undefined)('runs in the page', () => {
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser.close());

  it('a run is followed while it trains, by its new bytes alone, until it has finished', async () => {
    const first = lines(0, 5, (step) => 1 / step);
    const server = await servePage(runSite(first, false));
    await quietView(browser, server, '', async (page) => {
      const asked: string[] = [];
      page.on('request', (request) => {
        if (request.url().endsWith('metrics.jsonl')) asked.push(request.headers()['range'] ?? 'all');
      });
      await expect.poll(() => page.locator('.state').innerText()).toMatch(/training\s+5 steps/);
      const all = first + lines(5, 9, (step) => 1 / step);
      server.files.set('data/run/metrics.jsonl', text(all));
      await expect.poll(() => page.locator('.state').innerText(), { timeout: 8000 }).toContain('9 steps');
      server.files.set('data/site.json', runSite('', true).get('data/site.json')!);
      await expect.poll(() => page.locator('.state').innerText(), { timeout: 20_000 }).toContain('finished');
      const starts = asked.map((range) => Number(/bytes=(\d+)-/.exec(range)?.[1]));
      expect(new Set(starts)).toEqual(new Set([first.length - 1, all.length - 1]));
      const before = asked.length;
      await page.waitForTimeout(3000);
      expect(asked.length).toBe(before);
    });
    await server.close();
  });

  it('a run says how many lines of its metrics could not be read', async () => {
    const sound = lines(0, 3, (step) => 1 / step);
    const server = await servePage(runSite(`${sound}{"split":"tr\n`, false));
    await quietView(browser, server, '', async (page) => {
      await expect
        .poll(() => page.locator('.notice').allInnerTexts())
        .toEqual([expect.stringMatching(/^1 line of/)]);
      // Half a line at the end is being written, unless the run has finished.
      server.files.set('data/run/metrics.jsonl', text(`${sound}{"split":"tr\n{"split":`));
      server.files.set('data/site.json', runSite('', true).get('data/site.json')!);
      await expect
        .poll(() => page.locator('.notice').allInnerTexts(), { timeout: 20_000 })
        .toEqual([expect.stringMatching(/^2 lines of the metrics could not be read/)]);
    });
    server.files.set('data/run/metrics.jsonl', text(sound));
    await quietView(browser, server, '', async (page) => {
      await expect.poll(() => page.locator('.state').innerText()).toContain('3 steps');
      expect(await page.locator('.notice').count()).toBe(0);
    });
    await server.close();
  });

  it('a sweep is drawn against its keys, listed, and two of its runs stand beside each other', async () => {
    const server = await servePage(sweepSite());
    await quietView(
      browser,
      server,
      '',
      async (page) => {
        // The failed run has no figures: the host says 404, and the page goes on.
        await page.locator('tbody tr').first().waitFor();
        expect(await page.locator('tbody tr').count()).toBe(7);
        expect(await page.locator('tbody tr th').first().innerText()).toBe('keep-1-seed-1');
        expect(await page.locator('.fact', { hasText: 'Best by' }).innerText()).toMatch(/0\.755\s+keep=1/);
        expect(await page.locator('svg.plot .name').first().textContent()).toContain('keep');
        expect(await page.locator('svg.plot').first().locator('.point').count()).toBe(3);
        await page.getByLabel('Figure').selectOption('eval/loss');
        await expect
          .poll(() => page.locator('svg.plot .heading').first().textContent())
          .toContain('eval/loss');
        await page.getByLabel('compare keep-0.1-seed-0').check();
        await page.getByLabel('compare keep-1-seed-1').check();
        const comparison = page.getByRole('region', { name: 'Comparison' });
        expect(await comparison.locator('table tr').allInnerTexts()).toEqual([
          'key\tkeep-0.1-seed-0\tkeep-1-seed-1',
          'keep\t0.1\t1',
          'seed\t0\t1',
        ]);
        expect(await comparison.locator('svg.plot').count()).toBe(1);
        expect(await comparison.locator('svg.plot .line').count()).toBeGreaterThanOrEqual(2);
        expect((await page.evaluate(poorTexts)).poor).toEqual([]);
      },
      {},
      /404/,
    );
    await server.close();
  });
});
