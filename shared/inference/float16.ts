/**
 * IEEE 754 binary16 by hand: Node 24 has no `Float16Array` in the language level we write for, and FP16 tensors carry
 * their raw bits.
 */

const scratch = new DataView(new ArrayBuffer(4));

/** The 16 bits of the binary16 number nearest to `value` (ties to even); overflow gives infinity, NaN stays NaN. */
export function float16Bits(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const shifted = exponent - 127 + 15;
  if (shifted >= 0x1f) return sign | 0x7c00;
  if (shifted <= 0) {
    if (shifted < -10) return sign;
    return sign | roundShift(fraction | 0x800000, 14 - shifted);
  }
  // A carry out of the fraction raises the exponent, which is what rounding up past 1.111… means.
  return sign | ((shifted << 10) + roundShift(fraction, 13));
}

/** The number that 16 bits of binary16 stand for. */
export function float16Value(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Every binary16 number there is, by its bits; made when the first tensor of them is read. */
let table: Float64Array | undefined;

/** The numbers of many binary16, a hundredfold faster than one by one. */
export function float16Values(bits: Uint16Array): Float64Array {
  table ??= Float64Array.from({ length: 2 ** 16 }, (_, i) => float16Value(i));
  const values = new Float64Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) values[i] = table[bits[i]!]!;
  return values;
}

/** Shifts right, rounding to nearest, ties to even. */
function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
