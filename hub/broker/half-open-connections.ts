/**
 * Connections that are not admitted yet: TLS handshake or CONNECT not finished. Anybody can open them, and each handshake costs the
 * hub more than its caller, so they are bounded, in all and by address, and only some are worked on at once: the
 * others wait, networks by turns and in each its addresses, because who has one address of IPv6 has thousands. Where
 * there are too many, the one that has waited longest is closed for the next, as in a SYN cache (Lemon 2002): whoever fills the
 * line mostly pushes out what is its own. A fleet that comes back all together is then admitted at the pace of the machine, each
 * handshake soon after it began; begun all at once, none would end before its device gives up. Pure but for what it remembers.
 */
import { networkOf, sourceOf } from '../../shared/base/remote-source.ts';

export interface HalfOpenBounds {
  readonly inAllMax: number;
  readonly perAddressMax: number;
  readonly atOnceMax: number;
  readonly atOncePerAddressMax: number;
  readonly atOncePerNetworkMax: number;
  /** How long one may wait for its turn: a device that has given up by now would only cost a handshake. */
  readonly turnMsMax: number;
}

export type HalfOpenRefusal = 'in all' | 'of its address' | 'waited too long';

export interface HalfOpenProps<Connection> extends HalfOpenBounds {
  readonly monotonic: () => number;
  readonly begin: (connection: Connection) => void;
  readonly refuse: (connection: Connection, why: HalfOpenRefusal) => void;
}

/** What one site or provider has: 24 bits of IPv4, 48 of IPv6. */
interface Network<Connection> {
  readonly name: string;
  underWay: number;
  sources: number;
  /** Of which one may begin, in turn. */
  readonly ready: Set<Source<Connection>>;
}

/** One address, or one network of 64 bits of IPv6, which a single host has to itself. */
interface Source<Connection> {
  readonly name: string;
  readonly network: Network<Connection>;
  underWay: number;
  /** The longest first. */
  readonly waiting: Set<Connection>;
}

export class HalfOpenConnections<Connection> {
  readonly #props: HalfOpenProps<Connection>;
  readonly #networks = new Map<string, Network<Connection>>();
  readonly #sources = new Map<string, Source<Connection>>();
  /** Networks of which one may begin, in turn. */
  readonly #ready = new Set<Network<Connection>>();
  readonly #sourceOf = new Map<Connection, Source<Connection>>();
  /** Since when each waits; the longest first. */
  readonly #waiting = new Map<Connection, number>();
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

  /** Begins it, now or when its turn comes; or refuses it, or the one that has waited longest in its place. */
  enter(connection: Connection, address: string): void {
    const { inAllMax, perAddressMax, refuse, monotonic } = this.#props;
    const name = sourceOf(address);
    const known = this.#sources.get(name);
    if (known && known.underWay + known.waiting.size >= perAddressMax) {
      refuse(connection, 'of its address');
      return;
    }
    if (this.size >= inAllMax && !this.#dropOldest()) {
      refuse(connection, 'in all');
      return;
    }
    // Dropping may have been the end of what was known.
    const source = this.#sources.get(name) ?? this.#addSource(name);
    this.#sourceOf.set(connection, source);
    source.waiting.add(connection);
    this.#waiting.set(connection, monotonic());
    this.#place(source);
    this.#beginNext();
  }

  /** It was admitted, or has ended. */
  leave(connection: Connection): void {
    this.#forget(connection);
    this.#beginNext();
  }

  #dropOldest(): boolean {
    for (const connection of this.#waiting.keys()) {
      this.#forget(connection);
      this.#props.refuse(connection, 'in all');
      return true;
    }
    return false;
  }

  #addSource(name: string): Source<Connection> {
    const wide = networkOf(name);
    const network = this.#networks.get(wide) ?? { name: wide, underWay: 0, sources: 0, ready: new Set() };
    this.#networks.set(wide, network);
    network.sources += 1;
    const source = { name, network, underWay: 0, waiting: new Set<Connection>() };
    this.#sources.set(name, source);
    return source;
  }

  #forget(connection: Connection): void {
    const source = this.#sourceOf.get(connection);
    if (!source) return;
    const { network } = source;
    this.#sourceOf.delete(connection);
    this.#waiting.delete(connection);
    if (!source.waiting.delete(connection)) {
      source.underWay -= 1;
      network.underWay -= 1;
      this.#underWay -= 1;
    }
    this.#place(source);
    if (source.underWay + source.waiting.size > 0) return;
    this.#sources.delete(source.name);
    network.sources -= 1;
    if (network.sources === 0) this.#networks.delete(network.name);
  }

  #beginNext(): void {
    const { atOnceMax, turnMsMax, monotonic, begin, refuse } = this.#props;
    while (this.#underWay < atOnceMax) {
      const [network] = this.#ready;
      if (!network) return;
      const [source] = network.ready as unknown as [Source<Connection>];
      const [connection] = source.waiting as unknown as [Connection];
      if (monotonic() - this.#waiting.get(connection)! > turnMsMax) {
        this.#forget(connection);
        refuse(connection, 'waited too long');
        continue;
      }
      source.waiting.delete(connection);
      this.#waiting.delete(connection);
      source.underWay += 1;
      network.underWay += 1;
      this.#underWay += 1;
      // To the end of both lines.
      network.ready.delete(source);
      this.#ready.delete(network);
      this.#place(source);
      begin(connection);
    }
  }

  #place(source: Source<Connection>): void {
    const { atOncePerAddressMax, atOncePerNetworkMax } = this.#props;
    const { network } = source;
    if (source.waiting.size > 0 && source.underWay < atOncePerAddressMax) network.ready.add(source);
    else network.ready.delete(source);
    if (network.ready.size > 0 && network.underWay < atOncePerNetworkMax) this.#ready.add(network);
    else this.#ready.delete(network);
  }
}
