/**
 * Which connections take what is written to them. Node and the broker under us know of a write only whether all of it was taken: a line
 * of some hundred bytes a second needs minutes for a chunk and is as good as any. So what counts is that something is taken, however
 * little; a socket that is full and takes nothing for long is told. Costs nothing while no socket is full.
 */
import type { TLSSocket } from 'node:tls';

export interface UnreadWatchProps {
  /** How long a full socket may take nothing, milliseconds. */
  readonly stallMs: number;
  readonly onStalled: (socket: TLSSocket) => void;
}

interface Watched {
  mark: number;
  movedAt: number;
}

/** In so many looks a stall is found. */
const CHECKS = 8;

export class UnreadWatch {
  readonly #props: UnreadWatchProps;
  readonly #full = new Map<TLSSocket, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(props: UnreadWatchProps) {
    this.#props = props;
  }

  /** To be called once for each connection, before anything is written to it. */
  watch(socket: TLSSocket): void {
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = ((...args: unknown[]) => {
      const isWritable = write(...args);
      if (!isWritable) this.#add(socket);
      return isWritable;
    }) as TLSSocket['write'];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#full.clear();
  }

  #add(socket: TLSSocket): void {
    if (this.#full.has(socket)) return;
    this.#full.set(socket, { mark: unreadMark(socket), movedAt: performance.now() });
    this.#timer ??= setInterval(() => this.#look(), this.#props.stallMs / CHECKS).unref();
  }

  #look(): void {
    const now = performance.now();
    for (const [socket, watched] of this.#full) {
      const mark = unreadMark(socket);
      if (socket.destroyed || mark === 0) this.#full.delete(socket);
      else if (mark < watched.mark) watched.movedAt = now;
      else if (now - watched.movedAt >= this.#props.stallMs) {
        this.#full.delete(socket);
        this.#props.onStalled(socket);
      }
      watched.mark = mark;
    }
    if (this.#full.size === 0) this.close();
  }
}

/**
 * A figure that falls whenever the system takes some of what was written, and is 0 when it has all of it. What is left of the write under
 * way is known to the handle of the TCP connection alone, which has no public name:
 * test/integration/hub/broker/stalled-device.test.ts fails when a new Node has another.
 */
export function unreadMark(socket: TLSSocket): number {
  const { _handle } = socket as {
    _handle?: { readonly _parent?: { readonly writeQueueSize?: number } } | null;
  };
  return socket.writableLength + (_handle?._parent?.writeQueueSize ?? 0);
}
