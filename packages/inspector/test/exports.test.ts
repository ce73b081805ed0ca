/** Sites as folders and as single files. */
import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { Interrupted } from '@selective-dpo/foundation';
import { CacheReader } from '@selective-dpo/data';
import { parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { type RunInputs } from '../../trainer/test/small-run.js';
import {
  exportSite,
  openCacheSite,
  openRunSite,
  sampleSite,
  sampledRows,
  webPage,
  writeSingleFile,
  type Site,
} from '../src/index.js';
import type { Overview, Vocabulary } from '../src/site-contract.js';
import { contentOf, type SiteFiles } from '../src/site/site-files.js';
import { pairRows as letterRows, testFolder, writeCache } from './small-cache.js';

import { PAIRS, jsonOf, pageOf, smallRun, type SmallRun } from './small-sites.js';

const folder = testFolder();
let inputs: RunInputs;
let run: string;
let siteOfRun: SmallRun['site'];

beforeAll(async () => {
  ({ inputs, run, site: siteOfRun } = await smallRun());
});

async function smallPage(): Promise<SiteFiles> {
  const place = folder('small-page');
  await mkdir(join(place, 'assets'), { recursive: true });
  await writeFile(
    join(place, 'index.html'),
    '<!doctype html><html><head><link rel="icon" href="./assets/i.svg" type="image/svg+xml" />' +
      '<script type="module" crossorigin src="./assets/a.js"></script><link rel="stylesheet" crossorigin href="./assets/a.css">' +
      '</head><body></body></html>',
  );
  await writeFile(join(place, 'assets/a.js'), 'const t = "</script><!-- $&";');
  await writeFile(join(place, 'assets/a.css'), 'p { content: "</style>"; }');
  await writeFile(join(place, 'assets/i.svg'), '<svg/>');
  return webPage(place);
}

describe('an export', () => {
  it('holds every file of the site, and replaces nothing but an earlier one', async () => {
    const site = await openCacheSite(inputs.cacheDirectory, { tokenizerDirectory: inputs.policyDirectory });
    const page = await smallPage();
    const out = folder('export');
    await exportSite(site, page, out);
    const written = (await readdir(out, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    expect(written).toHaveLength(page.size + site.files.size + 1);
    for (const [path, file] of site.files) {
      expect(await readFile(join(out, path))).toEqual(Buffer.from(await contentOf(file)));
    }
    const older = new Map([...page, ['assets/old.js', page.get('assets/a.js')!] as const]);
    await exportSite(site, older, out);
    expect(await readdir(join(out, 'assets'))).toContain('old.js');
    await exportSite(site, page, out);
    expect(await readdir(join(out, 'assets'))).not.toContain('old.js');
    for (const name of ['notes.txt', 'assets/notes.txt', 'data/cache/notes.txt']) {
      await writeFile(join(out, name), 'mine');
      const [problem] = await refusalOf(() => exportSite(site, page, out));
      expect([problem!.code, problem!.details.found]).toEqual(['folder-in-use', name]);
      expect(await readFile(join(out, name), 'utf8')).toBe('mine');
      await rm(join(out, name));
    }
  });

  it('takes the place of no folder that only looks like one, and of no link', async () => {
    const site = await openCacheSite(inputs.cacheDirectory);
    const page = await smallPage();
    for (const name of ['thesis.txt', 'data/site.json', 'empty/folder']) {
      const [mine, file] = [folder(`mine-${name.length}`), join(folder(`mine-${name.length}`), name)];
      await mkdir(dirname(file), { recursive: true });
      if (!name.startsWith('empty')) await writeFile(file, 'mine');
      else await mkdir(file);
      const before = await readdir(mine, { recursive: true });
      expect(codesOf(await refusalOf(() => exportSite(site, page, mine)))).toEqual(['folder-in-use']);
      expect(await readdir(mine, { recursive: true })).toEqual(before);
    }
    await mkdir(folder('linked'));
    await symlink(folder('linked'), folder('link'));
    expect(codesOf(await refusalOf(() => exportSite(site, page, folder('link'))))).toEqual(['not-a-folder']);
    expect(await readdir(folder('linked'))).toEqual([]);
  });

  it('that is stopped leaves nothing', async () => {
    const site = await openCacheSite(inputs.cacheDirectory);
    const stop = new AbortController();
    const listener = () => stop.abort();
    const written = exportSite(site, await smallPage(), folder('stopped'), { listener, signal: stop.signal });
    await expect(written).rejects.toBeInstanceOf(Interrupted);
    expect((await readdir(folder('.'))).filter((name) => name.includes('stopped'))).toEqual([]);
  });

  it('copies no damaged shard', async () => {
    const cache = folder('damaged');
    await cp(inputs.cacheDirectory, cache, { recursive: true });
    const site = await openCacheSite(cache);
    const shard = join(cache, 'shards', 'shard-00000.parquet');
    const bytes = await readFile(shard);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(shard, bytes);
    const problems = await refusalOf(async () =>
      exportSite(site, await smallPage(), folder('damaged-export')),
    );
    expect(codesOf(problems)).toEqual(['cache-damaged']);
    expect(await readdir(folder('.'))).not.toContain('damaged-export');
  });
});

describe('a single file', () => {
  const small = async (): Promise<Site> =>
    sampleSite(await siteOfRun({ sample: 6 }), inputs.cacheDirectory, { sample: 6, seed: 5 });

  it('has the sample that its policies were measured on, as the cache has it', async () => {
    const site = await small();
    const page = await pageOf(site);
    const rows = [...sampledRows(PAIRS, 6, 5)];
    const cache = await CacheReader.open(inputs.cacheDirectory);
    const table = await page.pairTable();
    expect([...table.pairIndex]).toEqual(rows);
    for (const index of rows) {
      const [row, shown] = [await cache.row(index), await page.pair(index)];
      expect([...shown.chosenIds]).toEqual([...row.chosenIds]);
      expect([...shown.rejectedRefLogps]).toEqual([...row.rejectedRefLogps]);
    }
    expect([...(await page.policy('data/policies/final.parquet')).pairIndex]).toEqual(rows);
    await cache.close();
    const whole = await jsonOf<Vocabulary>((await siteOfRun({ sample: 6 })).files, 'data/vocabulary.json');
    const { texts } = await jsonOf<Vocabulary>(site.files, 'data/vocabulary.json');
    expect(texts).toHaveLength(whole.texts.length);
    texts.forEach((text, id) => expect([whole.texts[id], '']).toContain(text));
  });

  it('of a cache has the pairs that the reference orders most wrongly', async () => {
    const site = await openCacheSite(inputs.cacheDirectory);
    const { description, files } = await sampleSite(site, inputs.cacheDirectory, { sample: 20, seed: 0 });
    const { reference } = await jsonOf<Overview>(files, description.cache!.overview);
    const held = description.cache!.shards.map(({ firstRow }) => firstRow);
    expect(held).toHaveLength(20);
    for (const { pairIndex } of reference.mostWrong.slice(0, 4)) expect(held).toContain(pairIndex);
  });

  it('has the rows of its pairs from every part of the table', async () => {
    const cache = await writeCache(folder('long-cache'), letterRows(2_500));
    const site = await openCacheSite(cache);
    const { description, files } = await sampleSite(site, cache, { sample: 300, seed: 1 });
    const read = async (from: SiteFiles) => {
      const bytes = await contentOf(from.get(description.cache!.pairs)!);
      return parquetReadObjects({ file: Uint8Array.from(bytes).buffer });
    };
    const [all, some] = [await read(site.files), await read(files)];
    const held = description.cache!.shards.map(({ firstRow }) => firstRow);
    expect(held[0]! < 1024 && held.at(-1)! >= 2048).toBe(true);
    expect(some).toEqual(held.map((row) => all[row]));
  });

  it('has of long metrics as many lines as fit, and the last two', async () => {
    const long = folder('long-run');
    await cp(run, long, { recursive: true });
    const metrics = join(long, 'metrics.jsonl');
    const lines = Array.from({ length: 150_000 }, (_, i) => `{"step":${i},"padding":"${'x'.repeat(80)}"}`);
    for (const count of [149_990, 149_991, 150_000, 3]) {
      await writeFile(metrics, `${lines.slice(0, count).join('\n')}\n`);
      const site = await openRunSite(long, { sample: 1 });
      const { files } = await sampleSite(site, undefined, { sample: 1, seed: 0 });
      const text = new TextDecoder().decode(await contentOf(files.get(site.description.run!.metrics)!));
      const shown = text.trimEnd().split('\n');
      const steps = shown.map((line) => (JSON.parse(line) as { step: number }).step);
      expect(steps.slice(-2)).toEqual([count - 2, count - 1]);
      expect(new Set(steps).size).toBe(steps.length);
      expect(text.length).toBeLessThan((8 << 20) + 200);
      if (count === 3) expect(steps).toEqual([0, 1, 2]);
      else expect(steps.length).toBeGreaterThan(40_000);
    }
  });

  it('that is stopped or too large is not there', async () => {
    const stop = new AbortController();
    const site = await openCacheSite(inputs.cacheDirectory);
    const sampled = sampleSite(site, inputs.cacheDirectory, {
      ...{ sample: 9, seed: 0, signal: stop.signal, listener: () => stop.abort() },
    });
    await expect(sampled).rejects.toBeInstanceOf(Interrupted);
    const large = new Map([['data/large', { make: () => Promise.resolve(new Uint8Array(100 << 20)) }]]);
    const twice = new Map([...large, ['data/larger', large.get('data/large')!]]);
    const page = await smallPage();
    const [problem] = await refusalOf(() => writeSingleFile(twice, page, folder('large.html')));
    expect(problem!.code).toBe('site-too-large');
    expect(await readdir(folder('.'))).not.toContain('large.html');
  });

  it('allows its own script and styles alone, and nothing in it ends an element early', async () => {
    const path = folder('site.html');
    const site = await small();
    await writeSingleFile(site.files, await smallPage(), path);
    const html = await readFile(path, 'utf8');
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)![1]!;
    expect(policy).toContain("default-src 'none'");
    const parts = [/<script type="module">([\s\S]*?)<\/script>/, /<style>([\s\S]*?)<\/style>/];
    for (const part of parts) {
      const digest = createHash('sha256').update(part.exec(html)![1]!).digest('base64');
      expect(policy).toContain(`'sha256-${digest}'`);
    }
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).toContain(String.raw`const t = "<\/script><\!-- $&";`);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).not.toMatch(/(?:src|href)="\.\//);
    // Over an earlier page, and over nothing else.
    await writeSingleFile(site.files, await smallPage(), path);
    await mkdir(folder('web-project/shards-of-glass'), { recursive: true });
    await writeFile(folder('web-project/manifest.json'), '{}');
    await exportSite(site, await smallPage(), folder('web-project/site'));
    const manifest = join(folder('web-project'), 'manifest.json');
    const before = await readFile(manifest);
    const page = await smallPage();
    expect(codesOf(await refusalOf(() => writeSingleFile(site.files, page, manifest)))).toEqual([
      'file-in-use',
    ]);
    expect(await readFile(manifest)).toEqual(before);
    for (const name of ['new.html', 'manifest.json', 'shards/new.html']) {
      const inside = join(inputs.cacheDirectory, name);
      expect(codesOf(await refusalOf(() => writeSingleFile(site.files, page, inside)))).toEqual([
        'folder-in-use',
      ]);
    }
    expect(
      codesOf(await refusalOf(() => exportSite(site, page, join(inputs.cacheDirectory, 'site')))),
    ).toEqual(['folder-in-use']);
    const data = /id="site-files">([^<]*)<\/script>/.exec(html)![1]!;
    expect(Object.keys(JSON.parse(data) as object).sort()).toEqual([...site.files.keys()].sort());
  });
});
