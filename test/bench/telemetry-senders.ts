/**
 * The sending side of the telemetry bench, a process of its own: so many devices over mTLS, each with as many reports
 * under way as an agent's outbox has, sending a fresh report for each acknowledgement. Speaks with its parent over IPC:
 * `{ready}` once all are connected, `{go}`, then `{done, acknowledged, ms}`.
 */
import mqtt from 'mqtt';
import { topics } from '../../shared/protocol/topics.ts';

export interface SendersJob {
  readonly port: number;
  readonly ca: string;
  readonly key: string;
  readonly devices: readonly { readonly id: string; readonly cert: string }[];
  readonly underWay: number;
  readonly forMs: number;
  /** A report, base64, and where in it the four bytes of its number are. */
  readonly report: string;
  readonly numberAt: number;
  readonly firstNumber: number;
}

process.once('message', (job: SendersJob) => {
  void send(job);
});

async function send(job: SendersJob): Promise<void> {
  const report = Buffer.from(job.report, 'base64');
  const clients = await Promise.all(
    job.devices.map(async ({ id, cert }) => {
      const client = await mqtt.connectAsync({
        protocol: 'mqtts',
        host: 'localhost',
        port: job.port,
        clientId: id,
        ca: job.ca,
        key: job.key,
        cert,
        protocolVersion: 4,
        reconnectPeriod: 0,
      });
      return { id, client };
    }),
  );
  process.send!({ ready: true });
  await new Promise((resolve) => process.once('message', resolve));
  const started = performance.now();
  let acknowledged = 0;
  await Promise.all(
    clients.flatMap(({ id, client }) => {
      const topic = topics.device(id, 'telemetry');
      let number = job.firstNumber;
      return Array.from({ length: job.underWay }, async () => {
        while (performance.now() - started < job.forMs) {
          const payload = Buffer.from(report);
          payload.writeUInt32BE(number, job.numberAt);
          number += 1;
          await client.publishAsync(topic, payload, { qos: 1 });
          acknowledged += 1;
        }
      });
    }),
  );
  process.send!({ done: true, acknowledged, ms: performance.now() - started });
  for (const { client } of clients) client.end();
}
