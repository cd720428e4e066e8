/** Reads the fields of an MQTT packet's body, one after another (MQTT 3.1.1, section 1.5). Past the end: undefined. */
import { isUtf8 } from 'node:buffer';

export class PacketFields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number | undefined {
    return this.left < 1 ? undefined : this.#bytes[this.#at++];
  }

  number(): number | undefined {
    if (this.left < 2) return undefined;
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  binary(): Uint8Array | undefined {
    const length = this.number();
    if (length === undefined || this.left < length) return undefined;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Well-formed UTF-8, so without surrogates [MQTT-1.5.3-1], and without NUL [MQTT-1.5.3-2]; anything else: undefined. */
  text(): string | undefined {
    const bytes = this.binary();
    return bytes && isUtf8(bytes) && !bytes.includes(0) ? Buffer.from(bytes).toString('utf8') : undefined;
  }
}
