/** Writes safetensors files tensor by tensor: one tensor at a time is in memory, equal tensors give equal bytes. */
import type { FileHandle } from 'node:fs/promises';
import { InputError, publishFile, quoteValue, writeFully } from '@selective-dpo/foundation';
import { narrowFloats } from './half-precision.js';
import { elementCount } from './safetensors-header.js';

/** Elements narrowed to 16 bits at once. */
const PIECE_ELEMENTS = 1 << 20;

/** dtypes that can be written: the format's names. */
export type WritableDtype = 'F32' | 'F16' | 'BF16';

/** A tensor to write: its data is asked for when its turn comes, and let go after. */
export interface TensorSource {
  name: string;
  /** Lengths of the axes; [] is a scalar. */
  shape: readonly number[];
  /** Values in row-major order, as many as the shape says. */
  data: () => Float32Array | Promise<Float32Array>;
}

/** Bytes of one element. */
export function bytesPerElement(dtype: WritableDtype): number {
  return dtype === 'F32' ? 4 : 2;
}

/**
 * Publishes a safetensors file with metadata `{format: 'pt'}`, the tensors sorted by name as the reference
 * implementation sorts them, and the header padded with spaces so that the data start at a multiple of 8 bytes.
 * @param dtype what to store; 16-bit dtypes round to nearest, ties to even.
 * @throws InputError `tensor-name` (used twice or reserved), `tensor-shape`, `tensor-length` (data do not fill the
 *   shape), `value-out-of-range` (a finite value would become infinite), `disk-full`, …
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorSource> | AsyncIterable<TensorSource>,
  dtype: WritableDtype = 'F32',
): Promise<void> {
  const sorted: TensorSource[] = [];
  for await (const tensor of tensors) sorted.push(tensor);
  sorted.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const header = buildHeader(sorted, dtype, path);
  await publishFile(path, async (handle) => {
    await writeFully(handle, header);
    for (const tensor of sorted) await writeTensor(handle, tensor, dtype, path);
  });
}

function buildHeader(sorted: readonly TensorSource[], dtype: WritableDtype, file: string): Uint8Array {
  const entries = ['"__metadata__":{"format":"pt"}'];
  let begin = 0;
  sorted.forEach(({ name, shape }, i) => {
    if (name === '__metadata__' || name === sorted[i - 1]?.name) {
      throw new InputError('tensor-name', 'a tensor name is used twice or is reserved', {
        file,
        field: name,
      });
    }
    const end = begin + tensorBytes(name, shape, dtype, file);
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    begin = end;
  });
  const json = Buffer.from(`{${entries.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}

/**
 * Bytes of a tensor in the file.
 * @throws InputError `tensor-shape`.
 */
export function tensorBytes(
  name: string,
  shape: readonly number[],
  dtype: WritableDtype,
  file: string,
): number {
  const count = shape.every((n) => Number.isSafeInteger(n) && n >= 0) ? elementCount(shape) : undefined;
  if (count === undefined || !Number.isSafeInteger(count * bytesPerElement(dtype))) {
    throw new InputError('tensor-shape', 'a shape is impossible', {
      file,
      field: name,
      found: quoteValue(shape),
      expected: 'whole numbers from 0',
    });
  }
  return count * bytesPerElement(dtype);
}

async function writeTensor(
  handle: FileHandle,
  { name, shape, data }: TensorSource,
  dtype: WritableDtype,
  file: string,
): Promise<void> {
  const values = await data();
  const expected = elementCount(shape)!;
  if (values.length !== expected) {
    throw new InputError('tensor-length', 'the data do not fill the shape', {
      file,
      field: name,
      found: `${values.length} values`,
      expected: `${expected} values for ${quoteValue(shape)}`,
    });
  }
  if (dtype === 'F32') {
    await writeFully(handle, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return;
  }
  for (let i = 0; i < values.length; i += PIECE_ELEMENTS) {
    const { bits, overflowAt } = narrowFloats(values.subarray(i, i + PIECE_ELEMENTS), dtype);
    if (overflowAt >= 0) {
      throw new InputError('value-out-of-range', `a weight is too large for ${dtype}`, {
        file,
        field: name,
        found: `${values[i + overflowAt]} at element ${i + overflowAt}`,
        hint: dtype === 'F16' ? 'write BF16 or F32 instead' : 'write F32 instead',
      });
    }
    await writeFully(handle, new Uint8Array(bits.buffer));
  }
}
