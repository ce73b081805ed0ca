/**
 * How long the inspector's page takes on a large cache, what it reads for each view, and what memory it holds, in Chromium.
 *
 *   npm run build
 *   node bench/inspector-page.mjs [--pairs 100000] [--url ADDRESS] [--runs 5] [--chromium /usr/bin/chromium]
 *
 * Without --url it writes a synthetic cache (bench/synthetic-cache.mjs) with the demo's tokenizer and serves it itself. A run is a
 * browser context of its own, so nothing is in its HTTP cache. Prints, as median (smallest–largest): milliseconds from the start of a
 * navigation, or from a key or click, until what was asked for is on the page; bytes of response bodies; the page's heap after a
 * collection; and, on Linux, the resident memory of the process that page and worker share, of which a blank page takes its part.
 */
/* global document, location, performance */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { printTable, spread } from './spread.mjs';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '100000' },
    url: { type: 'string' },
    runs: { type: 'string', default: '5' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    help: { type: 'boolean' },
  },
});

/** The steps of a run, each in the state that the one before it left; `until` comes true in the page. */
const STEPS = [
  {
    name: 'overview, the first view',
    act: (page, url) => page.goto(`${url}#/overview`),
    until: () => document.querySelectorAll('svg.plot').length >= 7,
  },
  {
    name: 'list of pairs',
    act: (page) => page.evaluate(() => (location.hash = '#/pairs')),
    until: () => (document.querySelector('.row .opening')?.textContent ?? '…') !== '…',
  },
  {
    name: 'the list by margin',
    act: (page) => page.evaluate(() => (location.hash = '#/pairs?sort=margin')),
    until: () => {
      const [first, second] = [...document.querySelectorAll('.row .opening')].map((row) => row.textContent);
      return document.querySelector('.row .index')?.textContent !== '0' && first !== '…' && second !== '…';
    },
  },
  {
    name: 'a pair of a shard not read before',
    act: (page) => page.evaluate(() => (location.hash = '#/pair/700')),
    until: () =>
      document.querySelector('h1')?.textContent === 'Pair 700' && document.querySelector('.token') !== null,
  },
  {
    name: 'the next pair',
    act: (page) => page.evaluate(() => (location.hash = '#/pair/701')),
    until: () => document.querySelector('main .note')?.textContent.includes('row 701 '),
  },
  {
    name: 'the slider by one step',
    before: (page) => page.getByLabel('Selection rule').selectOption('random'),
    act: (page) => page.getByLabel('k, share of tokens').press('ArrowRight'),
    until: () => document.querySelector('.keep output')?.textContent === '41%',
  },
  {
    name: 'a search through all pairs',
    act: (page) => page.evaluate(() => (location.hash = '#/pairs?text=qqqqzz')),
    until: () => document.querySelector('.search-line')?.textContent.includes('All pairs were read.'),
  },
];

if (values.help)
  console.log('node bench/inspector-page.mjs [--pairs 100000] [--url ADDRESS] [--runs 5] [--chromium FILE]');
else await measure();

async function measure() {
  const site =
    values.url === undefined ? await syntheticSite(Number(values.pairs)) : { url: values.url, close() {} };
  const args = [
    '--enable-precise-memory-info',
    '--js-flags=--expose-gc',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ];
  const browser = await chromium.launch({ executablePath: values.chromium, args });
  try {
    const runs = [];
    for (let run = 0; run < Number(values.runs); run++) runs.push(await oneRun(browser, site.url));
    printTable(
      ['step', 'ms', 'KiB read', 'heap of the page, MiB', 'process, MiB resident'],
      STEPS.map(({ name }, i) => {
        const of = (figure) => runs.map((steps) => steps[i][figure]);
        return [
          name,
          spread(of('ms'), 0),
          spread(of('kib'), 0),
          spread(of('page'), 1),
          spread(of('process'), 0),
        ];
      }),
    );
  } finally {
    await browser.close();
    await site.close();
  }
}

async function oneRun(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  let bytes = 0;
  const sizes = new Set();
  context.on('requestfinished', (request) => {
    const size = request.sizes().then(({ responseBodySize }) => (bytes += responseBodySize));
    sizes.add(size.catch(() => undefined));
  });
  const figures = [];
  for (const { before, act, until } of STEPS) {
    await before?.(page);
    await Promise.all(sizes);
    const already = bytes;
    const begin = performance.now();
    await act(page, url);
    await page.waitForFunction(until, undefined, { timeout: 300_000, polling: 'raf' });
    const ms = performance.now() - begin;
    await Promise.all(sizes);
    figures.push({
      ms,
      kib: (bytes - already) / 1024,
      page: await heap(page),
      process: await residentMebibytes(browser),
    });
  }
  await context.close();
  return figures;
}

/** MiB in use after a collection. */
function heap(place) {
  return place.evaluate(() => {
    globalThis.gc?.();
    return performance.memory.usedJSHeapSize / 2 ** 20;
  });
}

/** Of the renderer that takes most: a page that was closed may leave one behind for a while. */
async function residentMebibytes(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const resident = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => Number(/VmRSS:\s+(\d+)/.exec(statusOf(id))?.[1] ?? NaN) / 1024)
    .filter((mebibytes) => !Number.isNaN(mebibytes));
  return resident.length === 0 ? NaN : Math.max(...resident);
}

/** Empty where there is no such process, or no such file system. */
function statusOf(process) {
  try {
    return readFileSync(`/proc/${process}/status`, 'utf8');
  } catch {
    return '';
  }
}

/** A cache of random rows, served as the command line would. */
async function syntheticSite(pairs) {
  const [
    { loadPairTokenizer },
    { openCacheSite, startSiteServer, webPage },
    synthetic,
    { TOKENIZER_DIRECTORY },
  ] = await Promise.all([
    import('@selective-dpo/data'),
    import('@selective-dpo/inspector'),
    import('./synthetic-cache.mjs'),
    import('./synthetic-preferences.mjs'),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
  process.env.XDG_CACHE_HOME = join(folder, 'derived');
  const tokenizer = await loadPairTokenizer(TOKENIZER_DIRECTORY);
  const shape = { promptTokens: 150, responseTokens: 80, vocabulary: tokenizer.vocabularySize };
  const fingerprint = { chatTemplateNow: null, chatTemplateGiven: false, ...tokenizer.fingerprint() };
  const inputs = { ...synthetic.SYNTHETIC_INPUTS, tokenizer: fingerprint };
  await synthetic.writeSyntheticCache(join(folder, 'cache'), pairs, shape, inputs);
  const { files } = await openCacheSite(join(folder, 'cache'), { tokenizerDirectory: TOKENIZER_DIRECTORY });
  const server = await startSiteServer(new Map([...(await webPage()), ...files]));
  return {
    url: server.url,
    async close() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
