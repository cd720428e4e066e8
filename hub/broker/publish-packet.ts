/**
 * Writes the head of an MQTT 3.1.1 PUBLISH packet (section 3.3); the payload follows it on the wire. The hub writes chunks
 * itself, past the broker's queue, where one device that stopped reading would hold up the others.
 */
export interface PublishHead {
  readonly topic: string;
  readonly payloadBytes: number;
  /** Present for QoS 1, absent for QoS 0. */
  readonly messageId?: number;
}

export function encodePublishHead({ topic, payloadBytes, messageId }: PublishHead): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const idBytes = messageId === undefined ? 0 : 2;
  const length: number[] = [];
  for (let rest = 2 + topicBytes + idBytes + payloadBytes; ; rest >>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  const head = Buffer.alloc(1 + length.length + 2 + topicBytes + idBytes);
  let at = head.writeUInt8(messageId === undefined ? 0x30 : 0x32, 0);
  for (const byte of length) at = head.writeUInt8(byte, at);
  at = head.writeUInt16BE(topicBytes, at);
  at += head.write(topic, at);
  if (messageId !== undefined) head.writeUInt16BE(messageId, at);
  return head;
}
