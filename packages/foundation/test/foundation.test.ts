import { mkdir, mkdtemp, open, readFile, readdir, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  InputError,
  ProgressMeter,
  canonicalJson,
  describeProblem,
  permutation,
  publishBytes,
  publishDirectory,
  publishFile,
  removeDirectory,
  resolveInside,
  sha256,
  sha256OfFile,
  writeFully,
} from '@selective-dpo/foundation';

const folder = () => mkdtemp(join(tmpdir(), 'sdpo-foundation-'));

describe('describeProblem', () => {
  it('names file, line, field, found, expected and hint on one line', () => {
    const error = new InputError('x', 'bad value', {
      file: 'a.jsonl',
      line: 17,
      field: 'chosen',
      found: '3',
      expected: 'a string',
      hint: 'mend the row',
    });
    expect(describeProblem(error)).toBe(
      'a.jsonl:17: field chosen: bad value; found 3; expected a string; mend the row',
    );
  });

  it('shows controls, also those of eight bits, and marks that turn text, as escapes', () => {
    const found = '\u009b2J\u007f\u0085\u2028\u202e\u001b[2J';
    const line = describeProblem(new InputError('x', 'm', { file: found, found }));
    const shown = '\\u009b2J\\u007f\\u0085\\u2028\\u202e\\u001b[2J';
    expect(line).toBe(`${shown}: m; found ${shown}`);
    expect(describeProblem(new InputError('x', 'é🙂'))).toBe('é🙂');
  });

  it('keeps a line break in the input from becoming a second line', () => {
    expect(describeProblem(new InputError('x', 'a\nb\u001b[31m'))).toBe('a\\nb\\u001b[31m');
  });
});

describe('publishFile', () => {
  it('leaves the old file and no temporary when writing fails', async () => {
    const dir = await folder();
    const path = join(dir, 'f');
    await publishBytes(path, 'old');
    const failure = publishFile(path, async (handle) => {
      await handle.writeFile('half');
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    });
    await expect(failure).rejects.toMatchObject({ code: 'disk-full', details: { file: path } });
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(dir)).toEqual(['f']);
  });

  it('replaces a folder in one step', async () => {
    const dir = await folder();
    const path = join(dir, 'd');
    await publishDirectory(path, (d) => writeFile(join(d, 'one'), '1'));
    await publishDirectory(path, (d) => writeFile(join(d, 'two'), '2'));
    expect(await readdir(path)).toEqual(['two']);
    expect(await readdir(dir)).toEqual(['d']);
  });
});

describe('removeDirectory', () => {
  it('removes what is there, and is content where nothing is', async () => {
    const dir = await folder();
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'd', 'one'), '1');
    await removeDirectory(join(dir, 'd'));
    await removeDirectory(join(dir, 'd'));
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('writeFully', () => {
  const text = 'some words, one after the other';

  /** A disk that takes at most 7 bytes at one time. */
  const reluctant = (handle: FileHandle) =>
    ({
      write: (bytes: Uint8Array, at: number, length: number, position: number | null) =>
        handle.write(bytes, at, Math.min(length, 7), position),
    }) as unknown as FileHandle;

  it.each([undefined, 5])('writes all of it to a disk that takes a part, at %s', async (position) => {
    const path = join(await folder(), 'f');
    const handle = await open(path, 'w');
    // Negative control: one write alone is not enough.
    const bytes = Buffer.from(text);
    expect((await reluctant(handle).write(bytes, 0, bytes.length, 0)).bytesWritten).toBe(7);
    await writeFully(reluctant(handle), bytes, position);
    await handle.close();
    expect((await readFile(path)).subarray(position ?? 0).toString()).toBe(text);
  });
});

describe('resolveInside', () => {
  it.each(['../x', '/etc/passwd', 'a/../../x', '', '.', 'a\0b', '..\\x'])('refuses %j', (name) => {
    expect(() => resolveInside('/some/folder', name, 'manifest.json')).toThrow(InputError);
  });
  it('accepts a name inside', () => {
    expect(resolveInside('/some/folder', 'a/b.parquet', 'm')).toBe('/some/folder/a/b.parquet');
  });
});

describe('digest', () => {
  it('agrees with the published vector for "abc", for text and file', async () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    const path = join(await folder(), 'abc');
    await writeFile(path, 'abc');
    expect(sha256('abc')).toBe(expected);
    expect(await sha256OfFile(path)).toBe(expected);
    await expect(sha256OfFile(`${path}-absent`)).rejects.toMatchObject({ code: 'file-not-found' });
  });
  it('is the same for a file that is read in several pieces, and for an empty one', async () => {
    const path = join(await folder(), 'long');
    for (const length of [0, 1 << 20, (5 << 19) + 3]) {
      const content = Buffer.alloc(length, 'some words, again and again; ');
      await writeFile(path, content);
      expect(await sha256OfFile(path)).toBe(sha256(content));
    }
  });
  it('gives equal text for equal values whatever the key order', () => {
    expect(canonicalJson({ b: [1, { d: 1, c: 2 }], a: 0 })).toBe('{"a":0,"b":[1,{"c":2,"d":1}]}');
  });
});

describe('permutation', () => {
  it('holds every index once, and depends on the seed', () => {
    const a = permutation(1000, 7);
    expect([...a].sort((x, y) => x - y)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(permutation(1000, 7)).toEqual(a);
    expect(permutation(1000, 8)).not.toEqual(a);
  });
});

describe('ProgressMeter', () => {
  it('rates only what this process did', () => {
    let time = 0;
    const meter = new ProgressMeter('score', 'pairs', 100, 40, () => time);
    time = 2000;
    const event = meter.advance(20);
    expect(event).toMatchObject({ done: 60, total: 100, ratePerSecond: 10, secondsLeft: 4 });
  });
});
