/** Packets are what anybody with a certificate can send: whatever the bytes, they are judged, and the same however they are cut. */
import fc from 'fast-check';
import { parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { PacketCheck } from '../../hub/broker/packet-check.ts';
import {
  type ConnectFields,
  connectPacket,
  field,
  id,
  packet,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from '../support/mqtt-bytes.ts';

const BYTES_MAX = 50_000;

const good = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).filter(isText);
const messageId = fc.integer({ min: 1, max: 65_535 });
const topic = good.filter((text) => !/[+#]/.test(text));
const filter = fc
  .array(
    fc.oneof(
      topic.map((text) => text.replaceAll('/', '')),
      fc.constant('+'),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((levels) => levels.join('/'))
  .chain((levels) => fc.constantFrom(levels, `${levels}/#`))
  .filter((text) => text !== '');
const payload = fc.uint8Array({ maxLength: 2_000 });
const connect = fc
  .record({
    clientId: good,
    user: fc.option(good, { nil: undefined }),
    will: fc.option(fc.record({ topic, message: payload }), { nil: undefined }),
    password: fc.option(payload, { nil: undefined }),
    keepalive: fc.integer({ min: 1, max: 300 }),
    clean: fc.boolean(),
  })
  .map(({ clientId, user, will, password, keepalive, clean }) => {
    const fields: ConnectFields = {
      clean,
      keepalive,
      ...(user !== undefined && { user: Buffer.from(user) }),
      ...(user !== undefined && password !== undefined && { password }),
      ...(will && { will: { topic: Buffer.from(will.topic), message: will.message } }),
    };
    return connectPacket(Buffer.from(clientId), fields);
  });
const packets = fc.array(
  fc.oneof(
    fc.tuple(topic, payload).map(([name, bytes]) => publishPacket(name, bytes)),
    fc
      .tuple(topic, payload, messageId, fc.constantFrom(0x32, 0x33, 0x34, 0x3a, 0x3d))
      .map(([name, bytes, number, firstByte]) =>
        publishPacket(name, bytes, { firstByte, messageId: number }),
      ),
    fc
      .tuple(messageId, fc.array(filter, { minLength: 1, maxLength: 3 }))
      .map(([number, filters]) => subscribePacket(number, filters)),
    fc
      .tuple(messageId, fc.array(filter, { minLength: 1, maxLength: 3 }))
      .map(([number, filters]) => unsubscribePacket(number, filters)),
    fc
      .tuple(fc.constantFrom(0x40, 0x50, 0x62, 0x70), messageId)
      .map(([type, number]) => packet(type, id(number))),
    fc.constant(packet(0xc0, Buffer.alloc(0))),
  ),
  { maxLength: 8 },
);
const cuts = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 20 });

describe('packets of a client', () => {
  it('pass when they are right, wherever the reads cut them', () => {
    fc.assert(
      fc.property(connect, packets, cuts, (first, rest, sizes) => {
        expect(faultIn(Buffer.concat([first, ...rest]), sizes)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it('are judged the same in one piece and in any others, whatever the bytes', () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(messageId, fc.uint8Array({ maxLength: 20 }))
        .map(([number, bytes]) => Buffer.concat([id(number), field(bytes)])),
    );
    const any = fc.tuple(fc.integer({ min: 0, max: 255 }), body).map(([type, bytes]) => packet(type, bytes));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(connect, fc.array(any, { maxLength: 5 }))
        .map(([first, rest]) => Buffer.concat([first, ...rest])),
    );
    fc.assert(
      fc.property(bytes, cuts, (sent, sizes) => {
        const whole = new PacketCheck(BYTES_MAX).faultIn(sent);
        expect(faultIn(sent, sizes)).toEqual(whole);
        expect(faultIn(sent, [1])).toEqual(whole);
      }),
      { numRuns: 1_000 },
    );
  });

  it('that pass are read by the parser behind the check without an error, and as text that was sent', () => {
    const near = fc
      .tuple(connect, packets, fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([first, rest, at, value]) => {
        const bytes = Buffer.concat([first, ...rest]);
        bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(near, (bytes) => {
        if (new PacketCheck(BYTES_MAX).faultIn(bytes)) return;
        const behind = parser();
        const read: { readonly topic?: unknown; readonly messageId?: unknown }[] = [];
        behind.on('packet', (one) => read.push(one as (typeof read)[number]));
        // The parser refuses flags with the first byte of a header, the check once it has the length.
        const more = Buffer.concat([bytes, Buffer.from([0])]);
        behind.on('error', ({ message }) =>
          expect(new PacketCheck(BYTES_MAX).faultIn(more), message).toBeDefined(),
        );
        behind.parse(bytes);
        for (const one of read) {
          if (typeof one.topic === 'string') expect(one.topic).not.toMatch(/[\0\ufffd+#]/);
          if (typeof one.messageId === 'number') expect(one.messageId).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('are refused when a byte of the fixed header says what no client sends', () => {
    fc.assert(
      fc.property(connect, fc.integer({ min: 0, max: 255 }), (first, type) => {
        const isRight = [0xc0, 0xe0].includes(type);
        const bytes = Buffer.concat([first, packet(type, Buffer.alloc(0))]);
        expect(new PacketCheck(BYTES_MAX).faultIn(bytes) === undefined).toBe(isRight);
      }),
    );
  });
});

/** Fed in pieces of the given sizes, over and over. */
function faultIn(bytes: Uint8Array, sizes: readonly number[]) {
  const check = new PacketCheck(BYTES_MAX);
  let at = 0;
  for (let n = 0; at < bytes.length; n += 1) {
    const end = at + sizes[n % sizes.length]!;
    const fault = check.faultIn(bytes.subarray(at, end));
    if (fault) return fault;
    at = end;
  }
  return undefined;
}

function isText(text: string): boolean {
  return text.isWellFormed() && !/[\0\ufffd]/.test(text);
}
