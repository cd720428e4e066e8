/**
 * One device's connection: hands its messages to the hub in order, and writes to it without waiting in anybody's queue.
 */
import type { TLSSocket } from 'node:tls';
import type { Client } from 'aedes';
import { limits } from '../../shared/base/limits.ts';
import type { BrokerHandlers, DeviceMessage } from './broker.ts';
import type { PublishVerdict } from './device-rules.ts';
import { encodePublishHead } from './publish-packet.ts';

type Lane = Extract<PublishVerdict, { allowed: true }>['lane'];

export class DeviceSession {
  readonly deviceId: string;
  readonly client: Client;
  readonly #socket: TLSSocket;
  readonly #handle: BrokerHandlers['message'];
  readonly #lanes = new Map<Lane, Promise<void>>();
  readonly #filters = new Set<string>();
  #failed = false;
  #messageId = 0;

  constructor(client: Client, deviceId: string, handle: BrokerHandlers['message']) {
    this.client = client;
    this.deviceId = deviceId;
    this.#socket = client.conn as TLSSocket;
    this.#handle = handle;
  }

  /**
   * Resolves when the hub has taken the message. After one message was not taken no later one of this connection is: the
   * device sends them again, in order, over its next connection.
   */
  receive(message: DeviceMessage, lane: Lane): Promise<void> {
    const before = lane === undefined ? undefined : this.#lanes.get(lane);
    const done = this.#receiveAfter(before, message);
    if (lane !== undefined) {
      this.#lanes.set(
        lane,
        done.catch(() => undefined),
      );
    }
    return done;
  }

  async #receiveAfter(before: Promise<void> | undefined, message: DeviceMessage): Promise<void> {
    if (before) await before;
    if (this.#failed) throw new Error('an earlier message of this connection was not taken');
    try {
      await this.#handle(message);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** True once per filter: asking again and again for the retained messages is a way to fill the hub's memory. */
  takeFilter(filter: string): boolean {
    if (this.#filters.has(filter)) return false;
    this.#filters.add(filter);
    return true;
  }

  get isOverfull(): boolean {
    return this.#socket.writableLength > limits.mqttBytesQueuedPerDeviceMax;
  }

  /** See Broker.send. */
  send(topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean> {
    const socket = this.#socket;
    if (!socket.writable || socket.writableLength >= limits.chunkBytesQueuedPerDeviceMax) {
      return Promise.resolve(false);
    }
    const head = encodePublishHead({
      topic,
      payloadBytes: payload.byteLength,
      ...(qos === 1 ? { messageId: this.#nextMessageId() } : {}),
    });
    return new Promise((resolve) => {
      socket.cork();
      socket.write(head);
      socket.write(payload, (error) => resolve(!error));
      socket.uncork();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Sessions are clean, so the broker keeps no unacknowledged messages that an id could be confused with. */
  #nextMessageId(): number {
    this.#messageId = (this.#messageId % 65_535) + 1;
    return this.#messageId;
  }
}
