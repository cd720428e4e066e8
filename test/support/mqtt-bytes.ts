/** MQTT 3.1.1 packets as bytes, right and wrong, for clients that do what no library would. */

/** `length`: what the header announces, when that is not the truth. */
export function packet(type: number, body: Uint8Array, length = body.length): Buffer {
  const head = [type];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    head.push(rest > 127 ? (rest % 128) | 0x80 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from(head), body]);
}

export function connectPacket(clientId: Uint8Array, { clean }: { readonly clean: boolean }): Buffer {
  const protocol = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, clean ? 2 : 0, 0, 60]);
  return packet(0x10, Buffer.concat([protocol, field(clientId)]));
}

export function subscribePacket(messageId: number, filters: readonly string[]): Buffer {
  const wanted = filters.map((filter) => Buffer.concat([field(Buffer.from(filter)), Buffer.from([0])]));
  return packet(0x82, Buffer.concat([id(messageId), ...wanted]));
}

/** QoS 0. */
export function publishPacket(topic: string, payload: Uint8Array): Buffer {
  return packet(0x30, Buffer.concat([field(Buffer.from(topic)), payload]));
}

function field(bytes: Uint8Array): Buffer {
  return Buffer.concat([id(bytes.length), bytes]);
}

function id(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
