import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheInfo } from '@selective-dpo/data';
import { beforeAll, describe, expect, it } from 'vitest';
import { BIN, demo, freshFolder, sdpo } from './run-sdpo.js';

let cache: string;

beforeAll(async () => {
  cache = join(await freshFolder(), 'cache');
  const data = join(demo, 'preferences', 'preferences.jsonl');
  const score = ['score', '--model', join(demo, 'policy'), '--data', data, '--out', cache];
  expect((await sdpo([...score, '--limit', '50', '--engine', 'wasm'])).code).toBe(0);
});

const stats = (...args: string[]) => sdpo(['stats', cache, ...args]);

describe('sdpo stats', () => {
  it('prints the figures as tables, and as one object with what is left out', async () => {
    const info = await cacheInfo(cache);
    const { code, stdout } = await stats();
    expect(code).toBe(0);
    expect(stdout).toMatch(/pairs +50\n/);
    expect(stdout).toMatch(/chosen, nats a token( +-[\d.e-]+){8}/);
    const json = await stats('--json', '--verify');
    const lines = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      rows: 50,
      reference: info.reference,
      notComputed: ['duplicates.nearIdenticalPairs'],
    });
    expect(lines.slice(0, -1).every(({ type }) => type === 'progress')).toBe(true);
  });

  it('answers a question as a table, as CSV and as JSON, without a word beside it', async () => {
    const sql =
      'SELECT pair_index, pair_id, prompt_ids FROM cache JOIN pairs USING (pair_index, pair_id) ORDER BY 1';
    const table = await stats('--sql', sql, '--rows', '3');
    expect(table.stdout.trim().split('\n')).toHaveLength(6);
    expect(table.stdout).toContain('first 3 rows');
    const csv = await stats('--sql', sql, '--csv');
    expect(csv.stdout.split('\r\n')).toHaveLength(52);
    expect(csv.stdout).toMatch(/^pair_index,pair_id,prompt_ids\r\n0,/);
    const json = await stats('--sql', sql, '--json');
    const rows = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; row: object });
    expect(rows).toHaveLength(50);
    expect(rows[7]).toMatchObject({
      type: 'row',
      row: { pair_index: 7, prompt_ids: expect.any(Array) as unknown },
    });
  });

  it('shows no text that steers a terminal', async () => {
    const { stdout } = await stats('--sql', "SELECT chr(27) || '[2J' || chr(10) || 'x' AS text");
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('\uFFFD[2J x');
  });

  it.each<[string, string[], string[]]>([
    ['a statement that is no SELECT', ['--sql', "COPY (SELECT 1) TO 'x'"], ['--sql', 'one SELECT']],
    ['a syntax error', ['--sql', 'SELEC 1'], ['syntax error', 'the views are pairs']],
    ['another file', ['--sql', "FROM read_csv('/etc/passwd')"], ['read_csv']],
    ['too little memory', ['--memory-limit', '1MiB'], ['--memory-limit', 'at least 64 MiB']],
    ['no limit at all', ['--memory-limit', 'none'], ['--memory-limit', 'a size']],
    ['options of a question without one', ['--csv', '--rows', '3'], ['--csv', '--rows']],
  ])('refuses %s with exit code 2 and no stack trace', async (_, args, parts) => {
    const { code, stderr, stdout } = await stats(...args);
    expect(code, stderr).toBe(2);
    for (const part of parts) expect(stderr).toContain(part);
    expect(`${stderr}${stdout}`).not.toMatch(/\n\s+at /);
  });

  it.each(['once', 'twice'])('stops at Ctrl-C, pressed %s, and leaves nothing', async (times) => {
    const sql = 'SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range % 7 = b.range % 11';
    const temporary = await freshFolder();
    const child = spawn(process.execPath, [BIN, 'stats', cache, '--sql', sql], {
      ...{ stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TMPDIR: temporary } },
    });
    let stderr = '';
    child.stderr!.on('data', (piece: Buffer) => {
      stderr += piece.toString();
      if (times === 'twice' && stderr.includes('again to stop at once')) child.kill('SIGINT');
    });
    const ended = once(child, 'close');
    // DuckDB, which would need hours for it, is at work once its folder is there.
    while ((await readdir(temporary)).length === 0) await sleep(20);
    child.kill('SIGINT');
    expect((await ended)[0]).toBe(130);
    if (times === 'once') expect(stderr).toContain('the question was stopped');
    expect(await readdir(temporary)).toEqual([]);
  });
});
