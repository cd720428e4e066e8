/**
 * Connections that are not admitted yet: TLS handshake or CONNECT not finished. Anybody can open them, and each handshake costs the
 * hub more than its caller, so they are bounded, in all and by address, and only some are worked on at once: the
 * others wait, addresses by turns. A fleet that comes back all together is then admitted at the pace of the machine, each
 * handshake soon after it began; begun all at once, none would end before its device gives up. Pure but for what it remembers.
 */
export interface HalfOpenBounds {
  readonly inAllMax: number;
  readonly perAddressMax: number;
  readonly atOnceMax: number;
  readonly atOncePerAddressMax: number;
  /** How long one may wait for its turn: a device that has given up by now would only cost a handshake. */
  readonly turnMsMax: number;
}

export type HalfOpenRefusal = 'in all' | 'of its address' | 'waited too long';

export interface HalfOpenProps<Connection> extends HalfOpenBounds {
  readonly monotonic: () => number;
  readonly begin: (connection: Connection) => void;
  readonly refuse: (connection: Connection, why: HalfOpenRefusal) => void;
}

/** One address, or one network of 64 bits of IPv6, which a single host has to itself. */
interface Source {
  readonly name: string;
  underWay: number;
  /** Since when each waits; the longest first. */
  readonly waiting: Map<unknown, number>;
}

export class HalfOpenConnections<Connection> {
  readonly #props: HalfOpenProps<Connection>;
  readonly #sources = new Map<string, Source>();
  /** Sources of which one may begin, in turn. */
  readonly #ready = new Set<Source>();
  readonly #sourceOf = new Map<Connection, Source>();
  #underWay = 0;

  constructor(props: HalfOpenProps<Connection>) {
    this.#props = props;
  }

  get size(): number {
    return this.#sourceOf.size;
  }

  all(): Iterable<Connection> {
    return this.#sourceOf.keys();
  }

  /** Begins it, now or when its turn comes, or refuses it. */
  enter(connection: Connection, address: string): void {
    const { inAllMax, perAddressMax, refuse, monotonic } = this.#props;
    const name = sourceOf(address);
    const source = this.#sources.get(name) ?? { name, underWay: 0, waiting: new Map() };
    const isAddressFull = source.underWay + source.waiting.size >= perAddressMax;
    if (this.size >= inAllMax || isAddressFull) {
      refuse(connection, isAddressFull ? 'of its address' : 'in all');
      return;
    }
    this.#sources.set(name, source);
    this.#sourceOf.set(connection, source);
    source.waiting.set(connection, monotonic());
    this.#place(source);
    this.#beginNext();
  }

  /** It was admitted, or has ended. */
  leave(connection: Connection): void {
    this.#forget(connection);
    this.#beginNext();
  }

  #forget(connection: Connection): void {
    const source = this.#sourceOf.get(connection);
    if (!source) return;
    this.#sourceOf.delete(connection);
    if (!source.waiting.delete(connection)) {
      source.underWay -= 1;
      this.#underWay -= 1;
    }
    if (source.underWay + source.waiting.size === 0) this.#sources.delete(source.name);
    this.#place(source);
  }

  #beginNext(): void {
    const { atOnceMax, turnMsMax, monotonic, begin, refuse } = this.#props;
    while (this.#underWay < atOnceMax) {
      const [source] = this.#ready;
      if (!source) return;
      const [[connection, since]] = source.waiting as unknown as [[Connection, number]];
      if (monotonic() - since > turnMsMax) {
        this.#forget(connection);
        refuse(connection, 'waited too long');
        continue;
      }
      source.waiting.delete(connection);
      source.underWay += 1;
      this.#underWay += 1;
      // To the end of the line.
      this.#ready.delete(source);
      this.#place(source);
      begin(connection);
    }
  }

  #place(source: Source): void {
    if (source.waiting.size > 0 && source.underWay < this.#props.atOncePerAddressMax) this.#ready.add(source);
    else this.#ready.delete(source);
  }
}

/** What counts as one source of connections: an IPv4 address, or the first 64 bits of an IPv6 address. */
export function sourceOf(address: string): string {
  const mapped = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before!.length - after!.length);
  return [...before!, ...Array<string>(zeros).fill('0'), ...after!].slice(0, 4).join(':');
}
