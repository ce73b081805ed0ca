/**
 * A JSON Lines file that long work is appended to: what is in it is finished and never done again. A line is on disk when
 * `append` returns. What a killed process left of a line of ours at the end is cut off.
 */
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  FolderLock,
  InputError,
  explainSystemError,
  makeFolder,
  openRegularFile,
  quoteValue,
  syncDirectory,
} from '@selective-dpo/foundation';
import type { z } from 'zod';
import { FileProblems, MAX_LINE_BYTES, checkedLines, type CheckedLine } from './json-records.js';

const LINE_FEED = 0x0a;
const PIECE_BYTES = 1 << 16;

/** How lines of ours are told from what somebody else has written. */
export interface OwnLines {
  /** What the text of every line begins with, e.g. `{"row":`. */
  opening: string;
  /** Files that are read meanwhile: none of them is written to. */
  inputs: readonly string[];
}

export class AppendedLines {
  /** The write in progress: lines of several callers must not run into one another. */
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly lock: FolderLock,
  ) {}

  /**
   * Opens the file, which need not be there, for this process alone, and reads what is in it. Nothing of a file that holds anything but lines
   * of ours is changed. The receiver closes it.
   * @throws InputErrors naming every line that is not one of ours; InputError `file-of-another-kind`, `output-is-input`, `file-busy`,
   *   `not-a-file`, …
   */
  static async open<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    ours: OwnLines,
  ): Promise<{ file: AppendedLines; lines: CheckedLine<z.infer<Schema>>[] }> {
    await refuseInputs(path, ours.inputs);
    const directory = dirname(path);
    await makeFolder(directory);
    const lock = await FolderLock.acquire(
      directory,
      { code: 'file-busy', what: `file (${basename(path)})` },
      `.${basename(path)}.lock`,
    );
    let handle: FileHandle | undefined;
    try {
      const found = await endOf(path);
      const problems = new FileProblems(path);
      const lines = await checkedLines(path, schema, problems, found?.whole ?? 0);
      problems.refuse();
      if (found !== undefined && found.torn.length > 0) {
        refuseForeignEnd(path, found.torn, ours.opening);
        await cutTo(path, found.whole);
      }
      handle = await open(path, 'a');
      if (found === undefined) await syncDirectory(directory);
      return { file: new AppendedLines(path, handle, lock), lines };
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

/** @throws InputError `output-is-input`. */
async function refuseInputs(path: string, inputs: readonly string[]): Promise<void> {
  const real = (file: string): Promise<string> => realpath(file).catch(() => resolve(file));
  for (const input of inputs) {
    if ((await real(input)) !== (await real(path))) continue;
    throw new InputError('output-is-input', 'this file is read, and was to be written, too', {
      file: path,
      hint: 'choose another --out',
    });
  }
}

/** How long a file is up to its last line end, and what lies behind it; undefined where there is no file. */
async function endOf(path: string): Promise<{ whole: number; torn: Buffer } | undefined> {
  let size: number;
  let handle: FileHandle;
  try {
    ({ handle, size } = await openRegularFile(path));
  } catch (error) {
    if (error instanceof InputError && error.code === 'file-not-found') return undefined;
    throw error;
  }
  try {
    const whole = await lengthOfWholeLines(handle, size);
    const torn = Buffer.alloc(Math.min(size - whole, MAX_LINE_BYTES));
    await handle.read(torn, 0, torn.length, whole);
    return { whole, torn };
  } finally {
    await handle.close();
  }
}

/**
 * What a killed process left behind the last line end begins as every line of ours, and is no JSON yet: a file that somebody wrote without an
 * end of its last line is not cut.
 * @throws InputError `file-of-another-kind`.
 */
function refuseForeignEnd(file: string, torn: Buffer, opening: string): void {
  const text = torn.toString('utf8');
  if ((text.startsWith(opening) || opening.startsWith(text)) && !isJson(text)) return;
  throw new InputError(
    'file-of-another-kind',
    'the file ends with a line that nothing of this kind has written',
    {
      file,
      found: quoteValue(text),
      expected: `lines that begin with ${opening} and end with a line end`,
      hint: 'choose another --out; if the line is whole, end it with a line end',
    },
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function cutTo(path: string, length: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.truncate(length);
    await handle.sync();
  } finally {
    await handle.close();
  }
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
