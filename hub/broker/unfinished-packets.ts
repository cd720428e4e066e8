/**
 * What all connections together hold of packets whose end has not come. Whoever sends the beginning of a packet and never its end would
 * keep it in the hub's memory for as long as it likes: where there is too much, the one that was begun first is dropped. Pure.
 */
export class UnfinishedPackets<Connection> {
  readonly #bytesMax: number;
  readonly #drop: (connection: Connection) => void;
  /** The one that was begun first comes first. */
  readonly #held = new Map<Connection, number>();
  #bytes = 0;

  constructor(bytesMax: number, drop: (connection: Connection) => void) {
    this.#bytesMax = bytesMax;
    this.#drop = drop;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The connection goes on with the packet of which it has some bytes already. */
  grown(connection: Connection, bytes: number): void {
    this.#bytes += bytes - (this.#held.get(connection) ?? 0);
    this.#held.set(connection, bytes);
    while (this.#bytes > this.#bytesMax) {
      const [oldest] = this.#held.keys() as unknown as [Connection];
      this.ended(oldest);
      this.#drop(oldest);
    }
  }

  /** The packet's end has come, or never will. */
  ended(connection: Connection): void {
    this.#bytes -= this.#held.get(connection) ?? 0;
    this.#held.delete(connection);
  }
}
