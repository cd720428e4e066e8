/**
 * The sending side of the events bench, a process of its own: devices that send so many events each without waiting, or one that sends
 * its next event when the one before is acknowledged, until told to stop. Speaks with its parent over IPC: `{ready}` once all are
 * connected, `{go}`, then `{ms}` or, after `{stop}`, `{acknowledgedMs}`.
 */
import mqtt from 'mqtt';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import { topics } from '../../shared/protocol/topics.ts';

export interface EventSendersJob {
  readonly port: number;
  readonly ca: string;
  readonly key: string;
  readonly devices: readonly { readonly id: string; readonly cert: string }[];
  /** What the devices send: events, or what they report of themselves. */
  readonly leaf: 'events' | 'reported';
  /** Messages of each device; undefined: one after the other, until told to stop. */
  readonly eventsEach?: number;
  /** Tells the events of one run from those of another. */
  readonly run: string;
}

/** Between two events of the quiet device. */
const PAUSE_MS = 10;

process.once('message', (job: EventSendersJob) => {
  void send(job);
});

async function send({ port, ca, key, devices, leaf, eventsEach, run }: EventSendersJob): Promise<void> {
  const clients: { readonly id: string; readonly client: mqtt.MqttClient }[] = [];
  for (let at = 0; at < devices.length; at += 50) {
    const connecting = devices.slice(at, at + 50).map(async ({ id, cert }) => {
      const options = { host: 'localhost', port, clientId: id, ca, key, cert };
      const client = await mqtt.connectAsync({
        ...options,
        protocol: 'mqtts',
        protocolVersion: 4,
        reconnectPeriod: 0,
      });
      return { id, client };
    });
    clients.push(...(await Promise.all(connecting)));
  }
  process.send!({ ready: true });
  await new Promise((resolve) => process.once('message', resolve));
  const publish = ({ id, client }: (typeof clients)[number], n: number) =>
    client.publishAsync(topics.device(id, leaf), leaf === 'events' ? event(`${run}-${n}`) : reported(n), {
      qos: 1,
    });
  const started = performance.now();
  if (eventsEach !== undefined) {
    await Promise.all(
      clients.flatMap((one) => Array.from({ length: eventsEach }, (_, n) => publish(one, n))),
    );
    process.send!({ ms: performance.now() - started });
  } else {
    const acknowledgedMs: number[] = [];
    let isOver = false;
    process.once('message', () => {
      isOver = true;
    });
    for (let n = 0; !isOver; n += 1) {
      const sent = performance.now();
      await publish(clients[0]!, n);
      acknowledgedMs.push(performance.now() - sent);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    process.send!({ acknowledgedMs });
  }
  for (const { client } of clients) client.end();
}

function event(id: string): string {
  return JSON.stringify({
    v: 1,
    id,
    at: '2026-01-01T00:00:00Z',
    model: 'air-quality',
    version: '1.0.0',
    manifest: 'a'.repeat(64),
    sequence: 1,
    state: 'downloading',
  });
}

/** Each differs from the one before. */
function reported(n: number): string {
  const state: ReportedState = {
    v: 2,
    at: '2026-01-01T00:00:00Z',
    sequence: 0,
    facts: {
      agentVersion: '0.1.0',
      os: 'linux',
      arch: 'x64',
      cpus: 4,
      memoryBytes: 4 * 1024 ** 3,
      hostname: 'bench',
      providers: ['cpu'],
    },
    freeBytes: 1_000_000_000 + n,
    models: [
      {
        model: 'air-quality',
        active: { version: '1.0.0', manifest: 'a'.repeat(64), release: 1 },
        provider: 'cpu',
        previous: [],
        quarantined: [],
      },
    ],
    conditions: [],
  };
  return JSON.stringify(state);
}
