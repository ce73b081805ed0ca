/** Runs and sweeps in Chromium. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteDescription, SweptRunState } from '../../src/site-contract.js';
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

  it('a sweep shows what its runs have reached, and follows those that train', async () => {
    const path = (name: string) => `data/sweep/${name}/metrics.jsonl`;
    const site = (states: Record<string, SweptRunState>): SiteDescription => ({
      ...{ version: 1, kind: 'sweep', title: 'a young sweep' },
      sweep: {
        keys: ['keep'],
        runs: Object.entries(states).map(([name, state], i) => ({
          ...{ name, state, config: { keep: i / 10, seed: 0 }, metrics: path(name) },
        })),
      },
    });
    const files: Files = new Map([
      ['data/site.json', json(site({ a: 'running', b: 'failed', c: 'waiting', d: 'stopped' }))],
      [path('a'), text(lines(0, 5, (step) => 1 / step))],
      [path('b'), text(`${lines(0, 3, (step) => 2 / step)}{"spl\n`)],
      [path('c'), text('')],
      [path('d'), text(lines(0, 4, (step) => 4 / step))],
    ]);
    const server = await servePage(files);
    await quietView(browser, server, '', async (page) => {
      const rows = () => page.locator('tbody tr').allInnerTexts();
      const asked: string[] = [];
      page.on('request', (request) => void asked.push(new URL(request.url()).pathname));
      await page.locator('tbody tr').first().waitFor();
      expect((await rows()).map((row) => row.split('\t').slice(1))).toEqual([
        ['a', 'running, step 5', '0', '0.2', '0.1'],
        ['b', 'failed at step 3', '0.1', '0.6667', '0.1'],
        ['d', 'stopped at step 4', '0.3', '1', '0.1'],
        ['c', 'waiting', '0.2', '–', '–'],
      ]);
      const runs = page.locator('.fact', { hasText: 'Runs' });
      expect(await runs.innerText()).toMatch(/4\s+1 failed, 1 stopped, 1 running, 1 waiting/);
      // Figures that are not final have no best and no place among the keys, but curves that say so.
      expect(await page.locator('.fact', { hasText: 'Best' }).count()).toBe(0);
      expect(await page.locator('svg.plot').count()).toBe(1);
      expect((await page.locator('svg.plot .label, svg.plot text').allTextContents()).join()).toContain(
        'state=running',
      );
      expect(await page.locator('.notice').innerText()).toContain('1 line of the metrics of its runs');
      server.files.set(path('a'), text(lines(0, 9, (step) => 1 / step)));
      await expect.poll(rows, { timeout: 10_000 }).toContainEqual(expect.stringContaining('running, step 9'));
      server.files.set(path('c'), text(lines(0, 2, (step) => 1 / step)));
      server.files.set(
        'data/site.json',
        json(site({ a: 'finished', b: 'finished', c: 'running', d: 'finished' })),
      );
      await expect.poll(rows, { timeout: 20_000 }).toContainEqual(expect.stringContaining('running, step 2'));
      expect(await runs.innerText()).toMatch(/3 finished, 1 running/);
      asked.length = 0;
      await page.waitForTimeout(5000);
      expect(asked).toContain(`/${path('c')}`);
      expect(asked).not.toContain(`/${path('a')}`);
      server.files.set(
        'data/site.json',
        json(site({ a: 'finished', b: 'finished', c: 'finished', d: 'finished' })),
      );
      await expect.poll(() => runs.innerText(), { timeout: 20_000 }).toContain('4 finished');
      expect((await page.locator('svg.plot text').allTextContents()).join()).not.toContain('state=');
      asked.length = 0;
      await page.waitForTimeout(3000);
      expect(asked).toEqual([]);
    });
    await server.close();
  }, 120_000);

  it('a sweep of more runs than are read says so, and names a tie', async () => {
    const files: Files = new Map();
    const metrics = 'data/sweep/all/metrics.jsonl';
    files.set(metrics, text(`${JSON.stringify({ split: 'eval', step: 1, 'rewards/accuracies': 0.5 })}\n`));
    const runs = Array.from({ length: 2003 }, (_, i) => ({
      ...{ name: `run-${i}`, state: 'finished' as const, config: { keep: i, seed: 0 }, metrics },
    }));
    const site = (count: number): SiteDescription => ({
      ...{ version: 1, kind: 'sweep', title: 'many' },
      sweep: { runs: runs.slice(0, count), keys: ['keep'] },
    });
    files.set('data/site.json', json(site(2003)));
    const server = await servePage(files);
    const shown = (hash: string, test: (page: Page) => Promise<void>) =>
      quietView(browser, server, hash, test);
    const best = (page: Page) => page.locator('.fact', { hasText: 'Best by' }).innerText();
    await shown('', async (page) => {
      await page.locator('tbody tr').first().waitFor();
      expect(await page.locator('.notice').innerText()).toMatch(/first 2\s000 of 2\s003 runs/);
      expect(await best(page)).toContain('a tie of keep=0; keep=1; keep=2 and 1997 more');
    });
    server.files.set('data/site.json', json(site(2)));
    await shown('', async (page) => {
      await page.locator('tbody tr').first().waitFor();
      expect(await page.locator('.notice').count()).toBe(0);
      expect(await best(page)).toMatch(/0\.5\s+a tie of keep=0 and keep=1/);
    });
    await server.close();
  }, 120_000);

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
        expect(await page.locator('.fact', { hasText: 'Best of those finished, by' }).innerText()).toMatch(
          /0\.755\s+keep=1/,
        );
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
