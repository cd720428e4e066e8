/**
 * The connections that are open, as the operating system knows them: of those in a TLS handshake the HTTP server knows nothing. Nobody has
 * to say who they are to connect: one source must not take every connection, nor the files that they cost.
 */
import type { Socket } from 'node:net';
import { limits } from '../../shared/base/limits.ts';
import { sourceOf } from '../broker/half-open-connections.ts';

export class OpenConnections {
  readonly #sockets = new Set<Socket>();
  readonly #perSource = new Map<string, number>();

  /** Closes it when its source has as many as it may. */
  enter(socket: Socket): void {
    const source = sourceOf(socket.remoteAddress ?? '');
    const count = (this.#perSource.get(source) ?? 0) + 1;
    if (count > limits.httpConnectionsPerAddressMax) return void socket.destroy();
    this.#perSource.set(source, count);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = this.#perSource.get(source)! - 1;
      if (left > 0) this.#perSource.set(source, left);
      else this.#perSource.delete(source);
    });
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
