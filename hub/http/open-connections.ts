/**
 * The connections that are open, as the operating system knows them: of those in a TLS handshake the HTTP server knows nothing. Nobody has
 * to say who they are to connect: one source must not take every connection, nor the files that they cost. When there are as
 * many as there may be, the source with the most loses its oldest one to a source that has fewer, so that several that
 * hold all they can keep nobody out.
 */
import type { Socket } from 'node:net';
import { limits } from '../../shared/base/limits.ts';
import { sourceOf } from '../../shared/base/remote-source.ts';

export interface OpenConnectionsProps {
  /** How many there may be, in all and of one source; asked for each connection. */
  readonly bounds: () => { readonly inAllMax: number; readonly perAddressMax: number };
  /** A trusted proxy carries the requests of many: no bound of its own, and never closed for others. */
  readonly isProxy: (address: string) => boolean;
  /** Called for each connection that is closed for a bound. */
  readonly onRefused: (address: string, why: string) => void;
}

const standard: OpenConnectionsProps = {
  bounds: () => ({ inAllMax: limits.httpConnectionsMax, perAddressMax: limits.httpConnectionsPerAddressMax }),
  isProxy: () => false,
  onRefused: () => undefined,
};

export class OpenConnections {
  readonly #props: OpenConnectionsProps;
  /** By source, the oldest first. */
  readonly #bySource = new Map<string, Set<Socket>>();
  /** Sources that are proxies. */
  readonly #proxies = new Set<string>();
  #size = 0;
  #refused = 0;

  constructor(props: Partial<OpenConnectionsProps> = {}) {
    this.#props = { ...standard, ...props };
  }

  get size(): number {
    return this.#size;
  }

  /** Connections that were closed for a bound. */
  get refusedCount(): number {
    return this.#refused;
  }

  /** Closes it when its source has as many as it may. */
  enter(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const source = sourceOf(address);
    const isProxy = this.#props.isProxy(address);
    const { inAllMax, perAddressMax } = this.#props.bounds();
    const own = this.#bySource.get(source) ?? new Set();
    if (!isProxy && own.size >= perAddressMax) {
      this.#refuse(socket, address, `more than ${perAddressMax} of one address`);
      return;
    }
    // A proxy counts as one that has few: it speaks for many.
    if (this.#size >= inAllMax && !this.#closeOldest(isProxy ? 1 : own.size + 1)) {
      this.#refuse(socket, address, `more than ${inAllMax} in all`);
      return;
    }
    if (isProxy) this.#proxies.add(source);
    this.#bySource.set(source, own.add(socket));
    this.#size += 1;
    socket.once('close', () => this.#leave(socket, source));
  }

  cut(): void {
    for (const sockets of this.#bySource.values()) for (const socket of sockets) socket.destroy();
  }

  #refuse(socket: Socket, address: string, why: string): void {
    this.#refused += 1;
    socket.destroy();
    this.#props.onRefused(address, why);
  }

  #leave(socket: Socket, source: string): void {
    const own = this.#bySource.get(source);
    if (!own?.delete(socket)) return;
    this.#size -= 1;
    if (own.size > 0) return;
    this.#bySource.delete(source);
    this.#proxies.delete(source);
  }

  /** False when no source but a proxy has more than `count`. */
  #closeOldest(count: number): boolean {
    let [source, most] = ['', new Set<Socket>()];
    for (const [name, sockets] of this.#bySource)
      if (sockets.size > most.size && !this.#proxies.has(name)) [source, most] = [name, sockets];
    if (most.size <= count) return false;
    const [oldest] = most as unknown as [Socket];
    // Its end is told in a later turn of the event loop.
    const address = oldest.remoteAddress ?? source;
    this.#leave(oldest, source);
    this.#refuse(oldest, address, 'the oldest of the address with the most was closed');
    return true;
  }
}
