/**
 * A part of the fleet of the connect bench, a process of its own. Its devices connect, subscribe and say that they are there; one is back
 * when it has its desired state. They stay, and come back as an agent does, after growing and random waits; or they
 * connect one after another, so many times in all (`once`). Tells its parent over IPC how many are back.
 */
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { MqttClient } from 'mqtt';
import { reconnectWaitsDefault } from '../../agent/connection/mqtt-session.ts';
import { retrySchedule } from '../../shared/base/retry-schedule.ts';
import { topics } from '../../shared/protocol/topics.ts';

export interface FleetJob {
  readonly port: number;
  readonly ca: string;
  readonly key: string;
  readonly devices: readonly { readonly id: string; readonly cert: string }[];
  readonly once?: number;
}

export interface FleetNews {
  readonly back: number;
  readonly done?: boolean;
}

interface Device {
  readonly id: string;
  readonly secureContext: SecureContext;
}

/** As an agent's. */
const CONNECT_MS = 15_000;
const KEEPALIVE_SECONDS = 30;
const REPORT_MS = 50;
const AT_ONCE = 4;

let back = 0;

process.once('message', (job: FleetJob) => {
  const devices = job.devices.map(({ id, cert }) => ({
    id,
    secureContext: createSecureContext({ ca: job.ca, key: job.key, cert }),
  }));
  if (job.once === undefined) {
    setInterval(() => tell({ back }), REPORT_MS);
    for (const device of devices) void keepConnected(job.port, device);
  } else {
    void comeAndGo(job.port, devices, job.once);
  }
});

function tell(news: FleetNews): void {
  process.send!(news);
}

async function comeAndGo(port: number, devices: readonly Device[], times: number): Promise<void> {
  let made = 0;
  const worker = async (): Promise<void> => {
    while (made < times) {
      const device = devices[made % devices.length]!;
      made += 1;
      const { isBack } = await connectOnce(port, device, (client) => client.end());
      if (!isBack) throw new Error('bench: a device was not let in');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  tell({ back: 0, done: true });
}

async function keepConnected(port: number, device: Device): Promise<never> {
  const fresh = () => retrySchedule({ ...reconnectWaitsDefault.lost, random: Math.random });
  let waits = fresh();
  for (;;) {
    const { isBack, heldMs } = await connectOnce(port, device, () => undefined);
    if (isBack && heldMs >= reconnectWaitsDefault.stableMs) waits = fresh();
    await new Promise((resolve) => setTimeout(resolve, waits.next().value));
  }
}

/** Resolves when the connection has ended: whether the device was back by then. */
function connectOnce(
  port: number,
  { id, secureContext }: Device,
  whenBack: (client: MqttClient) => void,
): Promise<{ readonly isBack: boolean; readonly heldMs: number }> {
  return new Promise((resolve) => {
    const began = performance.now();
    let isBack = false;
    const socket = connectTls({ host: '127.0.0.1', servername: 'localhost', port, secureContext });
    const client = new MqttClient(() => socket, {
      protocol: 'mqtts',
      clientId: id,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      connectTimeout: CONNECT_MS,
      reconnectPeriod: 0,
      resubscribe: false,
    });
    const presence = (online: boolean) => JSON.stringify({ v: 1, online });
    client.once('connect', () => {
      client.subscribe([...topics.deviceFilters(id)], { qos: 1 });
      client.publish(topics.device(id, 'presence'), presence(true), { qos: 1, retain: true });
    });
    client.once('message', () => {
      isBack = true;
      back += 1;
      whenBack(client);
    });
    client.on('error', () => undefined);
    client.once('close', () => {
      if (isBack) back -= 1;
      client.end(true);
      resolve({ isBack, heldMs: performance.now() - began });
    });
  });
}
