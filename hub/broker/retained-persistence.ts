/**
 * What aedes calls its persistence, as far as this hub has any: retained messages, in memory (the hub publishes them again
 * from its database when it starts). Every session ends with its connection and QoS 2 is refused, so there are no
 * subscriptions, queues or halves of a handshake to keep, and a last will lives in its connection.
 */
import { Readable } from 'node:stream';
import { RetainedMessages } from './retained-messages.ts';

interface RetainedPacket {
  readonly topic: string;
  readonly payload: Uint8Array | string;
}

export class RetainedPersistence {
  readonly #retained = new RetainedMessages<RetainedPacket>();

  async setup(): Promise<void> {}

  async storeRetained(packet: RetainedPacket): Promise<void> {
    if (packet.payload.length === 0) this.#retained.delete(packet.topic);
    else this.#retained.set(packet.topic, { ...packet });
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter]);
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#matching(filters));
  }

  *#matching(filters: readonly string[]): Generator<RetainedPacket> {
    for (const filter of filters) yield* this.#retained.matching(filter);
  }

  async addSubscriptions(): Promise<void> {}

  async removeSubscriptions(): Promise<void> {}

  async cleanSubscriptions(): Promise<void> {}

  async subscriptionsByClient(): Promise<readonly []> {
    return [];
  }

  /** Who is to find a message when it comes back. */
  async subscriptionsByTopic(): Promise<readonly []> {
    return [];
  }

  async outgoingEnqueueCombi(): Promise<void> {}

  async outgoingUpdate(): Promise<void> {}

  /** Called for each PUBACK: there is no message that waits for it. */
  async outgoingClearMessageId(): Promise<undefined> {
    return undefined;
  }

  outgoingStream(): Readable {
    return Readable.from([]);
  }

  async incomingGetPacket(): Promise<never> {
    throw new Error('no such packet');
  }

  async incomingStorePacket(): Promise<never> {
    throw new Error('QoS 2 is not kept');
  }

  async cleanIncoming(): Promise<void> {}

  async putWill(): Promise<void> {}

  async delWill(): Promise<void> {}

  streamWill(): Readable {
    return Readable.from([]);
  }
}
