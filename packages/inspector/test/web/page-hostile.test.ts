/** Contents that want to do harm, and files that are damaged: the page shows them, or says what is wrong. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteDescription, Vocabulary } from '../../src/site-contract.js';
import {
  json,
  madeSite,
  movedLogps,
  randomPairs,
  WORD_VOCABULARY,
  type Files,
  type MadePair,
} from './made-site.js';
import { quietView, startChromium, watchedPage, withoutChromium } from './page-browser.js';
import { pageFiles, servePage, type PageServer } from './page-server.js';

/** Runs, fetches or shows a dialog if any of it becomes markup. */
const ATTACKS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(2)>',
  '<svg onload=alert(3)>',
  '</div></main><iframe src="http://127.0.0.1:9/x"></iframe>',
  '"><style>body{display:none}</style>',
  'javascript:alert(4)',
  '<link rel=stylesheet href=//127.0.0.1:9/x.css>',
];
const ODD = [
  '\u202egnirts\u202c',
  'שלום عليكم',
  '👩‍👩‍👧',
  '\0\u0007\u001b[31m',
  '__proto__',
  'x'.repeat(100_000),
  '\ud800',
  '\r\n',
  '',
];
const TEXTS = [...ATTACKS, ...ODD];
const vocabulary: Vocabulary = { texts: [...TEXTS, '</s>'], special: [TEXTS.length], sentenceEnds: [2] };

function hostilePairs(): MadePair[] {
  const ids = [...TEXTS.keys(), TEXTS.length, 999_999_999, -1];
  const logps = ids.map((_, i) => (i === 3 ? 0 : -i / 2));
  const pair = {
    promptIds: ids,
    chosenIds: ids,
    rejectedIds: [...ids].reverse(),
    chosenRefLogps: logps,
    rejectedRefLogps: logps,
  };
  return TEXTS.map((text) => ({
    ...pair,
    pairId: text,
    opening: text.slice(0, 160),
    duplicateOf: 0,
    duplicateKind: 'near' as const,
  }));
}

async function hostileSite(): Promise<Files> {
  const pairs = hostilePairs();
  const policies = ['first', 'final'].map((name, i) => ({
    name,
    step: i + 1,
    logps: movedLogps(pairs, i, 1),
  }));
  const config = JSON.parse(
    `{"__proto__":{"polluted":true},"constructor":"<script>alert(5)</script>","keep":"<b>"}`,
  ) as Record<string, unknown>;
  const metric = ATTACKS.map((attack, i) => `${JSON.stringify(attack)}:${i}`).join(',');
  const metrics = [1, 2, 3]
    .map((step) => `{"split":"<img src=x onerror=alert(6)>","step":${step},"__proto__":1,${metric}}\n`)
    .join('');
  const files = await madeSite({
    ...{ pairs, vocabulary, config, metrics: `${metrics}{"split":"train"\nnull\n` },
    ...{ title: ATTACKS[0]!, policies },
  });
  const overview = JSON.parse(new TextDecoder().decode(files.get('data/overview.json'))) as {
    dropped: object;
  };
  overview.dropped = Object.fromEntries([...ATTACKS, '__proto__'].map((attack) => [attack, 1]));
  files.set('data/overview.json', json(overview));
  files.set(
    'data/cache/manifest.json',
    json({ inputs: { [ATTACKS[1]!]: ATTACKS[0], scorer: { a: ATTACKS[2] } } }),
  );
  return files;
}

let browser: Browser;
let server: PageServer;

const suite = describe.skipIf(withoutChromium !== undefined);

suite('hostile contents', () => {
  beforeAll(async () => {
    browser = await startChromium();
    server = await servePage(await hostileSite());
  });
  afterAll(async () => {
    await server.close();
    await browser.close();
  });

  it.each([
    ['overview', '.verdict'],
    ['pairs', '.row .opening'],
    ['pair/0', '.token'],
    ['policy', 'table'],
    ['run', 'svg.plot'],
  ])('are text in the view %s', (view, sign) =>
    quietView(browser, server, `#/${view}`, async (page) => {
      await page.locator(sign).first().waitFor();
      await page.waitForTimeout(150);
      const foreign = await page.evaluate(
        () =>
          document.querySelectorAll(
            'script:not([src^="./assets"]), iframe, img, link[href*="127.0.0.1:9"], style',
          ).length,
      );
      expect(foreign).toBe(0);
      expect(await page.evaluate(() => ('polluted' in {} ? 1 : 0))).toBe(0);
      expect(await page.locator('body').innerText()).toContain(
        view === 'policy' ? 'Jaccard' : view === 'run' ? 'onerror' : '<script>alert(1)</script>',
      );
    }),
  );

  it('show as marks what cannot be seen, and long tokens shortened with a way to see more', () =>
    quietView(browser, server, '#/pair/0', async (page) => {
      await page.locator('.token').first().waitFor();
      const marks = await page.locator('.answer.chosen .token .mark').allInnerTexts();
      for (const mark of ['U+202E', '␀', '␛', 'U+D800', '∅', '</s>', '#999999999', '#-1', '…'])
        expect(marks, mark).toContain(mark);
      const long = page.locator(`.answer.chosen .token[data-token="${TEXTS.indexOf('x'.repeat(100_000))}"]`);
      expect((await long.innerText()).length).toBeLessThan(200);
      // What shows up for it moves no token from under the pointer.
      const place = () => long.evaluate((token) => token.getBoundingClientRect().top + scrollY);
      const before = await place();
      await long.hover();
      await page.getByRole('button', { name: 'Show all 100000 characters' }).waitFor();
      expect(await place()).toBe(before);
      await page.getByRole('button', { name: 'Show all 100000 characters' }).click();
      expect((await page.locator('.whole pre').innerText()).length).toBe(100_000);
      expect(await page.evaluate(() => getComputedStyle(document.querySelector('.token')!).unicodeBidi)).toBe(
        'isolate',
      );
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
      ).toBeLessThanOrEqual(0);
    }));

  it('are searched for as text', () =>
    quietView(browser, server, '#/pairs', async (page) => {
      await page.getByLabel('Search in prompts and answers').fill('<img src=x onerror');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('All pairs were read.').waitFor();
      expect(await page.locator('.row .opening').first().innerText()).toContain(
        '<img src=x onerror=alert(2)>',
      );
    }));

  it('would be seen by this test if they ran (control)', async () => {
    const { page, complaints } = await watchedPage(browser, server.url);
    await page.goto(`${server.url}#/overview`);
    await page.locator('.verdict').waitFor();
    await page.evaluate(() => {
      document
        .querySelector('main')!
        .insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x" onerror="alert(2)">');
      document.querySelector('main')!.setAttribute('style', 'color:red');
    });
    await page.waitForTimeout(300);
    expect(
      complaints.filter((complaint) => complaint.includes('Content Security Policy')).length,
    ).toBeGreaterThan(1);
    await page.context().close();
    const other = await watchedPage(browser, server.url, { bypassCSP: true });
    await other.page.goto(server.url);
    await other.page.evaluate(() =>
      document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="alert(2)">'),
    );
    await expect.poll(() => other.complaints).toContain('dialog: 2');
    await other.page.context().close();
  });
});

suite('sites that are damaged', () => {
  let sound: Files;
  beforeAll(async () => {
    browser = await startChromium();
    sound = await madeSite({ pairs: randomPairs(60, 4), vocabulary: WORD_VOCABULARY });
  });
  afterAll(() => browser.close());

  /** What the page says of a site; the console may name what the host refused. */
  async function said(files: Files, hash: string): Promise<string> {
    const site = await servePage(files);
    const { page, complaints } = await watchedPage(browser, site.url);
    await page.goto(site.url + hash);
    const text = await page.locator('.problem').first().innerText();
    expect(complaints.filter((complaint) => !complaint.includes('Failed to load resource'))).toEqual([]);
    await page.context().close();
    await site.close();
    return text;
  }
  const changed = (path: string, bytes: Uint8Array | undefined): Files => {
    const files = new Map(sound);
    if (bytes === undefined) files.delete(path);
    else files.set(path, bytes);
    return files;
  };
  const text = (value: string) => new TextEncoder().encode(value);

  it.each([
    [
      'a folder that is no site',
      'data/site.json',
      undefined,
      '',
      /no file data\/site\.json \(404\)[^]*sdpo inspect/,
    ],
    ['a description that is no JSON', 'data/site.json', text('{'), '', /data\/site\.json is damaged/],
    ['a description of another version', 'data/site.json', text('{"version":7}'), '', /version 7/],
    [
      'an overview of another shape',
      'data/overview.json',
      text('{"rows":3,"dropped":{}}'),
      '#/overview',
      /not what it should be/,
    ],
    [
      'an overview that is missing',
      'data/overview.json',
      undefined,
      '#/overview',
      /no file data\/overview\.json/,
    ],
    [
      'pairs that are no Parquet',
      'data/pairs.parquet',
      text('PAR1 nonsense'),
      '#/pairs',
      /data\/pairs\.parquet is damaged/,
    ],
    [
      'a shard that is missing',
      'data/cache/shards/shard-0.parquet',
      undefined,
      '#/pair/3',
      /no file data\/cache\/shards\/shard-0/,
    ],
    [
      'a shard that is no Parquet',
      'data/cache/shards/shard-0.parquet',
      text('x'.repeat(500)),
      '#/pair/3',
      /is damaged/,
    ],
    [
      'a vocabulary that is none',
      'data/vocabulary.json',
      text('{"texts":7}'),
      '#/pair/3',
      /vocabulary\.json is damaged/,
    ],
    ['a pair that is not there', 'data/unused', text(''), '#/pair/60', /no pair 60/],
    ['an address that names no pair', 'data/unused', text(''), '#/pair/<b>', /no pair <b>|no pair %3Cb%3E/],
  ])('say so: %s', async (_, path, bytes, hash, message) => {
    expect(await said(changed(path, bytes), hash)).toMatch(message);
  });

  it('whose shard lies about its lengths end in a problem, not in a page that hangs', async () => {
    const path = 'data/cache/shards/shard-0.parquet';
    // num_values of the first page header, and the compressed sizes beside it, become as large as they can be.
    const bytes = Uint8Array.from(sound.get(path)!);
    for (let at = 4; at < 24; at++) if ((bytes[at]! & 0x80) === 0) bytes[at] = bytes[at]! | 0x7e;
    expect(await said(changed(path, bytes), '#/pair/3')).toMatch(/damaged/);
  });

  it('whose description names files elsewhere are refused before anything is asked for', async () => {
    const site = JSON.parse(new TextDecoder().decode(sound.get('data/site.json'))) as SiteDescription;
    const elsewhere = { ...site, cache: { ...site.cache!, overview: 'https://127.0.0.1:9/overview.json' } };
    expect(await said(changed('data/site.json', json(elsewhere)), '#/overview')).toMatch(
      /outside its own folder/,
    );
  });

  it('a page with its files inside needs no others', async () => {
    const page = await pageFiles();
    const inside = Object.fromEntries(
      [...sound].map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]),
    );
    const html = new TextDecoder()
      .decode(page.get('index.html'))
      .replace(
        '<body>',
        `<body><script type="application/json" id="site-files">${JSON.stringify(inside)}</script>`,
      );
    const site = await servePage(new Map([['index.html', text(html)]]));
    const asked: string[] = [];
    const { page: opened, complaints } = await watchedPage(browser, site.url);
    opened.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await opened.goto(`${site.url}#/pairs?text=cat`);
    await opened.getByText('All pairs were read.').waitFor();
    await opened.locator('.row').first().click();
    await opened.locator('.token').first().waitFor();
    expect(complaints).toEqual([]);
    expect(asked.filter((path) => path.startsWith('/data'))).toEqual([]);
    expect(asked.length).toBeGreaterThan(2);
    await opened.context().close();
    await site.close();
  });

  it('a single file has all of it, under a policy that allows its own script and style alone', async () => {
    const page = await pageFiles();
    const asset = (end: string) =>
      new TextDecoder().decode(
        page.get([...page.keys()].find((name) => name.startsWith('assets/index') && name.endsWith(end))!),
      );
    const [script, style] = [asset('.js').replaceAll('</script', '<\\/script'), asset('.css')];
    const hash = (source: string) => `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
    const inside = Object.fromEntries(
      [...sound].map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]),
    );
    const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}`;
    const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><title>x</title><style>${style}</style></head><body><div id="page"></div><script type="application/json" id="site-files">${JSON.stringify(inside)}</script><script type="module">${script}</script></body></html>`;
    const file = join(mkdtempSync(join(tmpdir(), 'sdpo-inspector-')), 'page.html');
    writeFileSync(file, html);
    const { page: opened, complaints } = await watchedPage(browser, 'file://');
    await opened.goto(`file://${file}`);
    for (const [hash, sign] of [
      ['#/overview', 'svg.plot'],
      ['#/pairs?text=cat', '.row .opening'],
      ['#/pair/3', '.token'],
    ] as const) {
      await opened.evaluate((to) => (location.hash = to), hash);
      await opened.locator(sign).first().waitFor();
    }
    expect(complaints).toEqual([]);
    await opened.context().close();
    rmSync(dirname(file), { recursive: true });
  });
});
