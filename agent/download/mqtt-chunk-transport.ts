/** Asks for chunks over the MQTT session. */
import type { ChunkRequest } from '../../shared/protocol/chunk-transfer.ts';
import type { HubLink } from '../connection/hub-link.ts';
import type { ChunkTransport } from './chunk-transport.ts';

export class MqttChunkTransport implements ChunkTransport {
  readonly #link: HubLink;

  constructor(link: HubLink) {
    this.#link = link;
  }

  get isReady(): boolean {
    return this.#link.isConnected;
  }

  get bytesReceived(): number {
    return this.#link.bytesReceived;
  }

  ask(request: ChunkRequest): Promise<void> {
    return this.#link.publish('chunk/get', Buffer.from(JSON.stringify(request)));
  }
}
