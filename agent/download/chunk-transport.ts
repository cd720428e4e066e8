/**
 * How chunks are asked for; they come back through the fetcher's `receive`. One implementation now: the link to the hub
 * (mqtt-chunk-transport.ts); ranges over HTTPS from the same chunk store will be the second.
 */
import type { ChunkRequest } from '../../shared/protocol/chunk-transfer.ts';

export interface ChunkTransport {
  /** Whether asking makes sense now; a change is told with the fetcher's `linkChanged`. */
  readonly isReady: boolean;
  /** Bytes that have come from the hub since the start, of chunks and of all else; also of a message not yet whole. */
  readonly bytesReceived: number;
  /** Resolves when the hub has the request; chunks may come before. Rejects when it may not have it. */
  ask(request: ChunkRequest): Promise<void>;
}
