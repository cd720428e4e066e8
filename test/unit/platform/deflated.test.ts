import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deflated, inflated } from '../../../platform/deflated.ts';
import { encodeCbor } from '../../../shared/base/cbor.ts';

const max = 4_096;

describe('deflated messages', () => {
  it('are read as they were, deflated or not', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.oneof(fc.integer(), fc.string({ maxLength: 200 }))),
        (value) => {
          const bytes = encodeCbor(value);
          fc.pre(bytes.byteLength <= max);
          const sent = deflated(bytes);
          expect(sent.byteLength).toBeLessThanOrEqual(bytes.byteLength);
          expect(Buffer.from(inflated(sent, 'message', max))).toEqual(Buffer.from(bytes));
          expect(inflated(bytes, 'message', max)).toBe(bytes);
        },
      ),
    );
  });

  it('are refused as soon as they would inflate to more than is allowed', () => {
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.byteLength).toBeLessThan(100_000);
    expect(() => inflated(bomb, 'message', max)).toThrow(expect.objectContaining({ code: 'too_large' }));
    expect(inflated(deflateSync(Buffer.alloc(max)), 'message', max)).toHaveLength(max);
  });

  it('are refused when they are cut, damaged or followed by something', () => {
    const whole = deflateSync(Buffer.from('one message and not another'));
    const damaged = Buffer.from(whole);
    damaged[8]! ^= 1;
    for (const bytes of [
      whole.subarray(0, -1),
      damaged,
      Buffer.concat([whole, Buffer.from([0])]),
      Buffer.from([0x78]),
    ]) {
      expect(() => inflated(bytes, 'message', max)).toThrow(expect.objectContaining({ code: 'bad_input' }));
    }
  });
});
