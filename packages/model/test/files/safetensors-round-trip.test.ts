import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors, writeSafetensors, type TensorSource } from '../../src/files/index.js';
import { floatToBfloat16Bits, floatToHalfBits } from '../../src/files/half-precision.js';
import { problemsOf, temporaryFolder } from './model-fixture.js';

const values = Float32Array.of(1, -0, 0.1, 65504, 1e-8, -3.25, 5.960464477539063e-8, 1.0009765625);
const tensors: TensorSource[] = [
  { name: 'b', shape: [2, 4], data: () => values },
  { name: 'a.longer.name', shape: [], data: () => Promise.resolve(Float32Array.of(42)) },
  { name: 'c', shape: [0, 7], data: () => new Float32Array(0) },
];
const bits = (array: Float32Array): number[] => [
  ...new Uint32Array(array.buffer, array.byteOffset, array.length),
];

describe('writeSafetensors', () => {
  it('writes what openSafetensors reads back bit by bit', async () => {
    const path = join(await temporaryFolder(), 'm.safetensors');
    await writeSafetensors(path, tensors);
    const file = await openSafetensors(path);
    expect(file.names()).toEqual(['a.longer.name', 'b', 'c']);
    expect(file.metadata.get('format')).toBe('pt');
    expect(file.info('b')).toMatchObject({ dtype: 'F32', shape: [2, 4] });
    expect(bits(await file.read('b'))).toEqual(bits(values));
    expect([...(await file.read('a.longer.name'))]).toEqual([42]);
    expect((await file.read('c')).length).toBe(0);
    expect([...(await file.read('b', 3, 5))]).toEqual([65504, Math.fround(1e-8)]);
    await expect(file.read('b', 3, 9)).rejects.toThrow(RangeError);
    await file.close();
  });

  it('starts the data at a multiple of 8, pads with spaces, and depends on nothing but the tensors', async () => {
    const folder = await temporaryFolder();
    await writeSafetensors(join(folder, 'one'), tensors);
    await writeSafetensors(
      join(folder, 'two'),
      (async function* reversed() {
        yield* [...tensors].reverse();
      })(),
    );
    const bytes = await readFile(join(folder, 'one'));
    expect(bytes.equals(await readFile(join(folder, 'two')))).toBe(true);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(bytes.subarray(8, 8 + length).toString()).toMatch(/^\{.*\} *$/);
    await writeSafetensors(join(folder, 'two'), tensors.slice(1));
    expect(bytes.equals(await readFile(join(folder, 'two')))).toBe(false);
  });

  it.each([
    ['F16', floatToHalfBits, 0.1, 0.0999755859375],
    ['BF16', floatToBfloat16Bits, 0.1, 0.10009765625],
  ] as const)('rounds to %s and reads the rounded values', async (dtype, narrow, before, after) => {
    const path = join(await temporaryFolder(), 'm.safetensors');
    await writeSafetensors(path, tensors, dtype);
    const file = await openSafetensors(path);
    expect(file.info('b').dtype).toBe(dtype);
    const read = await file.read('b');
    expect([...read].map((value) => narrow(bits(Float32Array.of(value))[0]!))).toEqual(
      bits(values).map(narrow),
    );
    expect(values[2]).toBe(Math.fround(before));
    expect(read[2]).toBe(after);
    await file.close();
  });

  it.each([
    [
      'a value that float16 cannot hold',
      { name: 'x', shape: [2], data: () => Float32Array.of(1, 1e5) },
      'value-out-of-range',
    ],
    [
      'data that do not fill the shape',
      { name: 'x', shape: [3], data: () => Float32Array.of(1, 2) },
      'tensor-length',
    ],
    ['a broken shape', { name: 'x', shape: [1.5], data: () => Float32Array.of(1) }, 'tensor-shape'],
    ['a name twice', { name: 'b', shape: [1], data: () => Float32Array.of(1) }, 'tensor-name'],
    [
      'the reserved name',
      { name: '__metadata__', shape: [1], data: () => Float32Array.of(1) },
      'tensor-name',
    ],
  ])('refuses %s and leaves no file', async (_, tensor, code) => {
    const folder = await temporaryFolder();
    const write = (): Promise<void> => writeSafetensors(join(folder, 'm'), [tensors[0]!, tensor], 'F16');
    expect(await problemsOf(write)).toMatchObject([{ code, details: { field: tensor.name } }]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('asks for one tensor at a time, in the order of the file', async () => {
    const asked: string[] = [];
    const watched = tensors.map((tensor) => ({
      ...tensor,
      data: () => {
        asked.push(tensor.name);
        return tensor.data();
      },
    }));
    const writing = writeSafetensors(join(await temporaryFolder(), 'm'), watched);
    expect(asked).toEqual([]);
    await writing;
    expect(asked).toEqual(['a.longer.name', 'b', 'c']);
  });
});
