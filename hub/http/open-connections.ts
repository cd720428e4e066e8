/**
 * The connections that are open, as the operating system knows them: of those in a TLS handshake the HTTP server knows nothing. Nobody has
 * to say who they are to connect: one source must not take every connection, nor the files that they cost. When there are as
 * many as there may be, the source with the most loses its oldest one to a source that has fewer, so that several that
 * hold all they can keep nobody out.
 */
import type { Socket } from 'node:net';
import { limits } from '../../shared/base/limits.ts';
import { sourceOf } from '../../shared/base/remote-source.ts';

export class OpenConnections {
  /** By source, the oldest first. */
  readonly #bySource = new Map<string, Set<Socket>>();
  #size = 0;

  /** Closes it when its source has as many as it may. */
  enter(socket: Socket): void {
    const source = sourceOf(socket.remoteAddress ?? '');
    const own = this.#bySource.get(source) ?? new Set();
    const isFull = this.#size >= limits.httpConnectionsMax;
    if (own.size >= limits.httpConnectionsPerAddressMax || (isFull && !this.#makeRoom(own.size + 1))) {
      socket.destroy();
      return;
    }
    this.#bySource.set(source, own.add(socket));
    this.#size += 1;
    socket.once('close', () => this.#leave(socket, source));
  }

  cut(): void {
    for (const sockets of this.#bySource.values()) for (const socket of sockets) socket.destroy();
  }

  #leave(socket: Socket, source: string): void {
    const own = this.#bySource.get(source);
    if (!own?.delete(socket)) return;
    this.#size -= 1;
    if (own.size === 0) this.#bySource.delete(source);
  }

  /** False when no source has more than `count`. */
  #makeRoom(count: number): boolean {
    let [source, most] = ['', new Set<Socket>()];
    for (const [name, sockets] of this.#bySource)
      if (sockets.size > most.size) [source, most] = [name, sockets];
    if (most.size <= count) return false;
    const [oldest] = most as unknown as [Socket];
    // Its end is told in a later turn of the event loop.
    this.#leave(oldest, source);
    oldest.destroy();
    return true;
  }
}
