import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CacheReader } from '@selective-dpo/data';
import { inspectionFolder } from '@selective-dpo/inspector';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, demo, freshFolder, sdpo, shared } from './run-sdpo.js';

const [POLICY, REFERENCE] = [join(demo, 'policy'), join(demo, 'reference')];
const PAIRS = 200;

let folder: string;
let cache: string;
let run: string;
let cacheHome: string;
const before = process.env['XDG_CACHE_HOME'];

beforeAll(async () => {
  folder = await freshFolder();
  cacheHome = await mkdtemp(join(tmpdir(), 'sdpo-inspect-'));
  [cache, run] = [join(folder, 'cache'), join(folder, 'run')];
  const rows = (await readFile(join(demo, 'preferences/preferences.jsonl'), 'utf8')).trim().split('\n');
  const data = join(folder, 'rows.jsonl');
  // The last rows repeat: identical pairs, a swapped one, and a row that gives no pair.
  const swapped = JSON.parse(rows[3]!) as { chosen: unknown; rejected: unknown };
  [swapped.chosen, swapped.rejected] = [swapped.rejected, swapped.chosen];
  const same = JSON.parse(rows[5]!) as { chosen: unknown; rejected: unknown };
  same.rejected = same.chosen;
  const extra = [rows[0]!, rows[1]!, JSON.stringify(swapped), JSON.stringify(same)];
  await writeFile(data, [...rows.slice(0, PAIRS), ...extra].join('\n'));
  const scored = await sdpo([
    'score',
    '--model',
    REFERENCE,
    '--tokenizer',
    POLICY,
    '--data',
    data,
    '--out',
    cache,
    '--engine',
    'wasm',
  ]);
  expect(scored.code, scored.stderr).toBe(0);
  expect(scored.stdout).toContain(`look at it: sdpo inspect ${cache} --tokenizer ${POLICY}`);
  const words = ['maxSteps=3', 'batchSize=4', 'engine=wasm', 'evalFraction=0.1', 'saveEvery=2'];
  const trained = await sdpo(['train', '--policy', POLICY, '--cache', cache, '--out', run, ...words]);
  expect(trained.code, trained.stderr).toBe(0);
  process.env['XDG_CACHE_HOME'] = cacheHome;
}, 120_000);
afterAll(async () => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  await rm(cacheHome, { recursive: true });
});

/** Serves a folder until the body is through; what it is given is the page's address. */
async function served(args: string[], body: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [BIN, 'inspect', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (piece: Buffer) => (text += piece.toString()));
  const listening = () => text.split('\n').find((line) => line.includes('"listening"'));
  await expect.poll(listening, { timeout: 30_000 }).toBeTruthy();
  try {
    await body((JSON.parse(listening()!) as { url: string }).url);
  } finally {
    child.kill('SIGINT');
  }
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(0);
  expect(text).toContain('"closed"');
}

const asked = async (url: string) => (await fetch(url)).json() as Promise<Record<string, unknown>>;

describe('sdpo inspect', () => {
  it('serves a cache, whose figures are those of sdpo stats, and remembers the tokenizer', async () => {
    let overview: Record<string, unknown> = {};
    await served([cache, '--tokenizer', POLICY], async (url) => {
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      const page = await fetch(url);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(await page.text()).toContain('<div id="page">');
      expect(await asked(`${url}data/site.json`)).toMatchObject({
        kind: 'cache',
        cache: { rows: PAIRS + 3 },
      });
      overview = await asked(`${url}data/overview.json`);
    });
    const stats = await sdpo(['stats', cache, '--json']);
    const figures = JSON.parse(stats.stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
    expect(overview['dropped']).toEqual({ identical: 1 });
    expect(overview['duplicates']).toMatchObject({ identicalPairs: 2, swappedPairs: 1 });
    const { duplicates, ...others } = overview as { duplicates: Record<string, number> };
    delete duplicates['nearIdenticalPairs'];
    expect(figures['duplicates']).toEqual(duplicates);
    for (const [name, value] of Object.entries(others)) expectClose(figures[name], value, name);
    await served([cache], async (url) => {
      expect(await asked(`${url}data/site.json`)).toMatchObject({
        cache: { vocabulary: 'data/vocabulary.json' },
      });
    });
  }, 60_000);

  it('writes nothing into the cache', async () => {
    const reader = await CacheReader.open(cache);
    expect((await stat(inspectionFolder(reader.manifest, true))).isDirectory()).toBe(true);
    await reader.close();
    expect((await readdir(cache)).sort()).toEqual(['dropped.jsonl', 'manifest.json', 'shards']);
  });

  it('prints a pair with its tokens, and the same numbers for programs', async () => {
    const { code, stdout } = await sdpo([
      'inspect',
      cache,
      '--pair',
      '3',
      '--policy',
      POLICY,
      'engine=wasm',
      'keep=0.3',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('kept tokens are [in brackets]: selection quantile, keep 0.3');
    const json = await sdpo([
      'inspect',
      cache,
      '--pair',
      '3',
      '--policy',
      POLICY,
      'engine=wasm',
      'keep=0.3',
      '--json',
    ]);
    const found = JSON.parse(json.stdout.trim().split('\n').at(-1)!) as {
      pair_id: string;
      chosen: { text: string; kept: boolean; score: number; ref_logp: number; policy_logp: number }[];
    };
    const kept = found.chosen.filter(({ kept }) => kept);
    expect(stdout).toContain(`${kept.length} kept`);
    for (const { score, ref_logp: ref, policy_logp: policy } of found.chosen)
      expect(score).toBeCloseTo(ref - policy, 5);
    const least = Math.min(...kept.map(({ score }) => score));
    expect(found.chosen.filter(({ kept, score }) => !kept && score > least)).toEqual([]);
    const byId = await sdpo(['inspect', cache, '--pair', found.pair_id]);
    expect(byId.stdout).toContain(`pair 3, ${found.pair_id}`);
    // The tokenizer was given once, and there is no policy.
    expect(byId.stdout).toContain('nothing is selected without a policy');
    expect(byId.stdout).not.toMatch(/#\d+/);
  }, 60_000);

  it.skipIf(shared === undefined)(
    'prints parts of characters as bytes, and joins them in a prompt',
    async () => {
      const stories = join(shared!, 'models/stories260K');
      const [data, out] = [join(folder, 'bytes.jsonl'), join(folder, 'bytes')];
      await writeFile(data, JSON.stringify({ prompt: 'Tea 日本', chosen: ' yes 😀', rejected: ' no' }));
      const scored = await sdpo([
        'score',
        '--model',
        stories,
        '--data',
        data,
        '--out',
        out,
        '--engine',
        'wasm',
      ]);
      expect(scored.code, scored.stderr).toBe(0);
      const pair = ['inspect', out, '--tokenizer', stories, '--pair', '0'];
      const { stdout } = await sdpo(pair);
      expect(stdout).toContain('Tea 日本');
      expect(stdout).toContain('⟨F0⟩⟨9F⟩⟨98⟩⟨80⟩');
      const json = await sdpo([...pair, '--json']);
      expect(json.stdout).toContain('"text":"⟨9F⟩","bytes":"9f"');
      expect(`${stdout}${json.stdout}`).not.toContain('\uFFFD');
    },
  );

  it('serves a run with its policies, and writes it as a file and a folder', async () => {
    await served([run, '--cache', cache, '--engine', 'wasm', '--sample', '9'], async (url) => {
      const site = (await asked(`${url}data/site.json`)) as {
        run: { policies: { file: string; pairs: number }[] };
      };
      expect(site.run.policies.map(({ file, pairs }) => [file, pairs])).toEqual([
        ['data/policies/step-2.parquet', 9],
        // step-3 is the final model.
        ['data/policies/final.parquet', 9],
      ]);
      const part = await fetch(`${url}${site.run.policies[0]!.file}`, { headers: { range: 'bytes=0-3' } });
      expect([part.status, await part.text()]).toEqual([206, 'PAR1']);
    });
    const html = join(folder, 'run.html');
    expect((await sdpo(['inspect', run, '--cache', cache, '--html', html, '--sample', '5'])).code).toBe(0);
    expect(await readFile(html, 'utf8')).toContain('id="site-files"');
    const site = join(folder, 'site');
    expect((await sdpo(['inspect', run, '--cache', cache, '--export', site, '--sample', '9'])).code).toBe(0);
    expect((await readdir(join(site, 'data/policies'))).sort()).toEqual(['final.parquet', 'step-2.parquet']);
  }, 60_000);

  it.each([
    [() => [join(folder, 'absent')], 'no such folder'],
    [() => [folder], 'there is nothing in this folder to look at'],
    [() => [cache, '--pair', '9999'], 'the cache has no such pair'],
    [() => [cache, '--pair', '0', 'keeep=1'], 'unknown training key'],
    [() => [cache, 'keep=1'], 'only with --pair'],
    [() => [cache, '--pair', '0', '--html', 'x.html'], 'one of both'],
    [() => [cache, '--port', '70000'], 'a whole number from 0 to 65535'],
    [() => [cache, '--tokenizer', folder], 'tokenizer.json'],
    [() => [run, '--cache', run], 'manifest.json'],
    [() => [cache, '--export', cache], 'something else is here already'],
    [() => [cache, '--html', ''], "--html: an option has a value that is not allowed; found ''"],
    [() => [cache, '--export', '', '--tokenizer', ''], '--tokenizer'],
  ])('refuses what makes no sense: %s', async (args, part) => {
    const { code, stderr } = await sdpo(['inspect', ...args()]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(part) as string]);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

/** Equal, numbers within a share of themselves: quantiles of tokens are a sketch's on both sides. */
function expectClose(found: unknown, wanted: unknown, place: string): void {
  if (typeof wanted === 'number') {
    const room = place.includes('Logps') && place.includes('quantiles') ? 0.011 : 1e-9;
    expect(Math.abs((found as number) - wanted), place).toBeLessThanOrEqual(
      room * Math.max(1e-6, Math.abs(wanted)),
    );
  } else if (wanted !== null && typeof wanted === 'object') {
    for (const [key, value] of Object.entries(wanted)) {
      expectClose((found as Record<string, unknown>)[key], value, `${place}.${key}`);
    }
  } else expect(found, place).toEqual(wanted);
}
