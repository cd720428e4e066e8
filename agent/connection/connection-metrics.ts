/** The connection to the hub and what waits to be sent over it, for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface ConnectionFigures {
  readonly link: {
    readonly isConnected: boolean;
    readonly bytesReceived: number;
    readonly connections: number;
    readonly failures: number;
  };
  readonly linkWatch: { readonly busySince: number | undefined };
  readonly outbox: {
    readonly size: number;
    readonly bytes: number;
    readonly dropped: { readonly events: number; readonly telemetry: number };
  };
}

export function addConnectionMetrics(
  registry: Registry,
  { link, linkWatch, outbox }: ConnectionFigures,
): void {
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  gauge('modelfleet_hub_connected', '1 while the device is connected to the hub', () =>
    link.isConnected ? 1 : 0,
  );
  gauge('modelfleet_hub_busy', '1 while the hub holds messages of this device that it cannot store', () =>
    linkWatch.busySince === undefined ? 0 : 1,
  );
  counter('modelfleet_hub_connections_total', 'Connections made to the hub', () => link.connections);
  counter(
    'modelfleet_hub_connection_failures_total',
    'Connections to the hub that were lost or could not be made',
    () => link.failures,
  );
  counter('modelfleet_hub_received_bytes_total', 'Bytes received from the hub', () => link.bytesReceived);
  gauge('modelfleet_outbox_messages', 'Messages that the hub has not acknowledged', () => outbox.size);
  gauge(
    'modelfleet_outbox_bytes',
    'Size of the messages that the hub has not acknowledged',
    () => outbox.bytes,
  );
  new Counter({
    name: 'modelfleet_outbox_dropped_total',
    help: 'Messages dropped because the outbox was full or the disk damaged them',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(outbox.dropped)) this.inc({ kind }, count);
    },
  });
}
