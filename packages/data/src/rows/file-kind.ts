/** What a preference file is made of, told by its first bytes and checked against its name. */
import { explainSystemError, InputError, openRegularFile } from '@selective-dpo/foundation';
import { createGunzip } from 'node:zlib';

export type FileKind = 'jsonl' | 'json' | 'parquet' | 'arrow-file' | 'arrow-stream';

export interface RecognisedFile {
  kind: FileKind;
  gzip: boolean;
}

const SNIFFED_BYTES = 4096;

/**
 * Recognises a file. A `.json` file may hold JSON Lines and the other way round: the content decides.
 * @throws InputError `file-empty`, `file-kind-unknown`, `parquet-unreadable`, `arrow-unreadable`, `gzip-broken`,
 *   or the file system's.
 */
export async function recogniseFile(file: string): Promise<RecognisedFile> {
  let head = await readHead(file);
  const gzip = head[0] === 0x1f && head[1] === 0x8b;
  if (gzip) head = await gunzipHead(head, file);
  if (head.length === 0) {
    throw new InputError('file-empty', 'the file is empty', { file, expected: 'preference rows' });
  }
  const kind = kindOfBytes(head);
  if (gzip && (kind === undefined || !isText(kind))) {
    throw unknownKind(file, 'gzip around something that is not JSON');
  }
  checkName(file, kind);
  if (kind === undefined) throw unknownKind(file, `bytes ${head.subarray(0, 8).toString('hex')}`);
  return { kind, gzip };
}

function isText(kind: FileKind): boolean {
  return kind === 'jsonl' || kind === 'json';
}

function kindOfBytes(head: Buffer): FileKind | undefined {
  if (head.subarray(0, 4).toString('latin1') === 'PAR1') return 'parquet';
  if (head.subarray(0, 6).toString('latin1') === 'ARROW1') return 'arrow-file';
  if (head.length >= 8 && head.readUInt32LE(0) === 0xffffffff && head.readUInt32LE(4) > 0) {
    return 'arrow-stream';
  }
  const first = /^\uFEFF?\s*([[{])/.exec(head.toString('utf8'))?.[1];
  return first === undefined ? undefined : first === '[' ? 'json' : 'jsonl';
}

/** A name that promises a binary format must keep its word: the message is then about that format. */
function checkName(file: string, kind: FileKind | undefined): void {
  const name = file.toLowerCase();
  if (name.endsWith('.parquet') && kind !== 'parquet') {
    throw new InputError('parquet-unreadable', 'not a Parquet file', {
      file,
      expected: 'the bytes PAR1 at the start',
      hint: 'download the file again; a Git LFS pointer is not the file itself',
    });
  }
  if (name.endsWith('.arrow') && kind !== 'arrow-file' && kind !== 'arrow-stream') {
    throw new InputError('arrow-unreadable', 'not an Arrow IPC file or stream', {
      file,
      expected: 'the bytes ARROW1, or an IPC message, at the start',
      hint: 'download the file again; a Git LFS pointer is not the file itself',
    });
  }
}

function unknownKind(file: string, found: string): InputError {
  return new InputError('file-kind-unknown', 'not a preference file of a known kind', {
    file,
    found,
    expected: 'JSON Lines or a JSON array of objects (either may be gzipped), Parquet, or Arrow IPC',
    hint: 'convert the file to one of these',
  });
}

async function readHead(file: string): Promise<Buffer> {
  const { handle } = await openRegularFile(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw explainSystemError(error, file);
  } finally {
    await handle.close();
  }
}

/** The first bytes inside a gzip file, from its own first bytes. */
function gunzipHead(head: Buffer, file: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gunzip = createGunzip();
    gunzip.on('data', (piece: Buffer) => {
      resolve(piece.subarray(0, SNIFFED_BYTES));
      gunzip.destroy();
    });
    gunzip.on('end', () => {
      resolve(Buffer.alloc(0));
    });
    gunzip.on('error', (error) => {
      reject(brokenGzip(file, error));
    });
    gunzip.end(head);
  });
}

/** @returns the error for a gzip file that ends early or whose bytes are damaged. */
export function brokenGzip(file: string, error: Error): InputError {
  return new InputError('gzip-broken', 'the gzip file is damaged or cut off', {
    file,
    found: error.message,
    hint: 'download the file again',
  });
}
