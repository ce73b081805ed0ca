/**
 * float16 (IEEE 754 binary16) and bfloat16 to float32 and back, on bit patterns: NaN payloads survive, which a detour
 * through JavaScript numbers does not promise. Widening is exact; narrowing rounds to nearest, ties to even.
 */

/** The float32 bits of a float16. */
export function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // Subnormal half, normal float: move the leading one to bit 10 and take it out of the fraction.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/** The float16 nearest to a float32 given as bits; values from 65,520 on become infinite. */
export function floatToHalfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  // At or below half of the smallest subnormal: zero (the tie goes to the even neighbour, which is zero).
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const remainder = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  let quotient = significand >>> shift;
  if (remainder > half || (remainder === half && (quotient & 1) === 1)) quotient++;
  return sign | quotient;
}

/** The float32 bits of a bfloat16: its upper half. */
export function bfloat16ToFloatBits(bfloat16: number): number {
  return (bfloat16 << 16) >>> 0;
}

/** The bfloat16 nearest to a float32 given as bits. */
export function floatToBfloat16Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

let halfTable: Uint32Array | undefined;

/** Widens float16 values [n] to float32 bits, written to `target` from index `at`. */
export function widenHalves(source: Uint16Array, target: Uint32Array, at: number): void {
  // 256 KiB once, then one load a value.
  halfTable ??= Uint32Array.from({ length: 65536 }, (_, half) => halfToFloatBits(half));
  for (let i = 0; i < source.length; i++) target[at + i] = halfTable[source[i]!]!;
}

/** Widens bfloat16 values [n] to float32 bits, written to `target` from index `at`. */
export function widenBfloat16s(source: Uint16Array, target: Uint32Array, at: number): void {
  for (let i = 0; i < source.length; i++) target[at + i] = source[i]! << 16;
}

/**
 * Narrows float32 values [n] to float16 or bfloat16.
 * @returns the 16-bit patterns [n], and the index of the first finite value that became infinite, or −1.
 */
export function narrowFloats(
  values: Float32Array,
  dtype: 'F16' | 'BF16',
): { bits: Uint16Array; overflowAt: number } {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  const narrow = dtype === 'F16' ? floatToHalfBits : floatToBfloat16Bits;
  const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
  let overflowAt = -1;
  for (let i = 0; i < source.length; i++) {
    const narrowed = narrow(source[i]!);
    bits[i] = narrowed;
    if ((narrowed & 0x7fff) === infinity && overflowAt < 0 && (source[i]! & 0x7fffffff) !== 0x7f800000) {
      overflowAt = i;
    }
  }
  return { bits, overflowAt };
}
