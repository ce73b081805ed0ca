import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  FolderLock,
  InputError,
  describeProblem,
  explainSystemError,
  openRegularFile,
  parseShallowJson,
  quoteValue,
  readRegularFile,
  refuseInside,
  refuseLinkedFolder,
  sha256OfFile,
} from '../src/index.js';

const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-foundation-'));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error as InputError).code,
  );

describe('regular files', () => {
  it('are read up to a size, larger ones are refused', async () => {
    const file = join(await freshFolder(), 'a.json');
    await writeFile(file, 'twelve bytes');
    expect((await readRegularFile(file, 12)).toString()).toBe('twelve bytes');
    expect(await codeOf(readRegularFile(file, 11))).toBe('file-too-large');
  });

  it('are told from pipes, devices, folders and nothing, without waiting', async () => {
    const folder = await freshFolder();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const read of [openRegularFile, sha256OfFile, (path: string) => readRegularFile(path, 9)]) {
      expect(await codeOf(read(pipe))).toBe('not-a-file');
      expect(await codeOf(read('/dev/zero'))).toBe('not-a-file');
      expect(await codeOf(read(folder))).toBe('not-a-file');
      expect(await codeOf(read(join(folder, 'no')))).toBe('file-not-found');
    }
  });

  it('with names that lead nowhere have typed errors', async () => {
    const folder = await freshFolder();
    const loop = join(folder, 'loop');
    await symlink(loop, loop);
    expect(await codeOf(openRegularFile(loop))).toBe('link-loop');
    expect(await codeOf(openRegularFile(join(folder, 'x'.repeat(300))))).toBe('name-too-long');
    const unknown = Object.assign(new Error('odd'), { code: 'EODD' });
    expect(explainSystemError(unknown, 'a')).toBe(unknown);
  });
});

describe('a folder of our own', () => {
  it('is never a link or a file', async () => {
    const folder = await freshFolder();
    await mkdir(join(folder, 'real'));
    await symlink(join(folder, 'real'), join(folder, 'link'));
    await writeFile(join(folder, 'file'), '');
    await refuseLinkedFolder(join(folder, 'real'));
    await refuseLinkedFolder(join(folder, 'absent'));
    expect(await codeOf(refuseLinkedFolder(join(folder, 'link')))).toBe('not-a-folder');
    expect(await codeOf(refuseLinkedFolder(join(folder, 'file')))).toBe('not-a-folder');
  });

  it('is locked by one writer at a time, and a stale or foreign lock file is taken over', async () => {
    const folder = await freshFolder();
    const purpose = { code: 'run-busy', what: 'run' };
    const lock = await FolderLock.acquire(folder, purpose);
    expect(await codeOf(FolderLock.acquire(folder, purpose))).toBe('run-busy');
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
    await writeFile(join(folder, '.writer.lock'), '{"pid":1.5}');
    await (await FolderLock.acquire(folder, purpose)).release();
  });
});

describe('an output folder', () => {
  it('does not lie inside an input folder, also not by a link', async () => {
    const folder = await freshFolder();
    await mkdir(join(folder, 'cache'));
    await symlink(join(folder, 'cache'), join(folder, 'link'));
    const cache = join(folder, 'cache');
    for (const inside of ['cache', 'cache/run/new', 'link', 'link/run', './cache/../cache/x']) {
      expect(await codeOf(refuseInside(join(folder, inside), cache)), inside).toBe('output-inside-input');
    }
    for (const beside of ['run', 'cache-run', 'cache/../run', '.']) {
      expect(await codeOf(refuseInside(join(folder, beside), cache)), beside).toBe('no error');
    }
  });
});

describe('bounded text', () => {
  it('of JSON is refused when it nests too deeply, brackets in strings not counted', () => {
    expect(parseShallowJson('{"a":["[[[[\\"[[[",{}]}', 3)).toEqual({ a: ['[[[["[[[', {}] });
    expect(() => parseShallowJson('[[[1]]]', 2)).toThrow(SyntaxError);
    expect(() => parseShallowJson('['.repeat(200_000))).toThrow('nested deeper than 64');
    expect(parseShallowJson('[[],[],[]]', 2)).toEqual([[], [], []]);
  });

  it('of messages is one line of a readable length, whatever the names in it', () => {
    const long = 'k'.repeat(1 << 20);
    const line = describeProblem(new InputError('x', 'm', { file: long, field: long, found: long }));
    expect(line.length).toBeLessThan(4000);
    let deep: unknown = [];
    for (let i = 0; i < 20_000; i++) deep = [deep];
    expect(quoteValue(deep)).toBe('an object');
  });
});
