/**
 * The connections of the local API: bounded in number, and none may hold its place by sending or reading next to nothing.
 * When all places are taken, the one goes that has been without a whole request the longest, so that a newcomer is never
 * locked out by connections that ask for nothing.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { rawAnswer } from './error-answer.ts';

interface Connection {
  readonly socket: Socket;
  request?: IncomingMessage;
  response?: ServerResponse;
  /** When it came, or when the head of its latest request did; monotonic milliseconds. */
  sinceMs: number;
  /** Bytes it had sent by then. */
  bytesBefore: number;
  /** What it had still to read when it last read anything, and when that was. */
  unread: number;
  readMs: number;
}

export class LocalConnections {
  readonly #open = new Map<Socket, Connection>();

  constructor(server: Server) {
    server.maxConnections = limits.localConnectionsMax + limits.localRefusalsAtOnce;
    server.on('connection', (socket) => this.#add(socket));
  }

  /** The head of a request has come. */
  noteRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#open.get(request.socket);
    if (!connection) return;
    connection.request = request;
    connection.response = response;
    connection.sinceMs = performance.now();
    connection.bytesBefore = request.socket.bytesRead;
  }

  #add(socket: Socket): void {
    const nowMs = performance.now();
    if (this.#open.size >= limits.localConnectionsMax && !this.#closeIdlest()) {
      const busy = `Cannot accept the connection: all ${limits.localConnectionsMax} connections are busy.`;
      socket.end(rawAnswer(new AppError('overloaded', busy, { retryAfterMs: 1_000 })));
      socket.destroySoon();
      return;
    }
    this.#open.set(socket, { socket, sinceMs: nowMs, bytesBefore: 0, unread: 0, readMs: nowMs });
    socket.once('close', () => this.#open.delete(socket));
  }

  #closeIdlest(): boolean {
    let oldest: Connection | undefined;
    for (const connection of this.#open.values()) {
      if (isAnswered(connection)) continue;
      if (!oldest || connection.sinceMs < oldest.sinceMs) oldest = connection;
    }
    if (!oldest) return false;
    this.#open.delete(oldest.socket);
    oldest.socket.destroy();
    return true;
  }

  /** Ends connections that send or read too slowly. */
  enforceLimits(nowMs: number): void {
    for (const connection of this.#open.values()) {
      if (isSending(connection)) this.#checkSender(connection, nowMs);
      else this.#checkReader(connection, nowMs);
    }
  }

  #checkSender({ socket, sinceMs, bytesBefore, response }: Connection, nowMs: number): void {
    const sent = socket.bytesRead - bytesBefore;
    const allowedMs = limits.localBodyGraceMs + (sent / limits.localBytesPerSecondMin) * 1_000;
    if (nowMs - sinceMs <= allowedMs) return;
    const slow = `Cannot accept the request: ${sent} bytes of its body arrived in ${Math.round(nowMs - sinceMs)} ms.`;
    if (response?.headersSent === false) socket.write(rawAnswer(new AppError('request_incomplete', slow)));
    socket.destroySoon();
  }

  #checkReader(connection: Connection, nowMs: number): void {
    const unread = connection.socket.writableLength;
    if (unread === 0 || unread !== connection.unread) {
      connection.unread = unread;
      connection.readMs = nowMs;
    } else if (nowMs - connection.readMs > limits.localReadMsMax) connection.socket.destroy();
  }
}

/** Its request has come whole and waits for its answer, or is being answered. */
function isAnswered({ request, response }: Connection): boolean {
  return response !== undefined && !response.writableFinished && request!.complete;
}

function isSending({ request, response }: Connection): boolean {
  return response !== undefined && !request!.complete && !response.destroyed;
}
