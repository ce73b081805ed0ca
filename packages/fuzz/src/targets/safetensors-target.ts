/** Weights: the header of a safetensors file, and the tensors that it describes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors, type SafetensorsFile } from '@selective-dpo/model';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import type { Mutation } from '../mutation/mutation.js';
import { insertOddText, replaceNumber } from '../mutation/text-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';

/** A mutation of the header's JSON alone, with a length that fits. */
function onHeader(mutation: Mutation): Mutation {
  return (input, random, pool) => {
    if (input.length < 8) return input;
    const end = 8 + Math.min(input.readUInt32LE(0), input.length - 8);
    const header = mutation(input.subarray(8, end), random, pool);
    return withLength(header, input.subarray(end));
  };
}

function withLength(header: Buffer, data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

const file = (header: object | string, dataBytes: number): Buffer =>
  withLength(
    Buffer.from(typeof header === 'string' ? header : JSON.stringify(header)),
    Buffer.from(Array.from({ length: dataBytes }, (_, i) => (i * 37) & 0xff)),
  );

const tensor = (dtype: string, shape: number[], begin: number, end: number): object => ({
  ...{ dtype, shape },
  data_offsets: [begin, end],
});

const SEEDS: readonly Buffer[] = [
  file(
    { __metadata__: { format: 'pt' }, a: tensor('F32', [2, 3], 0, 24), b: tensor('BF16', [4], 24, 32) },
    32,
  ),
  file({ 'model.embed_tokens.weight': tensor('F16', [4, 2], 0, 16), s: tensor('F32', [], 16, 20) }, 20),
  file({ x: tensor('I64', [1], 8, 16), y: tensor('U8', [0], 8, 8), w: tensor('F32', [1, 1, 2], 0, 8) }, 16),
  file('{}   ', 0),
];

const BYTES_OF: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, I64: 8, F64: 8, U8: 1, I8: 1 };

/** Reads the same bytes by JSON.parse and plain views. */
async function wrongIn(opened: SafetensorsFile, input: Buffer): Promise<string | undefined> {
  const end = 8 + Number(input.readBigUInt64LE(0));
  const root = JSON.parse(input.toString('utf8', 8, end)) as Record<string, Record<string, unknown>>;
  const names = Object.keys(root).filter((name) => name !== '__metadata__');
  if (names.length !== opened.tensors.size) return `${opened.tensors.size} tensors for ${names.length} keys`;
  let covered = 0;
  for (const name of names) {
    const info = opened.tensors.get(name);
    const entry = root[name]!;
    const [begin, stop] = entry['data_offsets'] as [number, number];
    if (info?.begin !== begin || info.end !== stop || info.dtype !== entry['dtype']) return `another ${name}`;
    if (JSON.stringify(info.shape) !== JSON.stringify(entry['shape'])) return `another shape of ${name}`;
    const width = BYTES_OF[info.dtype];
    const count = info.shape.reduce((product, n) => product * n, 1);
    if (begin < 0 || stop > input.length - end) return `${name} lies outside the file`;
    if (width !== undefined && count * width !== stop - begin) return `${name} has another size`;
    covered += stop - begin;
    if (['F32', 'F16', 'BF16'].includes(info.dtype)) {
      const wrong = wrongValues(await opened.read(name), input.subarray(end + begin, end + stop), info.dtype);
      if (wrong !== undefined) return `${name}: ${wrong}`;
    }
  }
  return covered === input.length - end ? undefined : `${covered} bytes of tensors`;
}

function wrongValues(values: Float32Array, bytes: Buffer, dtype: string): string | undefined {
  const width = BYTES_OF[dtype]!;
  for (let i = 0; i < values.length; i++) {
    const expected =
      dtype === 'F32'
        ? bytes.readFloatLE(i * width)
        : dtype === 'F16'
          ? half(bytes.readUInt16LE(i * width))
          : Buffer.from([0, 0, bytes[2 * i]!, bytes[2 * i + 1]!]).readFloatLE(0);
    if (!Object.is(values[i], expected)) return `${values[i]} for ${expected} at ${i}`;
  }
  return undefined;
}

/** IEEE 754 binary16 by its definition. */
function half(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

async function prepare(folder: string): Promise<PreparedTarget> {
  const path = join(folder, 'model.safetensors');
  return Promise.resolve({
    seeds: SEEDS,
    async check(input) {
      await writeFile(path, input);
      const opened = await openSafetensors(path);
      try {
        return await wrongIn(opened, input);
      } finally {
        await opened.close();
      }
    },
  });
}

export const safetensorsTarget: FuzzTarget = {
  ...{ name: 'safetensors', what: 'model.safetensors: header and tensors', memoryMiB: 256 },
  mutations: [
    ...[changeJson, changeJson, replaceNumber, insertOddText].map(onHeader),
    replaceNumber,
    changeBytes,
  ],
  prepare,
};
