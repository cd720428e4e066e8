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

export interface ConnectFields {
  readonly clean?: boolean;
  readonly name?: string;
  readonly level?: number;
  /** Replaces the flags that the fields below make; bit 1 (clean session) is set by `clean`. */
  readonly flags?: number;
  readonly keepalive?: number;
  readonly will?: { readonly topic: Uint8Array; readonly message: Uint8Array };
  readonly user?: Uint8Array;
  readonly password?: Uint8Array;
  /** After the last field. */
  readonly rest?: Uint8Array;
}

/** The flags say what is there, unless they are given. */
export function connectPacket(
  clientId: Uint8Array,
  {
    clean = true,
    name = 'MQTT',
    level = 4,
    flags,
    keepalive = 60,
    will,
    user,
    password,
    rest,
  }: ConnectFields = {},
): Buffer {
  const said = (will ? 4 : 0) | (user ? 0x80 : 0) | (password ? 0x40 : 0);
  const fields = [
    field(Buffer.from(name)),
    Buffer.from([level, (flags ?? said) | (clean ? 2 : 0)]),
    id(keepalive),
    field(clientId),
    ...(will ? [field(will.topic), field(will.message)] : []),
    ...(user ? [field(user)] : []),
    ...(password ? [field(password)] : []),
    ...(rest ? [rest] : []),
  ];
  return packet(0x10, Buffer.concat(fields));
}

export function subscribePacket(messageId: number, filters: readonly string[]): Buffer {
  const wanted = filters.map((filter) => Buffer.concat([field(Buffer.from(filter)), Buffer.from([0])]));
  return packet(0x82, Buffer.concat([id(messageId), ...wanted]));
}

export function unsubscribePacket(messageId: number, filters: readonly string[]): Buffer {
  return packet(0xa2, Buffer.concat([id(messageId), ...filters.map((filter) => field(Buffer.from(filter)))]));
}

/** QoS 0, unless there is a packet id and `firstByte` says otherwise. */
export function publishPacket(
  topic: string,
  payload: Uint8Array,
  { firstByte = 0x30, messageId }: { readonly firstByte?: number; readonly messageId?: number } = {},
): Buffer {
  const head = messageId === undefined ? [] : [id(messageId)];
  return packet(firstByte, Buffer.concat([field(Buffer.from(topic)), ...head, payload]));
}

export function field(bytes: Uint8Array): Buffer {
  return Buffer.concat([id(bytes.length), bytes]);
}

export function id(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
