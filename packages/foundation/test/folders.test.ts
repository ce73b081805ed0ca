import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  FolderLock,
  InputError,
  makeFolder,
  publishBytes,
  readRegularFile,
  requireFolder,
} from '@selective-dpo/foundation';

const fresh = () => mkdtemp(join(tmpdir(), 'sdpo-folders-'));

async function refusalOf(work: Promise<unknown>): Promise<InputError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('makeFolder', () => {
  it('makes a folder with those above it, and takes one that is there', async () => {
    const path = join(await fresh(), 'a', 'b', 'c');
    await makeFolder(path);
    await writeFile(join(path, 'file'), 'x');
    await makeFolder(path);
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('x');
  });

  it('may be called twice at once', async () => {
    const path = join(await fresh(), 'a', 'b', 'c');
    await Promise.all([makeFolder(path), makeFolder(path), makeFolder(join(path, 'd'))]);
    expect((await stat(join(path, 'd'))).isDirectory()).toBe(true);
  });

  it('names the file in the way, and a dead link', async () => {
    const root = await fresh();
    const [file, link] = [join(root, 'file'), join(root, 'link')];
    await writeFile(file, 'x');
    await symlink(join(root, 'nowhere'), link);
    for (const path of [file, join(file, 'a'), join(file, 'a', 'b')]) {
      const { code, message, details } = await refusalOf(makeFolder(path));
      expect([code, message, details.file]).toEqual([
        'not-a-folder',
        'is a file, a folder was expected',
        file,
      ]);
    }
    expect((await refusalOf(makeFolder(link))).message).toContain('a link that leads nowhere');
  });

  it.runIf(process.platform === 'linux')('comes to an end where no folder can be made', async () => {
    for (const path of ['/proc/x', '/proc/x/y/z', `/proc/${process.pid}/x`]) {
      const { code, details } = await refusalOf(makeFolder(path));
      expect([code, details.file]).toEqual(['folder-impossible', path]);
    }
  });

  it.runIf(process.platform === 'linux')('no lock there is said to be another process', async () => {
    const purpose = { code: 'run-busy', what: 'run' };
    expect((await refusalOf(FolderLock.acquire('/proc', purpose))).code).not.toBe('run-busy');
  });
});

describe('a file where a folder is expected', () => {
  it('is named as a file', async () => {
    const file = join(await fresh(), 'file');
    await writeFile(file, 'x');
    for (const work of [
      requireFolder(file, 'a model directory'),
      readRegularFile(join(file, 'config.json'), 9),
    ]) {
      const { code, message, details } = await refusalOf(work);
      expect([code, message, details.file]).toEqual([
        'not-a-folder',
        'is a file, a folder was expected',
        file,
      ]);
    }
  });

  it('is told from nothing, and a folder is taken', async () => {
    const folder = await fresh();
    const { code, details } = await refusalOf(requireFolder(join(folder, 'none'), 'a run'));
    expect([code, details.expected]).toEqual(['file-not-found', 'a run']);
    await requireFolder(folder, 'a run');
  });
});

describe('publishing', () => {
  it('takes the place of no device, no pipe and no folder', async () => {
    const root = await fresh();
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await mkdir(join(root, 'folder'));
    for (const [path, kind] of [
      ['/dev/null', 'a pipe or a device'],
      [join(root, 'pipe'), 'a pipe or a device'],
      [join(root, 'folder'), 'a folder'],
    ] as const) {
      const failure = await publishBytes(path, 'x').catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'not-a-file', message: expect.stringContaining(kind) as string });
    }
    await publishBytes(join(root, 'file'), 'old');
    await publishBytes(join(root, 'file'), 'new');
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('new');
    expect((await readdir(root)).sort()).toEqual(['file', 'folder', 'pipe']);
  });
});
