/**
 * Whether the hub takes this device in: not only that something answers at its address, but that it lets the device connect. A
 * device that was removed shakes hands like any other, and is refused one message later.
 */
import { MqttClient } from 'mqtt';
import { connectPinned } from '../../platform/pinned-tls.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { DeviceIdentity } from '../connection/identity.ts';
import { isRefusedByHub, linkFailureText } from '../connection/link-failure.ts';
import { type Check, failed } from './check.ts';

const CONNECT_MS = 5_000;

/** Connects as the device: for when no agent of its own is connected, since the hub lets in one at a time. */
export async function checkHub(identity: DeviceIdentity, floor: Pick<Clock, 'now'>): Promise<Check> {
  const name = 'hub';
  const { host, port } = identity.mqtt;
  const address = `mqtts://${host}:${port}`;
  try {
    await connectOnce(identity, floor);
    return {
      name,
      verdict: 'ok',
      found: `${address} answers with the right certificate and accepts this device`,
    };
  } catch (error) {
    if (isRefusedByHub(error)) {
      return {
        name,
        verdict: 'fail',
        found: `${address}: ${linkFailureText(error)}`,
        wayOut:
          'Check "modelfleet devices show ID" and "modelfleet audit list" on the hub. Then enrol the device again with a new join token and --force.',
      };
    }
    const found = failed(name, error);
    return {
      ...found,
      found: isAppError(error) ? found.found : `${address}: ${found.found}`,
      wayOut: found.wayOut ?? `Check that the hub is running and that this device can reach ${host}:${port}.`,
    };
  }
}

async function connectOnce(identity: DeviceIdentity, floor: Pick<Clock, 'now'>): Promise<void> {
  const { host, port } = identity.mqtt;
  const socket = await connectPinned({
    ...identity,
    host,
    port,
    provenNow: () => floor.now(),
    timeoutMs: CONNECT_MS,
  });
  const client = new MqttClient(() => socket, {
    protocol: 'mqtts',
    clientId: identity.device,
    protocolVersion: 4,
    clean: true,
    connectTimeout: CONNECT_MS,
    reconnectPeriod: 0,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.on('error', reject);
      client.on('close', () => reject(new Error('the hub closed the connection')));
    });
    await client.endAsync();
  } finally {
    client.end(true);
  }
}
