/** Damage to bytes of any kind. */
import type { SeededRandom } from '@selective-dpo/foundation';
import { anyOf, pick, type Mutation } from './mutation.js';

/** Numbers at the edges of what lengths and counts are read as, as little-endian integers of 4 and 8 bytes. */
const EXTREME_INTEGERS: readonly bigint[] = [
  -1n,
  0n,
  1n,
  127n,
  128n,
  255n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

/** Where a slice begins, and where it ends: mostly short ones. */
function slice(length: number, random: SeededRandom): [number, number] {
  const begin = random.below(length + 1);
  const most = random.below(4) === 0 ? length : 32;
  return [begin, Math.min(length, begin + 1 + random.below(most))];
}

export const flipBits: Mutation = (input, random) => {
  const output = Buffer.from(input);
  for (let i = random.below(3); i >= 0 && output.length > 0; i--) {
    output[random.below(output.length)]! ^= 1 << random.below(8);
  }
  return output;
};

export const overwriteBytes: Mutation = (input, random) => {
  const output = Buffer.from(input);
  const [begin, end] = slice(output.length, random);
  const value = pick([0, 0xff, 0x80, 0x7f, random.below(256)], random);
  return output.fill(value, begin, end);
};

export const overwriteInteger: Mutation = (input, random) => {
  if (input.length < 8) return input;
  const output = Buffer.from(input);
  const value = pick(EXTREME_INTEGERS, random);
  const at = random.below(output.length - 7);
  if (random.below(2) === 0) output.writeInt32LE(Number(BigInt.asIntN(32, value)), at);
  else output.writeBigInt64LE(BigInt.asIntN(64, value), at);
  return output;
};

/** The same on the place that fixed-width formats align to. */
export const overwriteAlignedInteger: Mutation = (input, random) => {
  if (input.length < 16) return input;
  const output = Buffer.from(input);
  const value = pick(EXTREME_INTEGERS, random);
  const at = 4 * random.below((output.length - 8) >> 2);
  output.writeInt32LE(Number(BigInt.asIntN(32, value)), at);
  if (random.below(2) === 0) output.writeInt32LE(Number(BigInt.asIntN(32, value >> 32n)), at + 4);
  return output;
};

export const cut: Mutation = (input, random) => input.subarray(0, random.below(input.length + 1));

export const removeSlice: Mutation = (input, random) => {
  const [begin, end] = slice(input.length, random);
  return Buffer.concat([input.subarray(0, begin), input.subarray(end)]);
};

export const duplicateSlice: Mutation = (input, random) => {
  const [begin, end] = slice(input.length, random);
  const copies = random.below(8) === 0 ? 1 + random.below(200) : 1;
  const copied = Array.from({ length: copies }, () => input.subarray(begin, end));
  return Buffer.concat([input.subarray(0, end), ...copied, input.subarray(end)]);
};

export const swapSlices: Mutation = (input, random) => {
  const [a, b] = [slice(input.length, random), slice(input.length, random)].sort((x, y) => x[0] - y[0]) as [
    [number, number],
    [number, number],
  ];
  const [first, second] = [[a[0], Math.min(a[1], b[0])] as const, b];
  return Buffer.concat([
    input.subarray(0, first[0]),
    input.subarray(second[0], second[1]),
    input.subarray(first[1], second[0]),
    input.subarray(first[0], first[1]),
    input.subarray(second[1]),
  ]);
};

/** The beginning of one input and the end of another. */
export const splice: Mutation = (input, random, pool) => {
  const other = pick(pool, random);
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);
};

export const changeBytes: Mutation = anyOf([
  flipBits,
  overwriteBytes,
  overwriteInteger,
  overwriteAlignedInteger,
  cut,
  removeSlice,
  duplicateSlice,
  swapSlices,
  splice,
]);
