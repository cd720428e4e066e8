import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAppError } from '../../../../shared/base/app-error.ts';
import { decodeCbor, encodeCbor } from '../../../../shared/base/cbor.ts';

const read = (...bytes: number[]) => decodeCbor(Uint8Array.from(bytes), 'test', 1_000);

/** From RFC 8949, appendix A. */
const examples: readonly (readonly [unknown, string])[] = [
  [0, '00'],
  [23, '17'],
  [24, '1818'],
  [1_000, '1903e8'],
  [1_000_000, '1a000f4240'],
  [-1, '20'],
  [-1_000, '3903e7'],
  [1.1, 'fb3ff199999999999a'],
  [-4.1, 'fbc010666666666666'],
  [1e300, 'fb7e37e43c8800759c'],
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  ['', '60'],
  ['IETF', '6449455446'],
  ['\u6c34', '63e6b0b4'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [Array.from({ length: 25 }, (_, i) => i + 1), '98190102030405060708090a0b0c0d0e0f101112131415161718181819'],
];

describe('CBOR', () => {
  it.each(examples)('writes and reads %j as %s', (value, hex) => {
    expect(Buffer.from(encodeCbor(value)).toString('hex')).toBe(hex);
    expect(read(...Buffer.from(hex, 'hex'))).toEqual(value);
  });

  it.each([
    [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
    [{ a: 'A', b: 'B' }, 'a26161614161626142'],
  ])('reads the map %j', (value, hex) => {
    expect(read(...Buffer.from(hex, 'hex'))).toEqual(value);
  });

  it('reads a byte string', () => {
    expect([...(read(0x44, 1, 2, 3, 4) as Uint8Array)]).toEqual([1, 2, 3, 4]);
  });
});

describe('CBOR from outside', () => {
  it('reads back what it wrote', () => {
    const value = { a: [0, -1, 1.5, 2 ** 40, 'ü', true, null], b: Uint8Array.of(1, 2), c: { d: '' } };
    const back = decodeCbor(encodeCbor(value), 'test', 1_000) as typeof value;
    expect({ ...back, b: [...back.b] }).toEqual({ ...value, b: [1, 2] });
  });

  it.each([
    ['an array that claims more than there is', [0x9a, 0x06, 0xb9, 0x8c, 0x80]],
    ['a map that claims more than there is', [0xba, 0x00, 0xff, 0xff, 0xff]],
    ['a byte string that is cut off', [0x5a, 0x00, 0x00, 0x10, 0x00, 0x01]],
    ['a tag (bignum)', [0xc2, 0x42, 0x01, 0x00]],
    ['a tag (shared reference)', [0xd8, 0x1c, 0x80]],
    ['an array of indefinite length', [0x9f, 0x01, 0xff]],
    ['too deep a nesting', new Array<number>(100).fill(0x81)],
    ['two values', [0x01, 0x02]],
    ['nothing', []],
  ])('refuses %s', (_, bytes) => {
    expect(() => read(...bytes)).toThrow(expect.objectContaining({ code: 'bad_input' }));
  });

  it('refuses more bytes than allowed before it looks at them', () => {
    expect(() => decodeCbor(new Uint8Array(11), 'test', 10)).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });

  it('never does worse than refuse, and pollutes no prototype', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeCbor(bytes, 'test', 64);
        } catch (error) {
          expect(isAppError(error, 'bad_input')).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
    // {"__proto__": {"bad": 1}}
    const text = [...new TextEncoder().encode('__proto__')];
    read(0xa1, 0x69, ...text, 0xa1, 0x63, 0x62, 0x61, 0x64, 0x01);
    expect(({} as { bad?: number }).bad).toBeUndefined();
  });
});
