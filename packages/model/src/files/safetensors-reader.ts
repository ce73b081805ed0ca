/** Reads tensors of one safetensors file by position: memory holds the tensor asked for and nothing else. */
import type { FileHandle } from 'node:fs/promises';
import { explainSystemError, InputError, openRegularFile } from '@selective-dpo/foundation';

import { widenBfloat16s, widenHalves } from './half-precision.js';
import { LENGTH_BYTES, parseHeader, parseHeaderLength } from './safetensors-header.js';
import type { SafetensorsHeader, TensorInfo } from './safetensors-header.js';

/** Bytes of one read: below the 2 GiB limit of a system call, large enough that calls do not count. */
const READ_BYTES = 16 << 20;

/** The dtypes whose values float32 holds exactly. */
export const READABLE_DTYPES: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16']);

/** An open safetensors file. Call {@link close} when done. */
export class SafetensorsFile {
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly dataStart: number,
    header: SafetensorsHeader,
  ) {
    this.metadata = header.metadata;
    this.tensors = header.tensors;
  }

  /** Names in the order of the tensors' bytes. */
  names(): string[] {
    return [...this.tensors.keys()];
  }

  /** @throws InputError `tensor-missing`. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info === undefined) {
      throw new InputError('tensor-missing', 'the file has no tensor of this name', {
        file: this.path,
        field: name,
      });
    }
    return info;
  }

  /**
   * Values of a tensor in row-major order as float32; F16 and BF16 are widened exactly.
   * @param start first element (default 0), @param stop element after the last (default: all).
   * @throws InputError `tensor-missing`, `tensor-dtype` (not F32, F16 or BF16), `safetensors-truncated`.
   */
  async read(name: string, start = 0, stop?: number): Promise<Float32Array> {
    const info = this.info(name);
    refuseUnreadable(name, info, this.path);
    const width = info.dtype === 'F32' ? 4 : 2;
    const count = (info.end - info.begin) / width;
    const last = stop ?? count;
    if (!Number.isInteger(start) || !Number.isInteger(last) || start < 0 || start > last || last > count) {
      throw new RangeError(`elements ${start} to ${last} of tensor ${name}, which has ${count}`);
    }
    const values = new Float32Array(last - start);
    const position = this.dataStart + info.begin + start * width;
    if (width === 4) {
      await this.fill(new Uint8Array(values.buffer), position, name);
      return values;
    }
    const widen = info.dtype === 'F16' ? widenHalves : widenBfloat16s;
    const target = new Uint32Array(values.buffer);
    const piece = new Uint16Array(Math.min(values.length, READ_BYTES / 2));
    for (let done = 0; done < values.length; done += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, values.length - done));
      await this.fill(new Uint8Array(part.buffer, 0, part.byteLength), position + done * 2, name);
      widen(part, target, done);
    }
    return values;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async fill(target: Uint8Array, position: number, name: string): Promise<void> {
    await readFully(this.handle, target, position, this.path, name);
  }
}

/**
 * Opens a safetensors file and checks its header against the file's size. Numbers are little-endian in the file and
 * read as the machine's own: every platform Node.js supports for this project is little-endian.
 * @throws InputError `file-not-found`, `invalid-json`, `safetensors-header`, `safetensors-header-size`,
 *   `safetensors-dtype`, `safetensors-offsets`, `safetensors-truncated`.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const { handle, size } = await openRegularFile(path);
  try {
    const prefix = new Uint8Array(LENGTH_BYTES);
    if (size >= LENGTH_BYTES) await readFully(handle, prefix, 0, path);
    const length = parseHeaderLength(prefix, size, path);
    const json = new Uint8Array(length);
    await readFully(handle, json, LENGTH_BYTES, path);
    const dataStart = LENGTH_BYTES + length;
    return new SafetensorsFile(path, handle, dataStart, parseHeader(json, size - dataStart, path));
  } catch (error) {
    await handle.close();
    throw explainSystemError(error, path);
  }
}

/** @throws InputError `tensor-dtype` unless float32 holds the tensor's values exactly. */
export function refuseUnreadable(name: string, info: TensorInfo, file: string): void {
  if (READABLE_DTYPES.has(info.dtype)) return;
  throw new InputError('tensor-dtype', 'this dtype cannot be used as a weight here', {
    file,
    field: name,
    found: info.dtype,
    expected: [...READABLE_DTYPES].join(', '),
    hint: 'use an unquantised version of the model',
  });
}

async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
  file: string,
  field?: string,
): Promise<void> {
  for (let done = 0; done < target.length;) {
    const length = Math.min(target.length - done, READ_BYTES);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) {
      throw new InputError('safetensors-truncated', 'the file became shorter while it was read', {
        file,
        ...(field === undefined ? {} : { field }),
        found: `no byte at ${position + done}`,
        hint: 'do not change a model while it is in use',
      });
    }
    done += bytesRead;
  }
}
