/** Brokers that send chunks unasked to whoever subscribed: what the hub's transfer is compared with. */
import { setTimeout as pause } from 'node:timers/promises';
import mqtt from 'mqtt';
import type { Authority } from '../../hub/pki/authority.ts';
import { startBareBroker } from './bare-broker.ts';
import { startMosquitto } from './mosquitto.ts';
import { makeDevices } from './transfer-fleet.ts';

/** Chunks sent and not yet taken, on average over the subscribers: brokers keep a copy for each. */
const AHEAD_MAX = 8;

export interface Sender {
  readonly port: number;
  /** Publishes each of the payloads; `taken` says how many each subscriber has, on average. */
  send(topic: string, payloads: readonly Uint8Array[], taken: () => number): Promise<void>;
  close(): Promise<void>;
}

export async function startBareSender(authority: Authority): Promise<Sender> {
  const broker = await startBareBroker(authority);
  return {
    port: broker.port,
    close: broker.close,
    async send(topic, payloads) {
      for (const payload of payloads) {
        await new Promise<void>((resolve, reject) => {
          const packet = {
            cmd: 'publish',
            topic,
            payload: Buffer.from(payload),
            qos: 0,
            retain: false,
            dup: false,
          } as const;
          broker.aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
        });
      }
    },
  };
}

export async function startMosquittoSender(program: string, authority: Authority): Promise<Sender> {
  const broker = await startMosquitto(program, authority);
  const [{ key, cert } = { key: '', cert: '' }] = await makeDevices(authority, 1);
  const options = {
    protocol: 'mqtts',
    host: 'localhost',
    port: broker.port,
    clientId: 'bench-publisher',
    ca: authority.caPem,
    key,
    cert,
    reconnectPeriod: 0,
  } as const;
  const client = await connected(() => mqtt.connectAsync(options));
  return {
    port: broker.port,
    async send(topic, payloads, taken) {
      for (const [n, payload] of payloads.entries()) {
        while (n - taken() > AHEAD_MAX) await pause(1);
        await client.publishAsync(topic, Buffer.from(payload), { qos: 0 });
      }
    },
    async close() {
      await client.endAsync(true);
      await broker.close();
    },
  };
}

/** A broker that has just been started does not listen yet. */
async function connected<T>(connect: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left -= 1) {
    try {
      return await connect();
    } catch (error) {
      if (left === 0) throw error;
      await pause(100);
    }
  }
}
