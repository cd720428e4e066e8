import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketCheck } from '../../../../hub/broker/packet-check.ts';
import { UnfinishedPacket } from '../../../../hub/broker/unfinished-packet.ts';
import { connectPacket, packet, publishPacket } from '../../../support/mqtt-bytes.ts';

const packets = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((payload) => publishPacket('mf/1/d/a/events', payload)),
      fc.constant(packet(0xc0, new Uint8Array())),
    ),
    { maxLength: 8 },
  )
  .map((rest) => [connectPacket(Buffer.from('a')), ...rest]);

describe('a packet that comes in pieces', () => {
  it('goes on when its end has come, whole and unchanged, however it is cut', () => {
    fc.assert(
      fc.property(packets, fc.infiniteStream(fc.integer({ min: 1, max: 60 })), (sent, sizes) => {
        const bytes = Buffer.concat(sent);
        const ends = new Set(sent.map((_, n) => Buffer.concat(sent.slice(0, n + 1)).length));
        const check = new PacketCheck(1_000);
        const held = new UnfinishedPacket();
        let passed = 0;
        for (let at = 0; at < bytes.length; ) {
          const piece = bytes.subarray(at, at + sizes.next().value!);
          at += piece.length;
          expect(check.faultIn(piece)).toBeUndefined();
          const whole = held.take(piece, check.unfinishedBytes);
          if (whole === null) continue;
          expect(bytes.subarray(passed, passed + whole.length).equals(whole)).toBe(true);
          passed += whole.length;
          expect(ends).toContain(passed);
          expect(passed + held.size).toBe(at);
        }
        expect(passed).toBe(bytes.length);
        expect(held.size).toBe(0);
      }),
    );
  });
});
