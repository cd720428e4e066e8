/**
 * The agent's link to the hub: MQTT 3.1.1 over mutual TLS, for as long as the agent runs. It connects again by itself, with
 * growing and random waits: short after a lost connection, long after a refusal, which the next try will not change.
 * A connection that ends soon after it began counts as a failed try, so that a device the hub throws out does not
 * come back in a tight loop.
 */
import type { TLSSocket } from 'node:tls';
import { type IClientOptions, MqttClient } from 'mqtt';
import { writeToStream } from 'mqtt-packet';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { connectPinned } from '../../platform/pinned-tls.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { retrySchedule } from '../../shared/base/retry-schedule.ts';
import { PacketLengthGuard } from '../../shared/protocol/packet-length-guard.ts';
import { type DeviceSends, parseTopic, topics } from '../../shared/protocol/topics.ts';
import { checkCertificateTime } from './certificate-time.ts';
import type { HubLink, HubLinkHandlers } from './hub-link.ts';
import type { DeviceIdentity } from './identity.ts';

const CONNECT_MS = 15_000;
const KEEPALIVE_SECONDS = 30;
const PING_MS = 10_000;
/** Longest packet a hub may send: the largest payload, its topic, and its header. */
const PACKET_BYTES_MAX =
  Math.max(limits.trustMetadataBytesMax, limits.manifestBytesMax, limits.chunkBytes) +
  limits.topicCharsMax +
  64;
const presence = (online: boolean): Buffer => Buffer.from(JSON.stringify({ v: 1, online }));

export interface ReconnectWaits {
  /** After a lost connection or a hub that is not there. */
  readonly lost: { readonly firstMs: number; readonly maxMs: number };
  /** After a refusal. */
  readonly refused: { readonly firstMs: number; readonly maxMs: number };
  /** A connection that held this long starts the waits anew. */
  readonly stableMs: number;
}

export const reconnectWaitsDefault: ReconnectWaits = {
  lost: { firstMs: 1_000, maxMs: 60_000 },
  refused: { firstMs: 60_000, maxMs: 1_800_000 },
  stableMs: 10_000,
};

export interface MqttSessionProps {
  readonly identity: DeviceIdentity;
  readonly handlers: HubLinkHandlers;
  readonly clock: Clock;
  /** Time that does not go back behind what signed statements have shown: certificates are judged by it. */
  readonly floor: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly logger: Logger;
  readonly waits?: ReconnectWaits;
  /** Random, new at each start of the agent: by it the hub knows a copy of this device from this device. */
  readonly instance?: string;
  /** Whether another agent uses this identity: then waits grow as after a refusal, however long a connection held. */
  readonly isShared?: () => boolean;
  /** A connection ended, or could not be made. */
  readonly onFailure?: (error: unknown) => void;
}

export class MqttSession implements HubLink {
  readonly #props: MqttSessionProps;
  readonly #log: LimitedLog;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #live: { readonly client: MqttClient; readonly ended: Promise<never> } | undefined;
  #bytesReceived = 0;
  #connections = 0;
  #failures = 0;

  constructor(props: MqttSessionProps) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
    // Otherwise the first packet makes a buffer of each number up to 65,535 and keeps them: 10 MB of a device's memory.
    writeToStream.cacheNumbers = false;
  }

  get isConnected(): boolean {
    return this.#live !== undefined;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Connections made since the start. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections since the start that were lost or could not be made. */
  get failures(): number {
    return this.#failures;
  }

  /** Begins to connect, and keeps on until `close`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Says that the device goes offline, ends the connection and stops trying. */
  async close(): Promise<void> {
    const live = this.#live;
    if (live) {
      const topic = topics.device(this.#props.identity.device, 'presence');
      const said = live.client.publishAsync(topic, presence(false), { qos: 1, retain: true });
      await Promise.race([said, live.ended, this.#props.clock.sleep(1_000)]).catch(() => undefined);
    }
    this.#stop.abort(new Error('the session was closed'));
    await this.#running;
  }

  async publish(
    leaf: DeviceSends,
    payload: Uint8Array,
    { retain = false }: { readonly retain?: boolean } = {},
  ): Promise<void> {
    const live = this.#live;
    if (!live) throw lost(leaf);
    const topic = topics.device(this.#props.identity.device, leaf);
    try {
      await Promise.race([
        live.client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain }),
        live.ended,
      ]);
    } catch (cause) {
      throw lost(leaf, cause);
    }
  }

  async #run(): Promise<void> {
    const { clock, random, logger, waits = reconnectWaitsDefault } = this.#props;
    const { signal } = this.#stop;
    let lostWaits = retrySchedule({ ...waits.lost, random });
    let refusedWaits = retrySchedule({ ...waits.refused, random });
    while (!signal.aborted) {
      const began = clock.monotonic();
      const end = await this.#connectOnce(signal);
      if (signal.aborted) return;
      this.#failures += 1;
      this.#props.onFailure?.(end.error);
      const isShared = this.#props.isShared?.() === true;
      if (!isShared && clock.monotonic() - began >= waits.stableMs && end.wasConnected) {
        lostWaits = retrySchedule({ ...waits.lost, random });
        refusedWaits = retrySchedule({ ...waits.refused, random });
      }
      const waitMs = (end.isRefusal || isShared ? refusedWaits : lostWaits).next().value;
      logger.warn(
        { reason: errorText(end.error), refused: end.isRefusal, waitMs },
        end.wasConnected ? 'connection to the hub lost' : 'no connection to the hub',
      );
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** One connection from its first byte to its last. Never rejects. */
  async #connectOnce(signal: AbortSignal): Promise<ConnectionEnd> {
    const { identity, handlers, clock, floor, logger } = this.#props;
    let wasConnected = false;
    let client: MqttClient | undefined;
    const over = new AbortController();
    try {
      if (identity.damage) throw identity.damage;
      // Said here with both times, because the TLS alert of the hub would say less.
      await checkCertificateTime(identity, { clock, floor, signal });
      const { host, port } = identity.mqtt;
      const socket = await connectPinned({
        ...identity,
        host,
        port,
        provenNow: () => floor.now(),
        timeoutMs: CONNECT_MS,
        signal,
      });
      client = new MqttClient(() => socket, clientOptions(identity, this.#props.instance));
      const ended = endOf(client, { stop: signal, over: over.signal });
      ended.catch(() => undefined);
      this.#watchBytes(socket);
      this.#watchMessages(client, socket);
      client.once('connect', () => void this.#keepAlive(client!, over.signal));
      await Promise.race([subscribed(client, identity.device), ended]);
      this.#live = { client, ended };
      wasConnected = true;
      this.#connections += 1;
      logger.info({ host: identity.mqtt.host, port: identity.mqtt.port }, 'connected to the hub');
      handlers.connected();
      return await ended;
    } catch (error) {
      return { error, wasConnected, isRefusal: isRefusal(error) };
    } finally {
      this.#live = undefined;
      over.abort();
      client?.removeAllListeners('message');
      client?.end(true);
      if (wasConnected) handlers.disconnected();
    }
  }

  /** Counts what comes, and ends the connection when a packet is announced that no hub of ours would send. */
  #watchBytes(socket: TLSSocket): void {
    const guard = new PacketLengthGuard(PACKET_BYTES_MAX);
    socket.on('data', (bytes: Buffer) => {
      this.#bytesReceived += bytes.length;
      if (guard.accepts(bytes)) return;
      socket.destroy(
        new AppError('too_large', `The hub sent a message of more than ${PACKET_BYTES_MAX} bytes.`),
      );
    });
  }

  /** Messages on unknown topics may be a newer hub's; a flood of them is not. */
  #watchMessages(client: MqttClient, socket: TLSSocket): void {
    let strange = 0;
    client.on('message', (topic, payload) => {
      if (this.#receive(topic, payload)) return;
      strange += 1;
      if (strange === 1) {
        this.#log.warn('', { topic: topic.slice(0, 100) }, 'message on an unknown topic dropped');
      }
      if (strange <= limits.strangeMessagesMax) return;
      socket.destroy(
        new AppError(
          'too_large',
          `The hub sent more than ${limits.strangeMessagesMax} messages on topics that this agent does not know. The agent closed the connection.`,
        ),
      );
    });
  }

  /**
   * An answer to a ping waits behind whatever the hub is sending, on a slow line for minutes. A connection that brings
   * bytes is alive all the same; it is the silent one that the library gives up when a ping stays unanswered.
   */
  async #keepAlive(client: MqttClient, over: AbortSignal): Promise<void> {
    for (let before = this.#bytesReceived; ; before = this.#bytesReceived) {
      await this.#props.clock.sleep(PING_MS, over).catch(() => undefined);
      if (over.aborted) return;
      if (this.#bytesReceived === before) continue;
      client.sendPing();
      client.reschedulePing(true);
    }
  }

  /** False when nobody is there for the topic. */
  #receive(topic: string, payload: Uint8Array): boolean {
    const { identity, handlers } = this.#props;
    const parsed = parseTopic(topic);
    if (parsed?.kind === 'trust') return handlers.trust(parsed.role, payload);
    if (parsed?.kind !== 'device' || parsed.deviceId !== identity.device) return false;
    const { leaf } = parsed;
    const digest = /^chunk\/([0-9a-f]{64})$/.exec(leaf)?.[1];
    if (digest) handlers.chunk(digest, payload);
    else if (leaf === 'desired') handlers.desired(payload);
    else if (leaf === 'command') handlers.command(payload);
    else if (leaf === 'chunk/error') handlers.chunkError(payload);
    else return false;
    return true;
  }
}

interface ConnectionEnd {
  readonly error: unknown;
  readonly wasConnected: boolean;
  readonly isRefusal: boolean;
}

function clientOptions(identity: DeviceIdentity, instance: string | undefined): IClientOptions {
  return {
    protocol: 'mqtts',
    clientId: identity.device,
    ...(instance !== undefined && { username: instance }),
    protocolVersion: 4,
    clean: true,
    keepalive: KEEPALIVE_SECONDS,
    connectTimeout: CONNECT_MS,
    // This session connects again itself, and the outbox sends again: the library must do neither.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    will: {
      topic: topics.device(identity.device, 'presence'),
      payload: presence(false),
      qos: 1,
      retain: true,
    },
  } as IClientOptions;
}

/** Rejects with the reason when the connection ends or `stop` says so; never resolves. `over` removes its listener. */
function endOf(
  client: MqttClient,
  { stop, over }: { readonly stop: AbortSignal; readonly over: AbortSignal },
): Promise<never> {
  return new Promise((_resolve, reject) => {
    // The first reason is the telling one: `close` follows each `error`.
    client.on('error', reject);
    client.on('close', () => reject(new Error('the hub closed the connection, or the network did')));
    stop.addEventListener('abort', () => reject(stop.reason), { once: true, signal: over });
  });
}

/** Resolves when the hub has granted every subscription and knows that the device is there. */
async function subscribed(client: MqttClient, device: string): Promise<void> {
  await new Promise<void>((resolve) => client.once('connect', () => resolve()));
  const granted = await client.subscribeAsync([...topics.deviceFilters(device)], { qos: 1 });
  const denied = granted.find((grant) => grant.qos > 2);
  if (denied) throw new AppError('link_refused', `The hub refused the subscription to "${denied.topic}".`);
  await client.publishAsync(topics.device(device, 'presence'), presence(true), { qos: 1, retain: true });
}

/**
 * MQTT CONNACK codes 2, 4 and 5 (identifier rejected, bad credentials, not authorized), or a certificate one side does not
 * accept. Not a matter of the clock: it may be set any moment, and a device shall not wait half an hour after that.
 */
function isRefusal(error: unknown): boolean {
  if (isAppError(error, 'certificate_not_valid_now') || isAppError(error, 'clock_skew')) return false;
  if (error instanceof AppError) return true;
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'number') return [2, 4, 5].includes(code);
  return typeof code === 'string' && /CERT|SELF_SIGNED|ALERT|ALTNAME/.test(code);
}

function lost(leaf: string, cause?: unknown): AppError {
  return new AppError('link_lost', `Cannot send "${leaf}": the agent is not connected to the hub.`, {
    cause,
  });
}
