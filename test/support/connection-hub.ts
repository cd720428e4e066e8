/**
 * The hub's connection parts alone, in this process: real authority, SQLite, HTTPS, broker; what devices send goes to the
 * test.
 */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { makeKeyAndCsr } from '../../agent/connection/csr.ts';
import { enrol } from '../../agent/connection/enrolment.ts';
import { type DeviceIdentity, loadIdentity } from '../../agent/connection/identity.ts';
import { TokenService } from '../../hub/access/token-service.ts';
import { TokenStore } from '../../hub/access/token-store.ts';
import { AuditLog } from '../../hub/audit/audit-log.ts';
import { AedesBroker } from '../../hub/broker/aedes-broker.ts';
import type { DeviceMessage } from '../../hub/broker/broker.ts';
import { Dispatch, type MessageHandler } from '../../hub/broker/dispatch.ts';
import { type Database, openDatabase } from '../../hub/db/database.ts';
import { deviceRoutes } from '../../hub/devices/device-routes.ts';
import { DeviceService } from '../../hub/devices/device-service.ts';
import { DeviceStore } from '../../hub/devices/device-store.ts';
import { Readiness } from '../../hub/http/readiness.ts';
import type { Actor } from '../../hub/http/request-actor.ts';
import { RequestRate } from '../../hub/http/request-rate.ts';
import { HttpServer } from '../../hub/http/server.ts';
import { DeviceInbox } from '../../hub/inbox/device-inbox.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { type CertificatePlan, issueCertificate } from '../../hub/pki/certificate.ts';
import { readDeviceCsr } from '../../hub/pki/csr.ts';
import { enrolmentRoutes } from '../../hub/pki/enrolment-routes.ts';
import { EnrolmentService } from '../../hub/pki/enrolment-service.ts';
import { EnrolmentStore } from '../../hub/pki/enrolment-store.ts';
import { joinTokenRoutes } from '../../hub/pki/join-token-routes.ts';
import { JoinTokenService } from '../../hub/pki/join-token-service.ts';
import { JoinTokenStore } from '../../hub/pki/join-token-store.ts';
import type { Refusal, RefusalListener } from '../../hub/security/refusal.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { DeviceSends } from '../../shared/protocol/topics.ts';

export const operator: Actor = { name: 'tester', role: 'operator', address: '127.0.0.1' };

export const facts = {
  agentVersion: '0.1.0',
  os: 'test',
  arch: 'x64',
  cpus: 1,
  memoryBytes: 1,
  hostname: 'test',
  providers: ['cpu'],
};

/** A clock that runs with the system's, moved by `offsetMs`. */
export class ShiftedClock implements Clock {
  offsetMs = 0;
  now = () => systemClock.now() + this.offsetMs;
  monotonic = () => systemClock.monotonic();
  sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(ms, signal);
}

export class ConnectionHub {
  readonly folder: string;
  readonly clock = new ShiftedClock();
  /** What the hub says the trust root is; undefined: not set up. */
  root: Uint8Array | undefined = Buffer.from('{"signed":{"_type":"root"},"signatures":[]}');
  /** Every message that reached a handler. */
  readonly messages: DeviceMessage[] = [];
  /** Replaces handlers; reported, events and presence go to the device service otherwise. */
  readonly handlers: Partial<Record<DeviceSends, MessageHandler>> = {};
  database!: Database;
  authority!: Authority;
  audit!: AuditLog;
  inbox!: DeviceInbox;
  devices!: DeviceService;
  joinTokens!: JoinTokenService;
  enrolments!: EnrolmentService;
  broker!: AedesBroker;
  http!: HttpServer;
  operatorSecret = '';
  /** What devices were refused. */
  readonly refused: Refusal[] = [];
  readonly #refusals: RefusalListener = { refused: (refusal) => this.refused.push(refusal) };
  readonly #logger = makeLogger('test', 'silent');

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<ConnectionHub> {
    const hub = new ConnectionHub(await mkdtemp(join(tmpdir(), 'modelfleet-hub-')));
    await hub.#start();
    return hub;
  }

  get url(): string {
    return `https://localhost:${this.http.port}`;
  }

  /** A join token, as text. */
  async token({ group = 'lab', uses = 1, ttlMs = 60_000 } = {}): Promise<string> {
    return (await this.joinTokens.create({ group, uses, ttlMs }, operator)).token;
  }

  /** Enrols a device over the network and returns its identity. */
  async enrol(deviceId: string, folder = join(this.folder, `agent-${deviceId}`)): Promise<DeviceIdentity> {
    await enrol({ token: await this.token(), deviceId, folder, facts });
    return loadIdentity(folder);
  }

  /** Ends the broker and begins a new one on the same port, as a restart of the hub does. */
  async restartBroker(): Promise<void> {
    const { port } = this.broker;
    await this.broker.close();
    await this.#startBroker(port);
  }

  /** A key and a certificate of the hub's CA, for a host, time and purpose of the test's choosing. */
  async certificateFor(
    host: string,
    more: Partial<CertificatePlan> = {},
  ): Promise<{ readonly key: string; readonly cert: string }> {
    const { authority } = this;
    const { keyPem, csrPem } = await makeKeyAndCsr(host);
    const ca = await readFile(join(this.folder, 'pki/ca.pem'), 'utf8');
    const { pem } = issueCertificate({
      commonName: 'hub',
      publicKeyPem: readDeviceCsr(csrPem, host),
      issuerName: new X509Certificate(authority.caPem).subject.replace('CN=', ''),
      issuerKeyPem: ca.slice(0, ca.indexOf('-----BEGIN CERTIFICATE')),
      notBefore: this.clock.now() - 1_000,
      notAfter: this.clock.now() + 600_000,
      purpose: 'server',
      hosts: [host],
      ...more,
    });
    return { key: keyPem, cert: pem };
  }

  /** A second broker of the same CA, whose certificate is for another host name, or another time. */
  async startBrokerNamed(host: string, more: Partial<CertificatePlan> = {}): Promise<AedesBroker> {
    const broker = new AedesBroker({
      tls: { ...(await this.certificateFor(host, more)), ca: this.authority.caPem },
      listen: { host: '127.0.0.1', port: 0 },
      isAdmitted: async () => true,
      logger: this.#logger,
    });
    const nothing = () => undefined;
    await broker.start({ message: async () => undefined, connected: nothing, disconnected: nothing });
    return broker;
  }

  async stop(): Promise<void> {
    await this.http.close();
    await this.broker.close();
    await this.inbox.close();
    await this.database.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const { clock } = this;
    this.database = await openDatabase(':memory:');
    const database = this.database;
    this.audit = new AuditLog({ database, clock });
    const audit = this.audit;
    this.authority = await Authority.open(join(this.folder, 'pki'), { clock, advertise: [] });
    const authority = this.authority;
    this.inbox = new DeviceInbox({ database, logger: this.#logger });
    this.devices = new DeviceService({
      store: new DeviceStore(database),
      inbox: this.inbox,
      audit,
      clock,
      logger: this.#logger,
      refusals: this.#refusals,
      connections: {
        isConnected: (id) => this.broker.isConnected(id),
        disconnect: (id) => this.broker.disconnect(id),
        send: (...args) => this.broker.send(...args),
      },
    });
    await this.#startBroker(0);
    const store = new JoinTokenStore(database);
    const rootFile = async () => this.root;
    const { caSha256 } = authority;
    this.joinTokens = new JoinTokenService({
      database,
      store,
      audit,
      clock,
      caSha256,
      rootFile,
      hubUrl: () => this.url,
    });
    this.enrolments = new EnrolmentService({
      database,
      store,
      enrolments: new EnrolmentStore(database),
      devices: this.devices,
      authority,
      audit,
      clock,
      rootFile,
      mqtt: () => ({ host: 'localhost', port: this.broker.port }),
    });
    const tokens = new TokenService({ store: new TokenStore(database), audit, clock });
    this.operatorSecret = (await tokens.create({ name: 'op', role: 'operator' }, operator)).secret;
    this.http = new HttpServer({
      tls: { key: authority.serverKeyPem, cert: authority.serverCertPem },
      tokens,
      requestRate: new RequestRate({ perMinuteMax: 30_000, monotonic: () => performance.now() }),
      routes: [
        enrolmentRoutes(this.enrolments),
        joinTokenRoutes(this.joinTokens),
        deviceRoutes(this.devices),
      ],
      readiness: new Readiness(),
      metrics: new Registry(),
      logger: this.#logger,
      version: '0',
    });
    await this.http.start({ host: '127.0.0.1', port: 0 });
  }

  async #startBroker(port: number): Promise<void> {
    const { authority, devices, inbox } = this;
    this.broker = new AedesBroker({
      tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
      listen: { host: '127.0.0.1', port },
      isAdmitted: (id, sha256) => devices.isAdmitted(id, sha256),
      logger: this.#logger,
      refusals: this.#refusals,
    });
    const nothing = async () => undefined;
    const dispatch = new Dispatch({
      devices,
      inbox,
      handlers: {
        reported: (id, payload) =>
          (this.handlers.reported ?? devices.receiveReported.bind(devices))(id, payload),
        events: (id, payload) => (this.handlers.events ?? devices.receiveEvent.bind(devices))(id, payload),
        presence: (id, payload) =>
          (this.handlers.presence ?? devices.receivePresence.bind(devices))(id, payload),
        telemetry: (id, payload) => (this.handlers.telemetry ?? nothing)(id, payload),
        reply: (id, payload) => (this.handlers.reply ?? nothing)(id, payload),
        'chunk/get': (id, payload) => (this.handlers['chunk/get'] ?? nothing)(id, payload),
      },
    });
    await this.broker.start({
      message: (message) => {
        this.messages.push(message);
        return dispatch.message(message);
      },
      connected: (id, agent) => dispatch.connected(id, agent),
      disconnected: (id) => dispatch.disconnected(id),
    });
  }
}
