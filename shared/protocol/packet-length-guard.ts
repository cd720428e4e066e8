/**
 * Watches the bytes the other side sends for the length each MQTT packet announces, so that a packet over the limit is refused
 * when its header arrives. The parser behind it would collect up to 256 MiB for one packet before anybody is asked.
 * Hub and agent both have one: neither can know who answers at the other end of a connection that was once trusted.
 */
export interface PacketWatcher {
  /** A fixed header has come: its first byte, and how many bytes follow it. False refuses the packet. */
  header(firstByte: number, length: number): boolean;
  /** The next piece of that packet; none comes when its length is 0. False refuses the packet. */
  body(piece: Uint8Array): boolean;
}

export class PacketLengthGuard {
  readonly #bytesMax: number;
  readonly #watcher: PacketWatcher | undefined;
  /** Bytes of the present packet's body still to come. */
  #bodyLeft = 0;
  /** Bytes of the fixed header seen so far; 0 between packets. */
  #headerBytes = 0;
  /** The same of the present packet, when all of its header has come. */
  #headBytes = 0;
  #length = 0;
  #firstByte = 0;

  /** `watcher` is told what is in the packets that are short enough. */
  constructor(bytesMax: number, watcher?: PacketWatcher) {
    this.#bytesMax = bytesMax;
    this.#watcher = watcher;
  }

  /** Bytes that have come of a packet whose end has not; 0 between packets. */
  get unfinishedBytes(): number {
    return this.#bodyLeft > 0 ? this.#headBytes + this.#length - this.#bodyLeft : this.#headerBytes;
  }

  /**
   * False once a packet is longer than allowed, its length is no MQTT variable byte integer, or the watcher refuses it. Nothing
   * may be fed after that.
   */
  accepts(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, bytes.length - at);
        this.#bodyLeft -= taken;
        at += taken;
        if (this.#watcher?.body(bytes.subarray(at - taken, at)) === false) return false;
        continue;
      }
      const byte = bytes[at]!;
      at += 1;
      if (this.#headerBytes === 0) {
        this.#headerBytes = 1;
        this.#firstByte = byte;
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
      this.#headBytes = this.#headerBytes;
      this.#headerBytes = 0;
      if (this.#watcher?.header(this.#firstByte, this.#length) === false) return false;
    }
    return true;
  }
}
