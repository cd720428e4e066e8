/**
 * An attacker's broker: it has the hub's TLS key and certificate and what was recorded on the wire, but no signing key. It stands where
 * the hub stood and gives one device an old desired state.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { topics } from '../shared/protocol/topics.ts';

export interface RogueBrokerOptions {
  /** PEM file with the hub's TLS key and certificate, and the CA's. */
  readonly serverFile: string;
  readonly caFile: string;
  readonly port: number;
  readonly deviceId: string;
  /** The signed statement to replay. */
  readonly envelope: string;
}

/** Starts it; the function returned ends it. `met` resolves when the device has taken the message. */
export async function startRogueBroker(options: RogueBrokerOptions) {
  const [server, ca] = await Promise.all([
    readFile(options.serverFile, 'utf8'),
    readFile(options.caFile, 'utf8'),
  ]);
  const aedes = await Aedes.createBroker();
  const topic = topics.device(options.deviceId, 'desired');
  await new Promise<void>((resolve, reject) => {
    aedes.publish(
      { cmd: 'publish', topic, payload: Buffer.from(options.envelope), qos: 1, retain: true, dup: false },
      (error) => (error ? reject(error) : resolve()),
    );
  });
  const met = new Promise<void>((resolve) => {
    aedes.on('ack', (packet, client) => {
      if (client.id === options.deviceId && (packet as { topic?: string } | undefined)?.topic === topic)
        resolve();
    });
  });
  const certificates = server.slice(server.indexOf('-----BEGIN CERTIFICATE-----'));
  const caCertificate = ca.slice(ca.indexOf('-----BEGIN CERTIFICATE-----'));
  const listener = createServer({ key: server, cert: certificates + caCertificate }, (socket) =>
    aedes.handle(socket),
  );
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(options.port, '127.0.0.1', resolve);
  });
  const stop = async (): Promise<void> => {
    await new Promise<void>((resolve) => aedes.close(resolve));
    await new Promise<void>((resolve) => listener.close(() => resolve()));
  };
  return { met, stop };
}
