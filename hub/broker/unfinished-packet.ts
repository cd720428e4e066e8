/**
 * Holds the beginning of a packet until its end has come, in one piece. aedes' parser would keep every piece as it came, and one of a
 * single byte costs hundreds: a quarter of a megabyte that comes byte by byte would take sixty of memory. Pure.
 */
export class UnfinishedPacket {
  #bytes: Buffer = EMPTY;
  #filled = 0;

  /** Bytes that are held. */
  get size(): number {
    return this.#filled;
  }

  /**
   * Takes the next bytes of a connection, of which `unfinished` bytes, held ones included, belong to a packet whose end has not come.
   * Returns all that is whole by now; null when nothing is.
   */
  take(bytes: Buffer, unfinished: number): Buffer | null {
    // The packet that is held goes on to the end of these bytes and beyond.
    if (this.#filled > 0 && unfinished > bytes.length) {
      this.#append(bytes);
      return null;
    }
    const ended = bytes.subarray(0, bytes.length - unfinished);
    const whole = this.#filled > 0 ? this.#end(ended) : ended;
    if (unfinished > 0) this.#append(bytes.subarray(ended.length));
    return whole.length > 0 ? whole : null;
  }

  #end(rest: Buffer): Buffer {
    this.#append(rest);
    const whole = this.#bytes.subarray(0, this.#filled);
    this.#bytes = EMPTY;
    this.#filled = 0;
    return whole;
  }

  #append(piece: Buffer): void {
    const needed = this.#filled + piece.length;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#filled);
      this.#bytes = larger;
    }
    piece.copy(this.#bytes, this.#filled);
    this.#filled = needed;
  }
}

const EMPTY = Buffer.alloc(0);
