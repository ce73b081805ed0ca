import { describe, expect, it } from 'vitest';
import { SeededRandom } from '@selective-dpo/foundation';
import {
  bfloat16ToFloatBits,
  floatToBfloat16Bits,
  floatToHalfBits,
  halfToFloatBits,
  narrowFloats,
  widenBfloat16s,
  widenHalves,
} from '../../src/files/half-precision.js';

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;
const floatOf = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0]!;

/** The value of a 16-bit float by the definition: sign · significand · 2^exponent. */
function slowValue(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >>> 15 === 1 ? -1 : 1;
  const exponent = Math.floor(bits / 2 ** fractionBits) % 2 ** exponentBits;
  const fraction = (bits % 2 ** fractionBits) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

const formats = [
  { name: 'float16', widen: halfToFloatBits, narrow: floatToHalfBits, exponent: 5, fraction: 10 },
  { name: 'bfloat16', widen: bfloat16ToFloatBits, narrow: floatToBfloat16Bits, exponent: 8, fraction: 7 },
];

describe.each(formats)('$name', ({ widen, narrow, exponent, fraction }) => {
  it('widens all 65,536 values exactly and narrows them back to the same bits', () => {
    let numbers = 0;
    for (let bits = 0; bits < 65536; bits++) {
      const expected = slowValue(bits, exponent, fraction);
      const widened = widen(bits);
      if (!Object.is(floatOf(widened), expected)) expect.fail(`bits ${bits}: ${floatOf(widened)}`);
      if (Number.isNaN(expected)) {
        expect(Number.isNaN(floatOf(widen(narrow(widened))))).toBe(true);
      } else {
        numbers++;
        if (narrow(widened) !== bits) expect.fail(`bits ${bits} came back as ${narrow(widened)}`);
      }
    }
    expect(numbers).toBe(65536 - 2 * (2 ** fraction - 1));
  });

  it('rounds every value between two neighbours to the nearer one, and ties to the even one', () => {
    const infinity = (2 ** exponent - 1) * 2 ** fraction;
    for (let bits = 0; bits < infinity - 1; bits++) {
      const low = slowValue(bits, exponent, fraction);
      const high = slowValue(bits + 1, exponent, fraction);
      const middle = (low + high) / 2;
      const tie = bits % 2 === 0 ? bits : bits + 1;
      if (narrow(bitsOf(middle)) !== tie) expect.fail(`tie above ${low} went to ${narrow(bitsOf(middle))}`);
      if (narrow(bitsOf(middle) - 1) !== bits) expect.fail(`just below the tie above ${low}`);
      if (narrow(bitsOf(middle) + 1) !== bits + 1) expect.fail(`just above the tie above ${low}`);
      if (narrow((bitsOf(middle) | 0x80000000) >>> 0) !== (tie | 0x8000))
        expect.fail(`negative tie ${-middle}`);
    }
    expect(narrow(bitsOf(-0))).toBe(0x8000);
    expect(narrow(bitsOf(Infinity))).toBe(infinity);
  });
});

describe('whole arrays', () => {
  it('keep NaN payloads, which numbers would not', () => {
    const target = new Uint32Array(3);
    widenHalves(Uint16Array.of(0x7d01), target, 1);
    widenBfloat16s(Uint16Array.of(0x7f81), target, 2);
    expect([...target]).toEqual([0, 0x7fa02000, 0x7f810000]);
  });

  it('report the first finite value that became infinite, and let infinities through', () => {
    expect(narrowFloats(Float32Array.of(Infinity, 65519, 65520, 1e9), 'F16').overflowAt).toBe(2);
    expect(narrowFloats(Float32Array.of(Infinity, 65519, 1), 'F16').overflowAt).toBe(-1);
    expect(narrowFloats(Float32Array.of(1, 3.4e38), 'BF16').overflowAt).toBe(1);
  });

  it('narrow as the functions on single values do', () => {
    const random = new SeededRandom(7);
    const values = Float32Array.from(
      { length: 1000 },
      () => (random.next() - 0.5) * 10 ** (random.next() * 8 - 6),
    );
    const { bits } = narrowFloats(values.subarray(10), 'F16');
    expect([...bits]).toEqual([...values.subarray(10)].map((value) => floatToHalfBits(bitsOf(value))));
  });
});
