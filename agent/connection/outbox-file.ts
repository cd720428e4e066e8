/**
 * One message of the outbox on the disk: a file of its own, named by its place in the queue and its topic, with a checksum over
 * the payload. What a crash or the disk left half written is recognised and dropped.
 */
import { crc32 } from 'node:zlib';

const outboxLeaves = ['events', 'telemetry'] as const;
export type OutboxLeaf = (typeof outboxLeaves)[number];

export interface OutboxEntry {
  readonly number: number;
  readonly leaf: OutboxLeaf;
  /** Size of the file. */
  readonly bytes: number;
}

const CRC_BYTES = 4;
const NUMBER_MAX = 2 ** 52;
const NAME = /^(\d{16})\.(events|telemetry)$/;
const UNFINISHED = /^\d{16}\.(events|telemetry)\.[0-9a-f]+\.tmp$/;

export function entryName({ number, leaf }: Pick<OutboxEntry, 'number' | 'leaf'>): string {
  return `${String(number).padStart(16, '0')}.${leaf}`;
}

/** Undefined for any other file. */
export function parseEntryName(name: string): Pick<OutboxEntry, 'number' | 'leaf'> | undefined {
  const match = NAME.exec(name);
  const number = Number(match?.[1]);
  // Numbers grow by one: one that no device can come to would leave none for what follows.
  return match && number < NUMBER_MAX ? { number, leaf: match[2] as OutboxLeaf } : undefined;
}

/** What a write that did not end leaves behind. */
export function isUnfinished(name: string): boolean {
  return UNFINISHED.test(name);
}

export function frame(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(CRC_BYTES);
  head.writeUInt32BE(crc32(payload));
  return Buffer.concat([head, payload]);
}

/** The payload; undefined when the bytes are not whole. */
export function unframe(bytes: Buffer): Buffer | undefined {
  if (bytes.length < CRC_BYTES) return undefined;
  const payload = bytes.subarray(CRC_BYTES);
  return bytes.readUInt32BE() === crc32(payload) ? payload : undefined;
}
