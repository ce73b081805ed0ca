import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { demo, freshFolder, sdpo, type Outcome } from './run-sdpo.js';

const DATA = join(demo, 'preferences', 'preferences.jsonl');
const POLICY = join(demo, 'policy');
const SMALL = ['--limit', '20', '--engine', 'wasm'];

let cache: string;

beforeAll(async () => {
  cache = join(await freshFolder(), 'cache');
  expect((await sdpo(['score', '--model', POLICY, '--data', DATA, '--out', cache, ...SMALL])).code).toBe(0);
});

async function copyOf(directory: string): Promise<string> {
  const copy = join(await freshFolder(), 'copy');
  await cp(directory, copy, { recursive: true });
  return copy;
}

const score = async (model: string, data = DATA, out?: string) =>
  sdpo([
    'score',
    '--model',
    model,
    '--data',
    data,
    '--out',
    out ?? join(await freshFolder(), 'out'),
    ...SMALL,
  ]);
const train = async (policy: string, from: string, ...settings: string[]) =>
  sdpo([
    'train',
    '--policy',
    policy,
    '--cache',
    from,
    '--out',
    join(await freshFolder(), 'run'),
    'engine=wasm',
    'maxSteps=1',
    ...settings,
  ]);

/** Exit code 2, so many lines, each beginning as an error; all of `parts` named; no stack trace. */
function expectRefusal({ code, stderr }: Outcome, parts: string[], lines = 1): void {
  expect(code, stderr).toBe(2);
  const written = stderr.trim().split('\n');
  expect(written, stderr).toHaveLength(lines);
  for (const line of written) expect(line).toMatch(/^error: /);
  for (const part of parts) expect(stderr).toContain(part);
  expect(stderr).not.toMatch(/\n\s+at /);
}

describe('bad input ends with one line and exit code 2', () => {
  it('truncated safetensors', async () => {
    const model = await copyOf(POLICY);
    await truncate(join(model, 'model.safetensors'), 20_000);
    expectRefusal(await score(model), ['model.safetensors']);
  });

  it('a hole in the header of safetensors', async () => {
    const model = await copyOf(POLICY);
    const path = join(model, 'model.safetensors');
    const bytes = await readFile(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    for (const [name, info] of Object.entries(header)) {
      if (name !== '__metadata__' && info.data_offsets[0] > 0)
        info.data_offsets = info.data_offsets.map((at) => at + 8) as [number, number];
    }
    const text = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([size, text, bytes.subarray(8 + length), Buffer.alloc(8)]));
    expectRefusal(await score(model), ['model.safetensors', 'hole']);
  });

  it('an unknown architecture', async () => {
    const model = await copyOf(POLICY);
    const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as object;
    await writeFile(
      join(model, 'config.json'),
      JSON.stringify({ ...config, architectures: ['MambaForCausalLM'] }),
    );
    expectRefusal(await score(model), ['config.json', 'MambaForCausalLM', 'LlamaForCausalLM']);
  });

  it('a missing tokenizer', async () => {
    const model = await copyOf(POLICY);
    await rm(join(model, 'tokenizer.json'));
    expectRefusal(await score(model), ['tokenizer.json']);
  });

  it('broken JSONL in line 17, by file and line, with nothing half-written', async () => {
    const lines = (await readFile(DATA, 'utf8')).split('\n').slice(0, 30);
    lines[16] = lines[16]!.slice(0, 25);
    const data = join(await freshFolder(), 'broken.jsonl');
    await writeFile(data, lines.join('\n'));
    const out = join(await freshFolder(), 'out');
    expectRefusal(await score(POLICY, data, out), ['broken.jsonl:17']);
    expect(await readdir(out)).not.toContain('manifest.json');
    expect(await readdir(out)).not.toContain('dropped.jsonl');
  });

  it('a Parquet file cut in half', async () => {
    const [name] = (await readdir(join(cache, 'shards'))).filter((n) => n.endsWith('.parquet'));
    const data = join(await freshFolder(), 'half.parquet');
    const bytes = await readFile(join(cache, 'shards', name!));
    await writeFile(data, bytes.subarray(0, bytes.length >> 1));
    expectRefusal(await score(POLICY, data), ['half.parquet']);
  });

  it('one flipped bit in a cache, for verify and train', async () => {
    const copy = await copyOf(cache);
    const [name] = (await readdir(join(copy, 'shards'))).filter((n) => n.endsWith('.arrow'));
    const path = join(copy, 'shards', name!);
    const bytes = await readFile(path);
    bytes[1000]! ^= 4;
    await writeFile(path, bytes);
    expectRefusal(await sdpo(['cache', 'verify', copy]), [name!]);
    expectRefusal(await train(POLICY, copy), [name!]);
  });

  it('a cache from another tokenizer', async () => {
    const policy = await copyOf(POLICY);
    const path = join(policy, 'tokenizer.json');
    const text = await readFile(path, 'utf8');
    const tokenizer = JSON.parse(text) as { model: { vocab: Record<string, number> } };
    const [[a, one], [b, two]] = Object.entries(tokenizer.model.vocab).slice(-2) as [
      [string, number],
      [string, number],
    ];
    tokenizer.model.vocab[a] = two;
    tokenizer.model.vocab[b] = one;
    await writeFile(path, JSON.stringify(tokenizer));
    expectRefusal(await train(policy, cache), ['tokenizer']);
  });

  it('misspelt keys and values out of range, all at once', async () => {
    expectRefusal(
      await train(POLICY, cache, 'lerningRate=1', 'keep=0', 'loss=hinge'),
      ['did you mean learningRate', 'keep', 'sigmoid, ipo'],
      3,
    );
    const config = join(await freshFolder(), 'run.yaml');
    await writeFile(config, 'beta: 0.1\nbatchSize: many\n');
    const run = join(await freshFolder(), 'run');
    expectRefusal(
      await sdpo(['train', '--policy', POLICY, '--cache', cache, '--out', run, '--config', config]),
      ['run.yaml:2', 'batchSize'],
    );
  });

  it('missing options, unknown options, wrong numbers, no such file', async () => {
    expectRefusal(await sdpo(['score', '--limit', 'x']), ['--model', '--data', '--out', '--limit'], 4);
    expectRefusal(await sdpo(['score', '--modle', 'x']), ['--modle']);
    expectRefusal(await score(join(POLICY, 'nowhere')), ['nowhere']);
    expectRefusal(await score(POLICY, 'nowhere.jsonl'), ['nowhere.jsonl']);
    expectRefusal(await sdpo(['cache', 'verify', POLICY]), ['no reference cache']);
  });

  it('a memory limit that is no size, or too small, with the figures', async () => {
    const out = join(await freshFolder(), 'out');
    const limited = (limit: string) =>
      sdpo(['score', '--model', POLICY, '--data', DATA, '--out', out, ...SMALL, '--memory-limit', limit]);
    expectRefusal(await limited('lots'), ['--memory-limit', '"lots"', '16GiB']);
    expectRefusal(await limited('100MiB'), ['--memory-limit', '100 MiB', 'at least', 'the process']);
    expect(await readdir(out).catch(() => [])).toEqual([]);
    expectRefusal(await train(POLICY, cache, 'memoryLimit=16'), ['memoryLimit', '16', 'GiB']);
    expectRefusal(await train(POLICY, cache, 'memoryLimit='), ['memoryLimit', '""', 'none, or a size']);
    expectRefusal(await limited(''), ['--memory-limit', '""', 'none, or a size']);
    expect((await limited('none')).code).toBe(0);
    expectRefusal(await train(POLICY, cache, '--memory-limit', '100MiB'), [
      'memoryLimit',
      '100MiB',
      'at least',
    ]);
    const { code, stdout, stderr } = await train(POLICY, cache, '--memory-limit', '1GiB');
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('memory limit 1GiB: activations kept');
  });

  it('a template that is no file, and an output folder inside the cache', async () => {
    const template = await sdpo([
      ...['score', '--model', POLICY, '--data', DATA, '--out', join(await freshFolder(), 'x')],
      ...['--chat-template', '/dev/zero'],
    ]);
    expectRefusal(template, ['/dev/zero', 'regular file']);
    const args = ['--policy', POLICY, '--cache', cache, '--out', join(cache, 'run'), 'engine=wasm'];
    expectRefusal(await sdpo(['train', ...args]), ['lies inside an input folder']);
    expect((await sdpo(['cache', 'verify', cache])).code).toBe(0);
  });

  it('other inputs for a cache that is there', async () => {
    const again = await sdpo([
      'score',
      '--model',
      POLICY,
      '--data',
      DATA,
      '--out',
      cache,
      '--limit',
      '21',
      '--engine',
      'wasm',
    ]);
    expectRefusal(again, ['dataset.limit', '21', '20']);
  });

  it('a full disk: nothing half-written counts', async (context) => {
    const disk = await freshFolder();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      context.skip('mounting a small tmpfs needs root on Linux');
    }
    try {
      const out = join(disk, 'cache');
      await mkdir(out);
      const args = [
        'score',
        '--model',
        POLICY,
        '--data',
        DATA,
        '--out',
        out,
        '--limit',
        '600',
        '--engine',
        'wasm',
      ];
      expectRefusal(await sdpo(args), ['disk is full']);
      expectRefusal(await sdpo(['cache', 'verify', out]), ['not finished']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('options of another kind of reference, and a server that is not there', async () => {
    const out = ['--data', DATA, '--out', join(await freshFolder(), 'out')];
    const url = 'http://127.0.0.1:1';
    expectRefusal(
      await sdpo(['score', '--scorer', 'vllm', '--model', POLICY, '--batch-tokens', '8', ...out]),
      ['--model', '--batch-tokens', '--tokenizer', '--url'],
      4,
    );
    expectRefusal(await sdpo(['score', '--model', POLICY, '--url', url, ...out]), [
      '--scorer vllm or sglang',
    ]);
    expectRefusal(await sdpo(['score', '--scorer', 'sglang', '--url', url, '--tokenizer', POLICY, ...out]), [
      url,
      'no server answers',
    ]);
  });

  it('with --json the problems are objects on standard output', async () => {
    const { stdout, code } = await sdpo([
      'train',
      '--policy',
      POLICY,
      '--cache',
      cache,
      '--out',
      '/nonexistent/x',
      '--json',
      'lerningRate=1',
    ]);
    expect(code).toBe(2);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toMatchObject([{ type: 'error', code: 'config-unknown-key' }]);
  });
});
