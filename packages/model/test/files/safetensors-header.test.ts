import { execFileSync } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '@selective-dpo/foundation';
import { openSafetensors } from '../../src/files/index.js';
import { problemsOf, rawSafetensors, temporaryFolder, writeTemporary } from './model-fixture.js';

const f32 = (begin: number, end: number, shape: unknown = [1]): string =>
  JSON.stringify({ dtype: 'F32', shape, data_offsets: [begin, end] });

/** What is wrong, the header, data bytes, and the code that must come back. */
const hostile: [string, string | Uint8Array, number, string][] = [
  ['no object', '[1,2]', 0, 'safetensors-header'],
  ['a space in front', ' {}', 0, 'safetensors-header'],
  ['a byte order mark in front', '\ufeff{}', 0, 'safetensors-header'],
  ['cut JSON', '{"a":', 0, 'invalid-json'],
  ['zero bytes as padding', '{}\0\0', 0, 'invalid-json'],
  ['a second value behind the first', '{}{}', 0, 'invalid-json'],
  ['not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 0, 'invalid-json'],
  ['half a surrogate pair as name', `{"\\ud800":${f32(0, 4)}}`, 4, 'invalid-json'],
  ['a name twice', `{"a":${f32(0, 4)},"a":${f32(4, 8)}}`, 8, 'invalid-json'],
  ['a name twice, once escaped', `{"a":${f32(0, 4)},"\\u0061":${f32(4, 8)}}`, 8, 'invalid-json'],
  ['a field twice', '{"a":{"dtype":"F32","dtype":"I8","shape":[1],"data_offsets":[0,4]}}', 4, 'invalid-json'],
  ['deep nesting', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 0, 'invalid-json'],
  ['metadata that is no map', '{"__metadata__":"pt"}', 0, 'safetensors-header'],
  ['metadata that is no text', '{"__metadata__":{"format":1}}', 0, 'safetensors-header'],
  ['a tensor that is no object', '{"a":null}', 0, 'safetensors-header'],
  ['no dtype', '{"a":{"shape":[1],"data_offsets":[0,4]}}', 4, 'safetensors-dtype'],
  ['an unknown dtype', '{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}', 4, 'safetensors-dtype'],
  [
    'a dtype from the prototype',
    '{"a":{"dtype":"constructor","shape":[],"data_offsets":[0,0]}}',
    0,
    'safetensors-dtype',
  ],
  ['no shape', '{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4, 'safetensors-header'],
  ['a shape that is a text', `{"a":${f32(0, 4, '1')}}`, 4, 'safetensors-header'],
  ['a negative length', `{"a":${f32(0, 4, [-1])}}`, 4, 'safetensors-header'],
  ['a broken length', `{"a":${f32(0, 4, [0.5])}}`, 4, 'safetensors-header'],
  ['a negative zero', '{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}', 0, 'safetensors-header'],
  [
    'a length past 2^53',
    '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}',
    4,
    'safetensors-header',
  ],
  ['a product past 2^53', `{"a":${f32(0, 4, [2 ** 30, 2 ** 30, 2 ** 30])}}`, 4, 'safetensors-header'],
  ['a product past 2^64 that wraps to 1', `{"a":${f32(0, 4, [2 ** 32, 2 ** 32])}}`, 4, 'safetensors-header'],
  [
    'six-bit values that fill no byte',
    '{"a":{"dtype":"F6_E2M3","shape":[3],"data_offsets":[0,2]}}',
    2,
    'safetensors-header',
  ],
  ['no offsets', '{"a":{"dtype":"F32","shape":[1]}}', 4, 'safetensors-header'],
  ['one offset', '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}', 4, 'safetensors-header'],
  ['three offsets', '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}', 4, 'safetensors-header'],
  ['offsets in reverse', `{"a":${f32(4, 0)}}`, 4, 'safetensors-header'],
  ['a negative offset', `{"a":${f32(-4, 0)}}`, 4, 'safetensors-header'],
  [
    'an offset past 2^53',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e300]}}',
    4,
    'safetensors-header',
  ],
  ['offsets that do not match the shape', `{"a":${f32(0, 8)}}`, 8, 'safetensors-offsets'],
  ['a hole at the start', `{"a":${f32(4, 8)}}`, 8, 'safetensors-offsets'],
  ['a hole between tensors', `{"a":${f32(0, 4)},"b":${f32(8, 12)}}`, 12, 'safetensors-offsets'],
  ['overlapping tensors', `{"a":${f32(0, 8, [2])},"b":${f32(4, 12, [2])}}`, 12, 'safetensors-offsets'],
  ['two tensors on the same bytes', `{"a":${f32(0, 4)},"b":${f32(0, 4)}}`, 4, 'safetensors-offsets'],
  ['an empty tensor beyond the end', `{"a":${f32(0, 4)},"b":${f32(8, 8, [0])}}`, 4, 'safetensors-offsets'],
  ['bytes behind the last tensor', `{"a":${f32(0, 4)}}`, 5, 'safetensors-offsets'],
  ['data cut off', `{"a":${f32(0, 4)}}`, 3, 'safetensors-truncated'],
];

describe('a hostile header', () => {
  it.each(hostile)('is refused: %s', async (_, header, dataBytes, code) => {
    const path = await writeTemporary(rawSafetensors(header, dataBytes));
    const [problem, ...more] = await problemsOf(() => openSafetensors(path));
    expect(problem).toMatchObject({ code, details: { file: path } });
    expect(problem!.details.hint).toBeTruthy();
    expect(more).toEqual([]);
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'safetensors-truncated'],
    ['seven bytes', Buffer.alloc(7), 'safetensors-truncated'],
    ['a header of no bytes', Buffer.alloc(8), 'safetensors-header-size'],
    ['a header past 100 MB', Buffer.from('01e1f50500000000', 'hex'), 'safetensors-header-size'],
    ['a header of 2^64 − 1 bytes', Buffer.alloc(8, 0xff), 'safetensors-header-size'],
    ['a header longer than the file', Buffer.from('00e1f505000000007b7d', 'hex'), 'safetensors-truncated'],
  ])('is refused: %s', async (_, bytes, code) => {
    const path = await writeTemporary(bytes);
    expect(await problemsOf(() => openSafetensors(path))).toMatchObject([{ code, details: { file: path } }]);
  });

  it('names the tensor, what it found and what it expected', async () => {
    const path = await writeTemporary(rawSafetensors(`{"a":${f32(0, 4)},"b.c":${f32(8, 12)}}`, 12));
    expect((await problemsOf(() => openSafetensors(path)))[0]!.details).toMatchObject({
      field: 'b.c',
      found: 'begin 8',
      expected: 'begin 4',
    });
  });

  it('is refused, and not waited for, where the name is that of a folder or a pipe', async () => {
    const folder = await temporaryFolder();
    const pipe = join(folder, 'model.safetensors');
    execFileSync('mkfifo', [pipe]);
    for (const path of [folder, pipe]) {
      expect(await problemsOf(() => openSafetensors(path))).toMatchObject([
        { code: 'not-a-file', details: { file: path } },
      ]);
    }
  });
});

describe('a header within the rules', () => {
  it.each([
    ['nothing at all', '{}', 0, []],
    ['spaces at the end', '{}      ', 0, []],
    ['metadata', '{"__metadata__":{"format":"pt"}}', 0, []],
    ['a scalar', `{"s":${f32(0, 4, [])}}`, 4, [['s', 1]]],
    [
      'empty tensors among others',
      `{"e":${f32(4, 4, [0, 3])},"a":${f32(0, 4)},"f":${f32(4, 4, [0])}}`,
      4,
      [
        ['a', 1],
        ['e', 0],
        ['f', 0],
      ],
    ],
    [
      'any order of names',
      `{"z":${f32(0, 4)},"a":${f32(4, 12, [2])}}`,
      12,
      [
        ['z', 1],
        ['a', 2],
      ],
    ],
    ['a tensor called __proto__', `{"__proto__":${f32(0, 4)}}`, 4, [['__proto__', 1]]],
  ])('is read: %s', async (_, header, dataBytes, expected) => {
    const file = await openSafetensors(await writeTemporary(rawSafetensors(header, dataBytes)));
    const read = await Promise.all(file.names().map(async (name) => [name, (await file.read(name)).length]));
    await file.close();
    expect(read).toEqual(expected);
  });

  it('may hold dtypes that cannot be used, which are refused by name when read', async () => {
    const header = '{"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}';
    const file = await openSafetensors(await writeTemporary(rawSafetensors(header, 8)));
    expect(await problemsOf(() => file.read('n'))).toMatchObject([
      { code: 'tensor-dtype', details: { field: 'n', found: 'I64' } },
    ]);
    expect(await problemsOf(() => file.read('m'))).toMatchObject([{ code: 'tensor-missing' }]);
    await expect(file.read('n').catch((error: Error) => error.message)).resolves.toMatch(/dtype/);
    await file.close();
  });

  it('is not enough once the file has been cut behind our back', async () => {
    const path = await writeTemporary(rawSafetensors(`{"a":${f32(0, 8, [2])}}`, 8));
    const file = await openSafetensors(path);
    expect((await file.read('a')).length).toBe(2);
    await truncate(path, 60);
    expect(await problemsOf(() => file.read('a'))).toMatchObject([{ code: 'safetensors-truncated' }]);
    await file.close();
  });
});

describe('2,000 random changes to a small file', () => {
  it('give a typed error or the right sizes, never a crash', async () => {
    const header = `{"__metadata__":{"format":"pt"},"a":${f32(0, 8, [2, 1])},"b":${f32(8, 12, [])},"c":${f32(12, 12, [0])}}`;
    const valid = rawSafetensors(header.padEnd(Math.ceil(header.length / 8) * 8), 12);
    const path = await writeTemporary(valid);
    const random = new SeededRandom(20_260);
    const interesting = [...'{}[]",:0123456789-.eE\\ \0nulltrFI'].map((c) => c.charCodeAt(0));
    let refused = 0;
    let accepted = 0;
    for (let i = 0; i < 2000; i++) {
      let bytes = Buffer.from(valid);
      for (let edits = 1 + random.below(3); edits > 0; edits--) bytes = mutate(bytes, random, interesting);
      await writeFile(path, bytes);
      let file;
      try {
        file = await openSafetensors(path);
      } catch (error) {
        expect(error).toMatchObject({ name: 'InputError' });
        refused++;
        continue;
      }
      accepted++;
      for (const [name, { dtype, shape, begin, end }] of file.tensors) {
        if (!['F32', 'F16', 'BF16'].includes(dtype)) continue;
        const values = await file.read(name);
        expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
        expect(values.length * (dtype === 'F32' ? 4 : 2)).toBe(end - begin);
      }
      await file.close();
    }
    // Some changes are harmless (a name, the metadata); most are not.
    expect(accepted).toBeGreaterThan(30);
    expect(refused).toBeGreaterThan(1000);
  });
});

/**
 * Sets, inserts, deletes or repeats a few bytes of header or length. In half of the cases the length is put right
 * afterwards, so that the change is met by the parser and not by the first check.
 */
function mutate(bytes: Buffer, random: SeededRandom, interesting: number[]): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length - 12);
  const byte = random.below(2) === 0 ? random.below(256) : interesting[random.below(interesting.length)]!;
  const kind = random.below(4);
  const rest = kind === 0 || kind === 2 ? at + 1 : at;
  const middle =
    kind === 3 ? bytes.subarray(at, at + random.below(20)) : Buffer.from(kind === 2 ? [] : [byte]);
  const mutated = Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(rest)]);
  if (random.below(2) === 0) mutated.writeBigUInt64LE(BigInt(mutated.length - 8 - 12));
  return mutated;
}
