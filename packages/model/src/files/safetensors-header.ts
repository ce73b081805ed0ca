/**
 * The header of a safetensors file, checked as the Rust reference implementation checks it.
 * Format: 8 bytes little-endian length n, n bytes of JSON `{name: {dtype, shape, data_offsets: [begin, end]}}` with an
 * optional `__metadata__` of texts, then the tensors' bytes, which the offsets must cover exactly.
 * Source: the format description in the safetensors repository.
 */
import { InputError, quoteValue, type ProblemDetails } from '@selective-dpo/foundation';
import { isJsonObject, parseJsonBytes, type JsonObject, type JsonValue } from './json-text.js';

/** The reference implementation's limit on the JSON header, bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Bytes in front of the JSON. */
export const LENGTH_BYTES = 8;

/** Bits of one element of each dtype of the format. */
const DTYPE_BITS: ReadonlyMap<string, number> = new Map([
  ...['F4'].map((name) => [name, 4] as const),
  ...['F6_E2M3', 'F6_E3M2'].map((name) => [name, 6] as const),
  ...['BOOL', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'].map(
    (name) => [name, 8] as const,
  ),
  ...['I16', 'U16', 'F16', 'BF16'].map((name) => [name, 16] as const),
  ...['I32', 'U32', 'F32'].map((name) => [name, 32] as const),
  ...['I64', 'U64', 'F64', 'C64'].map((name) => [name, 64] as const),
]);

/** What the header says about one tensor. */
export interface TensorInfo {
  /** The format's name: `F32`, `F16`, `BF16`, `I64`, … */
  dtype: string;
  /** Lengths of the axes; [] is a scalar. */
  shape: readonly number[];
  /** First byte and the byte after the last, counted from the end of the header. */
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes in the file. */
  tensors: ReadonlyMap<string, TensorInfo>;
  metadata: ReadonlyMap<string, string>;
}

/**
 * Reads the header's length out of the first bytes of a file of `fileBytes` bytes.
 * @throws InputError `safetensors-truncated` (the file ends before its header does), `safetensors-header-size`.
 */
export function parseHeaderLength(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (fileBytes < LENGTH_BYTES || prefix.length < LENGTH_BYTES) {
    throw damaged('safetensors-truncated', 'the file is too short for a safetensors file', {
      file,
      found: `${fileBytes} bytes`,
      expected: `at least ${LENGTH_BYTES} bytes`,
    });
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) || length < 2n) {
    throw damaged('safetensors-header-size', 'the header has an impossible length', {
      file,
      found: `${length} bytes`,
      expected: `2 to ${MAX_HEADER_BYTES} bytes`,
    });
  }
  if (Number(length) + LENGTH_BYTES > fileBytes) {
    throw damaged('safetensors-truncated', 'the file ends inside its header', {
      file,
      found: `${fileBytes} bytes`,
      expected: `at least ${Number(length) + LENGTH_BYTES} bytes`,
    });
  }
  return Number(length);
}

/**
 * Parses and checks the JSON of a header.
 * @param dataBytes bytes of the file behind the header: the tensors must cover exactly these.
 * @throws InputError `invalid-json`, `safetensors-header`, `safetensors-dtype`, `safetensors-offsets`,
 *   `safetensors-truncated`.
 */
export function parseHeader(json: Uint8Array, dataBytes: number, file: string): SafetensorsHeader {
  if (json[0] !== 0x7b) {
    throw damaged('safetensors-header', 'the header does not start with {', {
      file,
      found: `byte ${json[0] ?? 'none'}`,
      expected: 'byte 123',
    });
  }
  const root = parseJsonBytes(json, file) as JsonObject;
  const metadata = new Map<string, string>();
  const tensors: [string, TensorInfo][] = [];
  for (const [name, entry] of Object.entries(root)) {
    if (name === '__metadata__') readMetadata(entry, metadata, file);
    else tensors.push([name, readTensorInfo(name, entry, file)]);
  }
  tensors.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkCoverage(tensors, dataBytes, file);
  return { tensors: new Map(tensors), metadata };
}

/** Number of elements of a shape, or undefined when it is not a safe integer. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const length of shape) {
    count *= length;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

function readMetadata(entry: JsonValue, metadata: Map<string, string>, file: string): void {
  if (entry === null) return;
  const pairs = isJsonObject(entry) ? Object.entries(entry) : undefined;
  if (pairs === undefined || pairs.some(([, text]) => typeof text !== 'string')) {
    throw damaged('safetensors-header', 'the metadata is not a map of texts', {
      file,
      field: '__metadata__',
      found: quoteValue(entry),
      expected: 'an object whose values are all texts',
    });
  }
  for (const [key, text] of pairs) metadata.set(key, text as string);
}

function readTensorInfo(name: string, entry: JsonValue, file: string): TensorInfo {
  const refuse = (message: string, found: unknown, expected: string): InputError =>
    damaged('safetensors-header', message, { file, field: name, found: quoteValue(found), expected });
  if (!isJsonObject(entry)) throw refuse('a tensor is not described by an object', entry, 'an object');
  const own = (key: string): JsonValue | undefined => (Object.hasOwn(entry, key) ? entry[key] : undefined);
  const dtype = own('dtype');
  const shape = own('shape');
  const offsets = own('data_offsets');
  const bits = typeof dtype === 'string' ? DTYPE_BITS.get(dtype) : undefined;
  if (typeof dtype !== 'string' || bits === undefined) {
    throw damaged('safetensors-dtype', 'a tensor has an unknown dtype', {
      file,
      field: name,
      found: quoteValue(dtype),
      expected: [...DTYPE_BITS.keys()].join(', '),
    });
  }
  if (!isListOfSizes(shape)) throw refuse('a shape is malformed', shape, 'a list of whole numbers from 0');
  if (!isListOfSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw refuse('data_offsets are malformed', offsets, 'two whole numbers [begin, end], begin ≤ end');
  }
  const count = elementCount(shape);
  const totalBits = count === undefined ? Number.NaN : count * bits;
  if (!Number.isSafeInteger(totalBits) || totalBits % 8 !== 0) {
    throw refuse('a shape overflows or does not fill whole bytes', shape, `sizes possible for ${dtype}`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== totalBits / 8) {
    throw damaged('safetensors-offsets', 'data_offsets do not match dtype and shape', {
      file,
      field: name,
      found: `${end - begin} bytes`,
      expected: `${totalBits / 8} bytes for ${dtype} ${quoteValue(shape)}`,
    });
  }
  return { dtype, shape, begin, end };
}

function isListOfSizes(value: JsonValue | undefined): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0 && !Object.is(n, -0))
  );
}

/** Tensors in order of their bytes must follow one another from 0 to the end: no hole, no overlap, no rest. */
function checkCoverage(tensors: [string, TensorInfo][], dataBytes: number, file: string): void {
  let position = 0;
  for (const [name, { begin, end }] of tensors) {
    if (begin !== position) {
      throw damaged(
        'safetensors-offsets',
        begin > position ? 'a hole lies in front of a tensor' : 'two tensors overlap',
        { file, field: name, found: `begin ${begin}`, expected: `begin ${position}` },
      );
    }
    position = end;
  }
  if (position !== dataBytes) {
    throw damaged(
      position > dataBytes ? 'safetensors-truncated' : 'safetensors-offsets',
      position > dataBytes ? 'the file ends inside its tensors' : 'bytes follow the last tensor',
      { file, found: `${dataBytes} bytes of tensors`, expected: `${position} bytes` },
    );
  }
}

function damaged(code: string, message: string, details: ProblemDetails): InputError {
  return new InputError(code, message, {
    ...details,
    hint: 'fetch the file again, it may be damaged or cut off',
  });
}
