/**
 * Where devices connect: a TCP port whose connections come to a mutual TLS handshake in turn (half-open-connections.ts). A device
 * counts as half open until the broker says that it is admitted.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { asListenError } from '../../platform/listen-error.ts';
import type { Logger } from '../../platform/logger.ts';
import { tlsServerRules } from '../../platform/tls-rules.ts';
import { limits } from '../../shared/base/limits.ts';
import type { RefusalListener } from '../security/refusal.ts';
import { HalfOpenConnections, type HalfOpenRefusal } from './half-open-connections.ts';

const ADMISSION_MS = 10_000;

export interface DeviceListenerProps {
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly listen: { readonly host: string; readonly port: number };
  readonly halfOpenPerAddressMax: number;
  /** How long the handshake and CONNECT may take together, from when their turn has come; 10 s when absent. */
  readonly admissionMs?: number;
  readonly logger: Logger;
  readonly refusals?: RefusalListener;
  /** A device whose certificate the TLS layer has verified. */
  readonly accept: (socket: TLSSocket) => void;
}

export class DeviceListener {
  readonly #props: DeviceListenerProps;
  readonly #server: Server;
  readonly #tls: TlsServer;
  readonly #halfOpen: HalfOpenConnections<Socket>;
  /** Half-open connections by the address they come from, as the TLS socket above them knows it too. */
  readonly #byPeer = new Map<string, Socket>();
  /** Until when those that are worked on must be admitted. */
  readonly #deadlines = new Map<Socket, NodeJS.Timeout>();

  constructor(props: DeviceListenerProps) {
    this.#props = props;
    this.#halfOpen = new HalfOpenConnections({
      inAllMax: limits.halfOpenMax,
      perAddressMax: props.halfOpenPerAddressMax,
      atOnceMax: limits.handshakesAtOnceMax,
      atOncePerAddressMax: limits.handshakesAtOncePerAddressMax,
      atOncePerNetworkMax: limits.handshakesAtOncePerNetworkMax,
      turnMsMax: limits.handshakeTurnMsMax,
      monotonic: () => performance.now(),
      begin: (socket) => this.#begin(socket),
      refuse: (socket, why) => this.#refuse(socket, why),
    });
    this.#tls = createTlsServer(
      {
        ...props.tls,
        requestCert: true,
        rejectUnauthorized: true,
        ...tlsServerRules,
      },
      props.accept,
    );
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#handshakeFailed(error, socket);
      socket.destroy();
    });
    // Paused: what a connection sends before its turn stays with the operating system.
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#enter(socket));
    this.#server.maxConnections = limits.connectionsMax;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  get halfOpenCount(): number {
    return this.#halfOpen.size;
  }

  /** Throws `port_in_use`. */
  async start(): Promise<void> {
    const { listen } = this.#props;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(asListenError(error, { ...listen, option: '--mqtt-port' })),
      );
      this.#server.listen(listen.port, listen.host, resolve);
    });
  }

  /** Ends what is half open, and resolves when every connection has ended. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#halfOpen.all()) socket.destroy();
    await closed;
  }

  /** For connections that begin from now on. */
  useCertificate(identity: { readonly key: string; readonly cert: string }): void {
    this.#tls.setSecureContext({ ...identity, ca: this.#props.tls.ca, ...tlsServerRules });
  }

  /** The device is admitted. */
  admitted(socket: TLSSocket): void {
    const raw = this.#byPeer.get(peerName(socket));
    if (raw) this.#leave(raw, peerName(socket));
  }

  #enter(socket: Socket): void {
    socket.on('error', () => undefined);
    if (socket.remoteAddress === undefined) return void socket.destroy();
    const name = peerName(socket);
    this.#byPeer.set(name, socket);
    socket.once('close', () => this.#leave(socket, name));
    this.#halfOpen.enter(socket, socket.remoteAddress);
  }

  /** One deadline for all that comes before CONNACK: whoever is slow with one part has no more time for the other. */
  #begin(socket: Socket): void {
    if (socket.destroyed) return;
    const { admissionMs = ADMISSION_MS, refusals } = this.#props;
    const deadline = setTimeout(() => {
      const reason = `not admitted within ${admissionMs} ms`;
      refusals?.refused({ kind: 'handshake', address: socket.remoteAddress, reason });
      socket.destroy();
    }, admissionMs).unref();
    this.#deadlines.set(socket, deadline);
    this.#tls.emit('connection', socket);
  }

  #leave(socket: Socket, name: string): void {
    clearTimeout(this.#deadlines.get(socket));
    this.#deadlines.delete(socket);
    if (this.#byPeer.get(name) === socket) this.#byPeer.delete(name);
    this.#halfOpen.leave(socket);
  }

  #refuse(socket: Socket, why: HalfOpenRefusal): void {
    const { refusals, halfOpenPerAddressMax } = this.#props;
    const reason = `${why} (--mqtt-half-open-per-address is ${halfOpenPerAddressMax})`;
    refusals?.refused({ kind: 'half_open', address: socket.remoteAddress, reason });
    socket.destroy();
  }

  /** A peer that hung up in the middle is no news: lines break. */
  #handshakeFailed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { refusals, logger } = this.#props;
    // A string, or null: the declared type is of the error that it names.
    const verification = socket.authorizationError as unknown as string | null;
    const address = addressOf(socket);
    const certificateFault = verification ?? certificateFaults.get(error.code);
    if (certificateFault !== undefined) {
      refusals?.refused({ kind: 'certificate', address, reason: certificateFault });
    } else if (error.code?.startsWith('ERR_')) {
      refusals?.refused({ kind: 'handshake', address, reason: error.code });
    } else {
      logger.debug({ address, reason: error.message }, 'handshake with a device failed');
    }
  }
}

/** What OpenSSL says of a certificate itself; of one that it could read, the TLS socket has its verdict. */
const certificateFaults = new Map<string | undefined, string>([
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'no certificate'],
]);

/** A TLS socket that was destroyed knows its address no more; the TCP socket under it keeps what it was once asked for. */
function addressOf(socket: TLSSocket): string | undefined {
  const { _parent: below } = socket as TLSSocket & { _parent?: Socket | null };
  return socket.remoteAddress ?? below?.remoteAddress;
}

function peerName({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
