/** The agent's link to the hub, as the rest of the agent sees it. */
import type { DeviceSends } from '../../shared/protocol/topics.ts';

export interface HubLinkHandlers {
  /** Session is up and subscriptions are granted. Called again after each reconnect. */
  connected(): void;
  disconnected(): void;
  desired(payload: Uint8Array): void;
  command(payload: Uint8Array): void;
  /** False when there is no such role. */
  trust(role: string, payload: Uint8Array): boolean;
  chunk(digest: string, payload: Uint8Array): void;
  chunkError(payload: Uint8Array): void;
}

export interface HubLink {
  readonly isConnected: boolean;
  /** Bytes that have come over every connection so far, below MQTT: they grow while a long message is under way. */
  readonly bytesReceived: number;
  /** Sends and resolves when the hub has acknowledged (QoS 1). Rejects when the connection is lost first. */
  publish(leaf: DeviceSends, payload: Uint8Array, options?: { readonly retain?: boolean }): Promise<void>;
}
