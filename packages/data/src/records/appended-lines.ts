/**
 * A JSON Lines file that long work is appended to: what is in it is finished and never done again. A line is on disk when
 * `append` returns. What a killed process left of a line at the end is cut off.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import {
  FolderLock,
  InputError,
  explainSystemError,
  makeFolder,
  openRegularFile,
  syncDirectory,
} from '@selective-dpo/foundation';
import type { z } from 'zod';
import { FileProblems, checkedLines, type CheckedLine } from './json-records.js';

const LINE_FEED = 0x0a;
const PIECE_BYTES = 1 << 16;

export class AppendedLines {
  /** The write in progress: lines of several callers must not run into one another. */
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly lock: FolderLock,
    /** Bytes of half a line that were cut off. */
    readonly cutBytes: number,
  ) {}

  /**
   * Opens the file, which need not be there, for this process alone, and reads what is in it. The receiver closes it.
   * @throws InputErrors naming every line that is not one of ours; InputError `file-busy`, `not-a-file`, …
   */
  static async open<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
  ): Promise<{ file: AppendedLines; lines: CheckedLine<z.infer<Schema>>[] }> {
    const directory = dirname(path);
    await makeFolder(directory);
    const lock = await FolderLock.acquire(
      directory,
      { code: 'file-busy', what: `file (${basename(path)})` },
      `.${basename(path)}.lock`,
    );
    let handle: FileHandle | undefined;
    try {
      const cutBytes = await cutTornLine(path);
      const problems = new FileProblems(path);
      const lines = cutBytes === undefined ? [] : await checkedLines(path, schema, problems);
      problems.refuse();
      handle = await open(path, 'a');
      if (cutBytes === undefined) await syncDirectory(directory);
      return { file: new AppendedLines(path, handle, lock, cutBytes ?? 0), lines };
    } catch (error) {
      await handle?.close();
      await lock.release();
      throw explainSystemError(error, path);
    }
  }

  /** Appends values, a line each. After a failure, which may leave half a line, every further call fails, too. */
  append(values: readonly object[]): Promise<void> {
    const text = values.map((value) => `${JSON.stringify(value)}\n`).join('');
    this.last = this.last.then(async () => {
      try {
        await this.handle.appendFile(text);
        await this.handle.datasync();
      } catch (error) {
        throw explainSystemError(error, this.path);
      }
    });
    return this.last;
  }

  async close(): Promise<void> {
    await this.last.catch(() => undefined);
    await this.handle.close();
    await this.lock.release();
  }
}

/** Cuts the file behind its last line end. @returns the bytes cut off; undefined where there is no file. */
async function cutTornLine(path: string): Promise<number | undefined> {
  let size: number;
  let handle: FileHandle;
  try {
    ({ handle, size } = await openRegularFile(path));
  } catch (error) {
    if (error instanceof InputError && error.code === 'file-not-found') return undefined;
    throw error;
  }
  let whole: number;
  try {
    whole = await lengthOfWholeLines(handle, size);
  } finally {
    await handle.close();
  }
  if (whole === size) return 0;
  const writable = await open(path, 'r+');
  try {
    await writable.truncate(whole);
    await writable.sync();
  } finally {
    await writable.close();
  }
  return size - whole;
}

/** Reads backwards, a piece at a time. */
async function lengthOfWholeLines(handle: FileHandle, size: number): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - PIECE_BYTES);
    const { bytesRead } = await handle.read(piece, 0, end - begin, begin);
    const at = piece.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
    if (at >= 0) return begin + at + 1;
    end = begin;
  }
  return 0;
}
