import { describe, expect, it } from 'vitest';
import { float16Bits, float16Value, float16Values } from '../../../../shared/inference/float16.ts';

/** Bits from IEEE 754-2019, table 3.5, and by hand. */
const pairs: readonly (readonly [number, number])[] = [
  [0, 0x0000],
  [1, 0x3c00],
  [-2, 0xc000],
  [65_504, 0x7bff],
  [2 ** -14, 0x0400],
  [2 ** -24, 0x0001],
  [1 / 3, 0x3555],
  [Number.POSITIVE_INFINITY, 0x7c00],
];

describe('float16', () => {
  it.each(pairs)('%f has bits %i', (value, bits) => {
    expect(float16Bits(value)).toBe(bits);
    expect(
      Math.abs(float16Value(bits) - value) <= Math.abs(value) * 2 ** -11 || value === float16Value(bits),
    ).toBe(true);
  });

  it('gives every number back from its bits', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const value = float16Value(bits);
      if (Number.isNaN(value)) expect(float16Bits(value) & 0x7fff).toBeGreaterThan(0x7c00);
      else expect(float16Bits(value)).toBe(bits);
    }
  });

  it('rounds to nearest, ties to even, and overflows to infinity', () => {
    expect(float16Bits(1 + 2 ** -11)).toBe(0x3c00);
    expect(float16Bits(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(float16Bits(65_520)).toBe(0x7c00);
    expect(float16Bits(65_519)).toBe(0x7bff);
    expect(float16Bits(2 ** -26)).toBe(0);
  });
});

it('float16Values() reads as float16Value() does, all of them', () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
  expect([...float16Values(all)]).toEqual([...all].map(float16Value));
});
