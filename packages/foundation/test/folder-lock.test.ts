import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { InputError } from '../src/index.js';
import { FolderLock, LOCK_FILE } from '../src/index.js';

const purpose = { code: 'busy', what: 'file' };
const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-lock-'));
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: unknown) => (error as InputError).code,
  );

describe('FolderLock', () => {
  it('has one writer a name', async () => {
    const folder = await freshFolder();
    const [one, other] = [
      await FolderLock.acquire(folder, purpose, '.a.lock'),
      await FolderLock.acquire(folder, purpose, '.b.lock'),
    ];
    const refused = await FolderLock.acquire(folder, purpose, '.a.lock').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'busy', details: { file: folder } });
    expect((refused as InputError).details.hint).toContain('.a.lock');
    const held = () =>
      Promise.all(['.a.lock', '.b.lock', '.c.lock'].map((name) => FolderLock.isHeld(folder, name)));
    expect(await held()).toEqual([true, true, false]);
    await one.release();
    expect(await held()).toEqual([false, true, false]);
    await other.release();
    expect(await readdir(folder)).toEqual([]);
    // What no writer wrote, and a process that is gone, hold nothing; nothing is cleared away by asking.
    await writeFile(join(folder, LOCK_FILE), 'x');
    expect(await FolderLock.isHeld(folder)).toBe(false);
    await writeFile(
      join(folder, LOCK_FILE),
      JSON.stringify({ pid: 2 ** 30, host: hostname(), started: '1' }),
    );
    expect(await FolderLock.isHeld(folder)).toBe(false);
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
  });

  it.skipIf(!existsSync('/proc/self/stat'))(
    'is taken over from a process that ended and was never waited for (needs proc)',
    async () => {
      // The shell becomes a sleep, which does not wait for the child that the shell had.
      const parent = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 30'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      try {
        const child = await new Promise<number>((resolve) =>
          parent.stdout.once('data', (text: Buffer) => resolve(Number(text))),
        );
        const stat = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
        while (stat(child)[0] !== 'Z') await new Promise((resolve) => setTimeout(resolve, 10));
        const lockedBy = async (pid: number) => {
          const folder = await freshFolder();
          const owner = { pid, host: hostname(), started: stat(pid)[19] };
          await writeFile(join(folder, LOCK_FILE), JSON.stringify(owner));
          return codeOf(FolderLock.acquire(folder, purpose));
        };
        expect(await lockedBy(child)).toBe('no error');
        // Negative control: one that runs holds its lock.
        expect(await lockedBy(parent.pid!)).toBe('busy');
      } finally {
        parent.kill('SIGKILL');
      }
    },
  );
});
