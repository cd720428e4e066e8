/**
 * One device's connection: hands its messages to the hub in order, reads no more than it answers, and writes to it without waiting in
 * anybody's queue.
 */
import type { TLSSocket } from 'node:tls';
import type { Client } from 'aedes';
import { limits } from '../../shared/base/limits.ts';
import { safeLine } from '../../shared/base/safe-text.ts';
import type { HubCommand } from '../../shared/protocol/hub-command.ts';
import { topics } from '../../shared/protocol/topics.ts';
import type { BrokerHandlers, DeviceMessage } from './broker.ts';
import { maySubscribe, type PublishVerdict } from './device-rules.ts';
import { Keepalive } from './keepalive.ts';
import { encodePublishHead } from './publish-packet.ts';
import { ReadGate, type ReadGateProps } from './read-gate.ts';

type Lane = Extract<PublishVerdict, { allowed: true }>['lane'];

export interface DeviceSessionProps extends Omit<ReadGateProps, 'socket' | 'onShut'> {
  readonly client: Client;
  readonly deviceId: string;
  /** What CONNECT said. */
  readonly keepaliveSeconds: number;
  readonly handle: BrokerHandlers['message'];
  /** How long an answer may take before the device is told; `limits.answerLateMs` when absent. */
  readonly answerLateMs?: number | undefined;
}

export class DeviceSession {
  readonly deviceId: string;
  readonly client: Client;
  readonly #socket: TLSSocket;
  readonly #handle: BrokerHandlers['message'];
  readonly #gate: ReadGate;
  readonly #keepalive: Keepalive;
  readonly #lanes = new Map<Lane, Promise<void>>();
  readonly #filters = new Set<string>();
  readonly #lateMs: number;
  #failed = false;
  #messageId = 0;
  /** Messages that wait to be stored; none of them was answered, and nothing read, since `#waitingSince`. */
  #waiting = 0;
  #waitingSince = 0;
  #lateTimer: NodeJS.Timeout | undefined;

  constructor({ client, deviceId, keepaliveSeconds, handle, answerLateMs, ...gate }: DeviceSessionProps) {
    this.client = client;
    this.deviceId = deviceId;
    this.#socket = client.conn as TLSSocket;
    this.#handle = handle;
    this.#gate = new ReadGate({ ...gate, socket: this.#socket, onShut: () => this.#waits() });
    this.#lateMs = answerLateMs ?? limits.answerLateMs;
    this.#keepalive = new Keepalive({
      seconds: keepaliveSeconds,
      isHeld: () => this.#gate.isHolding,
      onMissed: () => this.close(),
    });
    this.#socket.once('close', () => {
      clearInterval(this.#lateTimer);
      this.#keepalive.close();
    });
  }

  /**
   * Resolves when the hub has taken the message. Messages without a lane are handed over side by side, in order. After one was not
   * taken no later one of this connection is answered: the device sends them again, in order, over its next connection.
   */
  async receive(message: DeviceMessage, lane: Lane): Promise<void> {
    const bytes = message.payload.byteLength;
    this.#gate.received(bytes);
    try {
      if (lane === undefined) await this.#take(message);
      else await this.#takeAfter(lane, message);
    } finally {
      this.#gate.answered(bytes);
    }
  }

  /** Bytes were read, and with them so many packets that are no PUBLISH: answered at once, and none of them is free. */
  received(count: number): void {
    this.#keepalive.received();
    this.#gate.receivedControl(count);
  }

  #takeAfter(lane: Lane, message: DeviceMessage): Promise<void> {
    const before = this.#lanes.get(lane) ?? Promise.resolve();
    const done = before.then(() => this.#handOver(message));
    this.#lanes.set(
      lane,
      done.catch(() => undefined),
    );
    return done;
  }

  async #take(message: DeviceMessage): Promise<void> {
    this.#waits();
    this.#waiting += 1;
    try {
      await this.#handOver(message);
    } finally {
      this.#waiting -= 1;
      this.#waitingSince = performance.now();
    }
  }

  /** The device waits from now on, unless it did before. */
  #waits(): void {
    if (this.#waiting === 0) this.#waitingSince = performance.now();
    this.#lateTimer ??= setInterval(() => this.#checkLate(), this.#lateMs).unref();
  }

  async #handOver(message: DeviceMessage): Promise<void> {
    const refuse = () => {
      if (this.#failed) throw new Error('an earlier message of this connection was not taken');
    };
    refuse();
    try {
      await this.#handle(message);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    refuse();
  }

  /** Tells the device that its messages are held, so that it waits for the answers instead of looking for a better connection. */
  #checkLate(): void {
    if (this.#waiting === 0 && !this.#gate.isShut) {
      clearInterval(this.#lateTimer);
      this.#lateTimer = undefined;
    } else if (performance.now() - this.#waitingSince >= this.#lateMs) {
      const command: HubCommand = { v: 1, command: 'busy' };
      const topic = topics.device(this.deviceId, 'command');
      void this.send(topic, Buffer.from(JSON.stringify(command)), 0);
    }
  }

  /**
   * Why a topic filter is not granted; undefined grants it, once: asking again and again for the retained messages is a way to
   * fill the hub's memory.
   */
  takeFilter(filter: string): string | undefined {
    if (!maySubscribe(this.deviceId, filter)) return `not for this device: ${safeLine(filter)}`;
    if (this.#filters.has(filter)) return `asked for before: ${filter}`;
    this.#filters.add(filter);
    return undefined;
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
