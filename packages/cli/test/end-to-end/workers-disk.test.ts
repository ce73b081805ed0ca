/** Workers on a disk that is full and on one that takes no writes; both are mounted in a namespace of their own. */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { contents } from './file-contents.js';
import { BIN, demo, freshFolder, sdpo } from './run-sdpo.js';

const data = ['--data', join(demo, 'preferences', 'preferences.jsonl')];
const scoreInto = (out: string, ...more: string[]) => [
  ...['score', '--model', join(demo, 'reference'), ...data, '--engine', 'wasm', '--out', out],
  ...['--rows-per-shard', '16', '--limit', '60', ...more],
];
const worker = (out: string, index: number, count = 2) =>
  scoreInto(out, '--shard-index', String(index), '--shard-count', String(count));

/** Runs a shell script that may mount; its words are "$1", "$2", … */
function mounting(script: string, ...words: string[]) {
  return spawnSync('unshare', ['-rm', 'bash', '-c', script, 'bash', ...words], { encoding: 'utf8' });
}
const canMount =
  mounting('mount -t tmpfs -o size=64k none /tmp && mount -o remount,ro,bind /tmp').status === 0;
const reason = 'needs unshare and mounts by users';

let single: Record<string, string>;
beforeAll(async () => {
  const out = join(await freshFolder(), 'single');
  const { code, stderr } = await sdpo(scoreInto(out));
  expect(code, stderr).toBe(0);
  single = await contents(out);
}, 60_000);

describe('workers', () => {
  it('on a full disk say so, and go on when there is room', async (context) => {
    if (!canMount) context.skip(reason);
    const [disk, copy] = [await freshFolder(), join(await freshFolder(), 'copy')];
    const script = `
      disk=$1; copy=$2; shift 2
      mount -t tmpfs -o size=64k none "$disk" || exit 99
      "$@"; echo "code $?"
      cp -r "$disk/cache" "$copy-of-full"
      mount -o remount,size=20m "$disk" && "$@" && cp -r "$disk/cache" "$copy"`;
    const words = [disk, copy, process.execPath, BIN, ...worker(join(disk, 'cache'), 0, 1)];
    const { status, stdout, stderr } = mounting(script, ...words);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('code 2');
    expect(stderr).toContain('the disk is full');
    const full = Object.keys(await contents(`${copy}-of-full`));
    expect(full).toContain('workers.json');
    expect(full.filter((name) => name.endsWith('.tmp') || name === 'ending.json')).toEqual([]);
    expect((await sdpo(['cache', 'merge', copy])).code).toBe(0);
    expect(await contents(copy)).toEqual(single);
  }, 120_000);

  it('and the merge on a disk that takes no writes say so', async (context) => {
    if (!canMount) context.skip(reason);
    const disk = await freshFolder();
    const [empty, begun] = [join(disk, 'empty'), join(disk, 'begun')];
    await mkdir(empty);
    for (const index of [0, 1]) expect((await sdpo(worker(begun, index))).code).toBe(0);
    const before = await contents(disk);
    const locked = (args: string[]) =>
      mounting(
        'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99; shift; exec "$@"',
        ...[disk, process.execPath, BIN, ...args],
      );
    for (const args of [worker(join(empty, 'cache'), 0), worker(empty, 0), ['cache', 'merge', begun]]) {
      const { status, stderr } = locked(args);
      expect([status, stderr]).toEqual([2, expect.stringMatching(/^error: .*read-only/m) as string]);
      expect(stderr).not.toContain('    at ');
    }
    expect(await contents(disk)).toEqual(before);
    // Negative control: with writes it is closed.
    expect((await sdpo(['cache', 'merge', begun])).code).toBe(0);
    expect(await contents(begun)).toEqual(single);
  }, 120_000);
});

describe('workers over a dataset that grew', () => {
  it('take the whole shards of an earlier cache, and make the cache of one that scores all anew', async () => {
    const folder = await freshFolder();
    const [earlier, out] = [join(folder, 'earlier'), join(folder, 'grown')];
    // A later --limit wins: 40 rows are two shards of 16 and one of 8.
    expect((await sdpo([...scoreInto(earlier), '--limit', '40'])).code).toBe(0);
    const reused: number[] = [];
    for (const index of [1, 0]) {
      const { code, stdout, stderr } = await sdpo([...worker(out, index), '--reuse', earlier, '--json']);
      expect(code, stderr).toBe(0);
      const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as { reusedPairs: number };
      reused.push(last.reusedPairs);
    }
    expect(reused).toEqual([16, 16]);
    expect((await sdpo(['cache', 'merge', out])).code).toBe(0);
    expect(await contents(out)).toEqual(single);
  }, 120_000);
});

describe('a worker that cannot begin', () => {
  it('leaves no folder behind', async () => {
    const folder = await freshFolder();
    const args = worker(join(folder, 'cache'), 0);
    args[args.indexOf('--model') + 1] = join(folder, 'absent');
    expect((await sdpo(args)).code).toBe(2);
    expect(await readdir(folder)).toEqual([]);
    await cp(join(demo, 'reference'), join(folder, 'model'), { recursive: true });
    // Negative control.
    args[args.indexOf('--model') + 1] = join(folder, 'model');
    expect((await sdpo(args)).code).toBe(0);
    expect(await readdir(join(folder, 'cache'))).toContain('workers.json');
  }, 60_000);
});
