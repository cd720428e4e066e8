/**
 * Watches the bytes the other side sends for the length each MQTT packet announces, so that a packet over the limit is refused
 * when its header arrives. The parser behind it would collect up to 256 MiB for one packet before anybody is asked.
 * Hub and agent both have one: neither can know who answers at the other end of a connection that was once trusted.
 */
export class PacketLengthGuard {
  readonly #bytesMax: number;
  /** Bytes of the present packet's body still to come. */
  #bodyLeft = 0;
  /** Bytes of the fixed header seen so far; 0 between packets. */
  #headerBytes = 0;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False once a packet is longer than allowed, or its length is no MQTT variable byte integer. */
  accepts(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, bytes.length - at);
        this.#bodyLeft -= taken;
        at += taken;
        continue;
      }
      const byte = bytes[at]!;
      at += 1;
      if (this.#headerBytes === 0) {
        this.#headerBytes = 1;
        this.#length = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * 128 ** (this.#headerBytes - 1);
      this.#headerBytes += 1;
      if (this.#length > this.#bytesMax) return false;
      if (byte & 0x80) {
        if (this.#headerBytes > 4) return false;
        continue;
      }
      this.#bodyLeft = this.#length;
      this.#headerBytes = 0;
    }
    return true;
  }
}
