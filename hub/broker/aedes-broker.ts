/**
 * The embedded broker: aedes behind a TLS server of our own CA. Who a device is comes from its certificate alone; what it may
 * do is in device-rules.ts. aedes keeps retained messages and speaks the protocol; messages of devices go to the
 * hub's handlers and to nobody else.
 */
import type { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { Aedes, type AedesOptions, type AuthErrorCode, type Client, type ConnectPacket } from 'aedes';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { RefusalKind, RefusalListener } from '../security/refusal.ts';
import type { Broker, BrokerHandlers } from './broker.ts';
import { ConnectionLog } from './connection-log.ts';
import { DeviceListener } from './device-listener.ts';
import { inboundPacketBytesMax, judgePublish, type SentMessage } from './device-rules.ts';
import { DeviceSession } from './device-session.ts';
import { MessageBudgets } from './message-budget.ts';
import { PacketReader } from './packet-reader.ts';
import type { PacketFault } from './packet-rules.ts';
import { type PeerIdentity, peerOf } from './peer-identity.ts';
import { ReadScheduler } from './read-scheduler.ts';
import { RetainedPersistence } from './retained-persistence.ts';
import { Unanswered } from './unanswered.ts';
import { UnfinishedPackets } from './unfinished-packets.ts';
import { UnreadWatch, unreadMark } from './unread-watch.ts';

/**
 * For two time-outs of aedes that others look after: that of CONNECT, which has one deadline with the handshake (device-listener.ts), and
 * that of who has not taken everything, where what counts is who takes nothing (unread-watch.ts).
 */
const NEVER_MS = 2 ** 31 - 1;
/** aedes holds a queue slot for each message to a device that does not read: many slots, and not for ever. */
const QUEUE_SLOTS = 10_000;
const IDENTIFIER_REJECTED = 2 as AuthErrorCode;
const NOT_AUTHORIZED = 5 as AuthErrorCode;

export interface AedesBrokerProps {
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly listen: { readonly host: string; readonly port: number };
  /** Whether the device may connect with the certificate of this SHA-256 (hex). Asked at each connect. */
  readonly isAdmitted: (deviceId: string, certificateSha256: string) => Promise<boolean>;
  /** Connections of one address that are not admitted yet; `limits.halfOpenMax` when absent. */
  readonly halfOpenPerAddressMax?: number;
  /** How long the TLS handshake and CONNECT may take together; 10 s when absent. */
  readonly admissionMs?: number;
  /** How long a device's socket may be full and take nothing before it is closed; `limits.mqttDrainMs` when absent. */
  readonly drainMs?: number;
  /** How long a device may wait for an answer before it is told; `limits.answerLateMs` when absent. */
  readonly answerLateMs?: number;
  /** What devices may have unanswered, all of them together; `limits.unansweredBytesMax` when absent. */
  readonly unansweredBytesMax?: number;
  /** What may be held of packets whose end has not come; `limits.unfinishedBytesMax` when absent. */
  readonly unfinishedBytesMax?: number;
  readonly logger: Logger;
  readonly refusals?: RefusalListener;
}

interface ConnectRefusal {
  readonly returnCode: AuthErrorCode;
  readonly reason: string;
}

/** What an agent may call its start; anything else is as good as nothing. */
const INSTANCE = /^[0-9a-f]{16,64}$/;

export class AedesBroker implements Broker {
  /** What devices have sent that is not answered yet. */
  readonly unanswered: Unanswered;
  /** What they have sent of packets whose end has not come. */
  readonly unfinished: UnfinishedPackets<TLSSocket>;
  readonly #props: AedesBrokerProps;
  readonly #log: LimitedLog;
  readonly #peers = new WeakMap<object, PeerIdentity>();
  /** Every open connection, admitted or not yet: revocation must reach those in the middle of connecting too. */
  readonly #sockets = new Map<string, Set<TLSSocket>>();
  readonly #sessions = new Map<string, DeviceSession>();
  readonly #sessionOf = new WeakMap<Client, DeviceSession>();
  readonly #sessionAt = new WeakMap<object, DeviceSession>();
  readonly #instanceOf = new WeakMap<Client, string>();
  readonly #keepaliveOf = new WeakMap<Client, number>();
  readonly #willFaultOf = new WeakMap<Client, string>();
  /**
   * Connections whose CONNECT is not answered yet: what a client sends without waiting for the answer (section 3.1.4) stays
   * unread until then. aedes would take a packet that follows closely before the session it belongs to.
   */
  readonly #connecting = new WeakSet<object>();
  readonly #budgets = new MessageBudgets();
  readonly #unread: UnreadWatch;
  readonly #turns: ReadScheduler;
  readonly #connections: ConnectionLog;
  #heldBack = 0;
  #handlers: BrokerHandlers | undefined;
  #listener: DeviceListener | undefined;
  #aedes: Aedes | undefined;

  constructor(props: AedesBrokerProps) {
    this.#props = props;
    const monotonic = () => performance.now();
    this.#log = new LimitedLog({ logger: props.logger, monotonic });
    this.#unread = new UnreadWatch({
      stallMs: props.drainMs ?? limits.mqttDrainMs,
      onStalled: (socket) => {
        const device = this.#peers.get(socket)?.deviceId;
        this.#log.warn(device ?? '', { device }, 'connection closed: its device reads nothing');
        socket.destroy();
      },
    });
    this.unanswered = new Unanswered(props.unansweredBytesMax);
    const { unfinishedBytesMax = limits.unfinishedBytesMax } = props;
    this.unfinished = new UnfinishedPackets(unfinishedBytesMax, (socket) => {
      this.#reportRefused('packet', socket, 'the end of a packet has not come, and its memory is needed');
      socket.destroy();
    });
    this.#connections = new ConnectionLog(this.#log, props.logger);
    this.#turns = new ReadScheduler({ unanswered: this.unanswered, monotonic, nextTurn: setImmediate });
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Throws `port_in_use`. */
  async start(handlers: BrokerHandlers): Promise<void> {
    this.#handlers = handlers;
    const aedes = await Aedes.createBroker(this.#options());
    this.#aedes = aedes;
    aedes.on('client', (client) => this.#admitted(client));
    aedes.on('connackSent', (_packet, client) => {
      this.#connecting.delete(client.conn);
      this.#listener?.admitted(client.conn as TLSSocket);
    });
    aedes.on('clientReady', (client) => this.#ready(client));
    aedes.on('clientDisconnect', (client) => this.#gone(client));
    aedes.on('clientError', (client, error) => this.#ended(client, error));
    (aedes as EventEmitter).on('error', (error: Error) => {
      this.#props.logger.error({ err: error }, 'broker failed');
    });
    aedes.on('connectionError', (client, error) => this.#ended(client, error));
    const { halfOpenPerAddressMax = limits.halfOpenMax } = this.#props;
    const accept = (socket: TLSSocket) => this.#accept(socket);
    const listener = new DeviceListener({ ...this.#props, halfOpenPerAddressMax, accept });
    await listener.start();
    this.#listener = listener;
  }

  async close(): Promise<void> {
    const [aedes, listener] = [this.#aedes, this.#listener];
    this.#listener = undefined;
    this.#aedes = undefined;
    this.#unread.close();
    const closed = listener?.close();
    if (aedes) await new Promise<void>((resolve) => aedes.close(resolve));
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy();
    await closed;
  }

  /** For connections that begin from now on. */
  useCertificate(identity: { readonly key: string; readonly cert: string }): void {
    this.#listener?.useCertificate(identity);
  }

  isConnected(deviceId: string): boolean {
    return this.#sessions.has(deviceId);
  }

  connectedCount(): number {
    return this.#sessions.size;
  }

  /** Connections that are not admitted yet. */
  halfOpenCount(): number {
    return this.#listener?.halfOpenCount ?? 0;
  }

  /** How often a device was held back because it sent more than its budget; at most once a minute each. */
  get heldBackCount(): number {
    return this.#heldBack;
  }

  async retain(topic: string, payload: Uint8Array): Promise<void> {
    const packet = {
      cmd: 'publish',
      topic,
      payload: Buffer.from(payload),
      qos: 1,
      retain: true,
      dup: false,
    } as const;
    // Stored when publish() returns. Its callback waits until every subscriber has read, which is not for us to wait on.
    this.#aedes?.publish(packet, (error) => {
      if (error) this.#log.warn('', { topic, reason: error.message }, 'retained message not sent');
    });
  }

  async send(deviceId: string, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean> {
    return (await this.#sessions.get(deviceId)?.send(topic, payload, qos)) ?? false;
  }

  unreadMark(deviceId: string): number | undefined {
    const session = this.#sessions.get(deviceId);
    return session && unreadMark(session.client.conn as TLSSocket);
  }

  disconnect(deviceId: string): void {
    for (const socket of this.#sockets.get(deviceId) ?? []) socket.destroy();
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    const peer = peerOf(socket);
    if (!peer) {
      const reason = 'it names no device';
      this.#props.refusals?.refused({ kind: 'certificate', address: socket.remoteAddress, reason });
      socket.destroy();
      return;
    }
    this.#peers.set(socket, peer);
    this.#track(socket, peer.deviceId);
    this.#checkPackets(socket);
    this.#unread.watch(socket);
    this.#aedes?.handle(socket);
  }

  #track(socket: TLSSocket, deviceId: string): void {
    const sockets = this.#sockets.get(deviceId) ?? new Set();
    this.#sockets.set(deviceId, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(deviceId) === sockets) this.#sockets.delete(deviceId);
    });
  }

  #checkPackets(socket: TLSSocket): void {
    new PacketReader({
      socket,
      bytesMax: inboundPacketBytesMax,
      unfinished: this.unfinished,
      mayRead: () => !this.#connecting.has(socket),
      onFault: (fault, isConnectSeen) => this.#refuse(socket, fault, isConnectSeen ? 'packet' : 'connect'),
      onConnect: () => this.#connecting.add(socket),
      onRead: (controlPackets) => this.#sessionAt.get(socket)?.received(controlPackets),
    });
  }

  #refuse(socket: TLSSocket, { reason, returnCode }: PacketFault, kind: RefusalKind): void {
    this.#reportRefused(kind, socket, reason);
    // [MQTT-3.1.2-2], section 3.2.2.3
    if (returnCode !== undefined) socket.write(Buffer.from([0x20, 2, 0, returnCode]));
    socket.destroySoon();
  }

  #reportRefused(kind: RefusalKind, connection: object, reason: string): void {
    const peer = this.#peers.get(connection);
    if (peer) this.#props.refusals?.refused({ kind, ...peer, actor: `device:${peer.deviceId}`, reason });
  }

  #options(): AedesOptions {
    return {
      persistence: new RetainedPersistence(),
      concurrency: QUEUE_SLOTS,
      drainTimeout: NEVER_MS,
      connectTimeout: NEVER_MS,
      preConnect: (client, packet, done) => {
        const fault = this.#judgeWill(client, packet);
        if (fault) this.#willFaultOf.set(client, fault);
        // No session outlives its connection: queues for absent devices would grow without bound, and what a device must not
        // miss is retained.
        packet.clean = true;
        // aedes has no way to leave out the time in which the hub reads nothing: it is kept by the session (keepalive.ts).
        this.#keepaliveOf.set(client, packet.keepalive ?? 0);
        packet.keepalive = 0;
        done(null, true);
      },
      authenticate: (client, user, _password, done) => {
        // Proves nothing, and is asked to prove nothing: it tells the starts of one device's agents apart.
        if (user !== null && user !== undefined && INSTANCE.test(user)) this.#instanceOf.set(client, user);
        this.#authenticate(client).then(
          (refusal) => {
            if (!refusal) return done(null, true);
            this.#reportRefused('connect', client.conn, refusal.reason);
            return done(Object.assign(new Error(refusal.reason), refusal), false);
          },
          (error: unknown) => {
            this.#log.error('', { err: error }, 'cannot look a device up');
            done(Object.assign(new Error('server unavailable'), { returnCode: 3 as AuthErrorCode }), false);
          },
        );
      },
      authorizePublish: (client, packet, done) => {
        if (!client) return done(new Error('no client'));
        this.#receive(client, packet).then(
          () => done(null),
          (error: unknown) => done(error instanceof Error ? error : new Error(errorText(error))),
        );
      },
      authorizeSubscribe: (client, subscription, done) => {
        const session = this.#sessionOf.get(client);
        const fault = session ? session.takeFilter(subscription.topic) : 'no session';
        if (fault !== undefined) this.#reportRefused('subscribe', client.conn, fault);
        done(null, fault === undefined ? { ...subscription, qos: subscription.qos === 0 ? 0 : 1 } : null);
      },
      authorizeForward: (client, packet) => {
        // A device's own `chunk/get` fits the filter of the chunks it gets: what a device sent is forwarded to nobody.
        if ('clientId' in packet) return null;
        if (!this.#sessionOf.get(client)?.isOverfull) return packet;
        this.#log.warn(client.id, { device: client.id }, 'connection closed: its device does not read');
        setImmediate(() => (client.conn as TLSSocket).destroy());
        return null;
      },
    };
  }

  /** What is wrong with the last will. */
  #judgeWill(client: Client, { will }: ConnectPacket): string | undefined {
    const peer = this.#peers.get(client.conn);
    if (!peer || !will) return undefined;
    const verdict = judgePublish(peer.deviceId, {
      ...will,
      retain: will.retain ?? false,
      qos: will.qos ?? 0,
    });
    if (!verdict.allowed) return verdict.reason;
    return verdict.leaf === 'presence' ? undefined : 'not presence';
  }

  /** Undefined admits. */
  async #authenticate(client: Client): Promise<ConnectRefusal | undefined> {
    const peer = this.#peers.get(client.conn);
    if (!peer || client.id !== peer.deviceId) {
      return { returnCode: IDENTIFIER_REJECTED, reason: 'client id is not the name in the certificate' };
    }
    const willFault = this.#willFaultOf.get(client);
    if (willFault !== undefined) return { returnCode: NOT_AUTHORIZED, reason: `last will: ${willFault}` };
    const admitted = await this.#props.isAdmitted(peer.deviceId, peer.certificateSha256);
    if (admitted) return undefined;
    return { returnCode: NOT_AUTHORIZED, reason: 'the device was removed, or has a newer certificate' };
  }

  async #receive(client: Client, packet: SentMessage): Promise<void> {
    const session = this.#sessionOf.get(client);
    const handlers = this.#handlers;
    if (!session || !handlers) throw new Error('no session');
    const verdict = judgePublish(session.deviceId, packet);
    if (!verdict.allowed) {
      this.#reportRefused('publish', client.conn, verdict.reason);
      throw new Error(verdict.reason);
    }
    // Presence is kept by the hub; the broker need not keep it as well.
    (packet as { retain: boolean }).retain = false;
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const message = { deviceId: session.deviceId, leaf: verdict.leaf, payload };
    await session.receive(message, verdict.lane);
  }

  #admitted(client: Client): void {
    const deviceId = client.id;
    const older = this.#sessions.get(deviceId);
    if (older && older.client !== client) older.close();
    const session = new DeviceSession({
      client,
      deviceId,
      budget: this.#budgets.of(deviceId, performance.now()),
      keepaliveSeconds: this.#keepaliveOf.get(client) ?? 0,
      turns: this.#turns,
      unanswered: this.unanswered,
      handle: (message) => this.#handlers!.message(message),
      onHeldBack: () => {
        this.#heldBack += 1;
        this.#log.warn(deviceId, { device: deviceId }, 'a device exceeds its message rate');
      },
      answerLateMs: this.#props.answerLateMs,
    });
    this.#sessionOf.set(client, session);
    this.#sessionAt.set(client.conn, session);
    this.#sessions.set(deviceId, session);
  }

  #ready(client: Client): void {
    if (this.#sessions.get(client.id)?.client !== client) return;
    const address = this.#peers.get(client.conn)?.address;
    this.#connections.connected(client, address);
    this.#handlers?.connected(client.id, { instance: this.#instanceOf.get(client), address });
  }

  #gone(client: Client): void {
    if (this.#sessions.get(client.id)?.client !== client) return;
    this.#sessions.delete(client.id);
    this.#connections.disconnected(client, this.#peers.get(client.conn)?.address);
    this.#handlers?.disconnected(client.id);
  }

  #ended(client: Client, error: Error): void {
    this.#connections.failed(client, error.message);
  }
}
