/** Whether a file is still as it was: its rows and its digest are read at different times, and must be of the same file. */
import { stat } from 'node:fs/promises';
import { explainSystemError, InputError } from '@selective-dpo/foundation';

/** What changes when a file is written to or put in the place of another. */
export interface FileState {
  size: bigint;
  mtimeNs: bigint;
  inode: bigint;
}

/** @throws InputError `file-not-found`, … */
export async function fileStateOf(file: string): Promise<FileState> {
  try {
    const { size, mtimeNs, ino: inode } = await stat(file, { bigint: true });
    return { size, mtimeNs, inode };
  } catch (error) {
    throw explainSystemError(error, file);
  }
}

/** @throws InputError `dataset-changed` if the file is no longer in the state given; `file-not-found`, … */
export async function refuseOtherState(file: string, before: FileState): Promise<void> {
  const now = await fileStateOf(file);
  const found = [
    now.size === before.size ? '' : `${now.size} bytes where there were ${before.size}`,
    now.inode === before.inode ? '' : 'another file of that name',
    now.mtimeNs === before.mtimeNs ? '' : 'a later time of change',
  ].filter((difference) => difference !== '');
  if (found.length === 0) return;
  throw new InputError('dataset-changed', 'the file was changed while it was read', {
    file,
    found: found.join(', '),
    expected: 'the file as it was at the start',
    hint: 'leave the file alone until the command has ended, and begin again in a new --out',
  });
}
