/** An authority, devices with certificates of it, and MQTT clients of them; for tests of a broker. */

import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { type KeyAndCsr, makeCsr, makeKeyAndCsr } from '../../agent/connection/csr.ts';
import type { DeviceIdentity } from '../../agent/connection/identity.ts';
import { AedesBroker, type AedesBrokerProps } from '../../hub/broker/aedes-broker.ts';
import type { Broker, BrokerHandlers } from '../../hub/broker/broker.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';

export interface DeviceCredentials {
  readonly deviceId: string;
  readonly key: string;
  readonly cert: string;
  readonly sha256: string;
}

export class BrokerWorld {
  readonly authority: Authority;
  readonly folder: string;
  readonly #key: KeyAndCsr;
  readonly #clients: MqttClient[] = [];
  readonly #sockets: TLSSocket[] = [];

  private constructor(folder: string, authority: Authority, key: KeyAndCsr) {
    this.folder = folder;
    this.authority = authority;
    this.#key = key;
  }

  static async make(): Promise<BrokerWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'modelfleet-broker-'));
    const authority = await Authority.open(folder, { clock: systemClock, advertise: [] });
    return new BrokerWorld(folder, authority, await makeKeyAndCsr('any'));
  }

  /** A broker that admits everybody, where `props` say nothing else; `startBroker` starts it too. */
  makeBroker(props: Partial<AedesBrokerProps> = {}): AedesBroker {
    const { authority } = this;
    return new AedesBroker({
      tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
      listen: { host: '127.0.0.1', port: 0 },
      isAdmitted: async () => true,
      logger: makeLogger('test', 'silent'),
      ...props,
    });
  }

  /** Takes whatever devices send, where `message` does nothing else with it. */
  async startBroker(
    props: Partial<AedesBrokerProps> = {},
    message: BrokerHandlers['message'] = async () => undefined,
  ): Promise<AedesBroker> {
    const broker = this.makeBroker(props);
    const nothing = () => undefined;
    await broker.start({ message, connected: nothing, disconnected: nothing });
    return broker;
  }

  /** All devices share a key, which no broker can see; making one each would take most of the test's time. */
  credentials(deviceId: string, authority = this.authority): DeviceCredentials {
    const { keyPem } = this.#key;
    const publicKey = createPublicKey(keyPem).export({ type: 'spki', format: 'pem' }).toString();
    const issued = authority.signDeviceCsr(makeCsr(deviceId, publicKey, keyPem), deviceId);
    return { deviceId, key: keyPem, cert: issued.certificatePem, sha256: issued.sha256 };
  }

  /** A client that connects once; rejects with the reason when it is refused. */
  async connect(
    broker: Broker,
    deviceId: string,
    options: Partial<IClientOptions> = {},
  ): Promise<MqttClient> {
    const { key, cert } = this.credentials(deviceId);
    const client = connect({
      protocol: 'mqtts',
      host: 'localhost',
      port: broker.port,
      ca: this.authority.caPem,
      key,
      cert,
      clientId: deviceId,
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: 20_000,
      ...options,
    } as IClientOptions);
    this.#clients.push(client);
    return ready(client);
  }

  /** A bare TLS connection of a device, for bytes no client library would send. */
  async socket(broker: Broker, deviceId: string): Promise<TLSSocket> {
    const { key, cert } = this.credentials(deviceId);
    const socket = connectTls({ host: 'localhost', port: broker.port, ca: this.authority.caPem, key, cert });
    socket.on('error', () => undefined);
    this.#sockets.push(socket);
    await once(socket, 'secureConnect');
    return socket;
  }

  /** Ends every client made. */
  endClients(): void {
    for (const client of this.#clients.splice(0)) client.end(true);
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  async remove(): Promise<void> {
    this.endClients();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function closeOf(client: MqttClient): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()));
}

/** A client of an enrolled device that connects once; rejects with the reason when it is refused. */
export async function deviceClient(
  hub: { readonly broker: Broker },
  { device, keyPem, certificatePem, caPem }: DeviceIdentity,
): Promise<MqttClient> {
  const client = connect({
    protocol: 'mqtts',
    host: 'localhost',
    port: hub.broker.port,
    ca: caPem,
    key: keyPem,
    cert: certificatePem,
    clientId: device,
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  return ready(client);
}

async function ready(client: MqttClient): Promise<MqttClient> {
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed')));
  });
  client.on('error', () => undefined);
  return client;
}
