import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketLengthGuard } from '../../../../shared/protocol/packet-length-guard.ts';
import { packet } from '../../../support/mqtt-bytes.ts';

const MAX = 300_000;

/** Feeds bytes in pieces of the given sizes, over and over. */
function feed(guard: PacketLengthGuard, bytes: Buffer, sizes: readonly number[]): boolean {
  let at = 0;
  for (let n = 0; at < bytes.length; n += 1) {
    const end = at + sizes[n % sizes.length]!;
    if (!guard.accepts(bytes.subarray(at, end))) return false;
    at = end;
  }
  return true;
}

const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 });
const types = fc.constantFrom(0x10, 0x30, 0x32, 0x82, 0xc0);

describe('the packet length guard', () => {
  it('lets packets up to the limit pass, wherever the reads cut them', () => {
    const packets = fc.array(fc.tuple(types, fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, MAX)), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(packets, sizes, (all, cuts) => {
        const bytes = Buffer.concat(all.map(([type, length]) => packet(type, Buffer.alloc(length, 0xff))));
        expect(feed(new PacketLengthGuard(MAX), bytes, cuts)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a longer packet from its header alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: MAX + 1, max: 268_435_455 }), sizes, (length, cuts) => {
        const before = packet(0x30, Buffer.alloc(50));
        const bytes = Buffer.concat([before, packet(0x30, Buffer.alloc(0), length)]);
        expect(feed(new PacketLengthGuard(MAX), bytes, cuts)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a length that never ends', () => {
    const endless = Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]);
    expect(new PacketLengthGuard(MAX).accepts(endless)).toBe(false);
  });
});
