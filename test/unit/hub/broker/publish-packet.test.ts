import fc from 'fast-check';
import { parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { encodePublishHead } from '../../../../hub/broker/publish-packet.ts';

describe('the head of a PUBLISH packet', () => {
  it('is read back by an MQTT parser as what was written', () => {
    const topic = fc
      .string({ minLength: 1, maxLength: 100, unit: 'grapheme' })
      .filter((text) => !/[#+\0]/.test(text));
    const size = fc.constantFrom(0, 1, 100, 127, 128, 16_383, 16_384, 262_144, 2_097_152);
    const id = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    fc.assert(
      fc.property(topic, size, id, (topic, payloadBytes, messageId) => {
        const head = encodePublishHead({
          topic,
          payloadBytes,
          ...(messageId === undefined ? {} : { messageId }),
        });
        const packets: unknown[] = [];
        const reader = parser();
        reader.on('packet', (packet) => packets.push(packet));
        reader.on('error', (error) => packets.push(error));
        reader.parse(Buffer.concat([head, Buffer.alloc(payloadBytes, 7)]));
        expect(packets).toHaveLength(1);
        expect(packets[0]).toMatchObject({
          cmd: 'publish',
          topic,
          qos: messageId === undefined ? 0 : 1,
          retain: false,
          ...(messageId === undefined ? {} : { messageId }),
        });
        expect((packets[0] as { payload: Buffer }).payload).toHaveLength(payloadBytes);
      }),
      { numRuns: 100 },
    );
  });
});
