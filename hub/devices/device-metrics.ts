/** Figures of the fleet's connections for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';

export function registerDeviceMetrics(
  metrics: Registry,
  broker: {
    connectedCount(): number;
    halfOpenCount(): number;
    readonly heldBackCount: number;
    readonly unanswered: { readonly bytes: number };
  },
): void {
  new Gauge({
    name: 'modelfleet_connections_half_open',
    help: 'Connections to the broker that are not admitted yet: TLS handshake or CONNECT not finished',
    registers: [metrics],
    collect() {
      this.set(broker.halfOpenCount());
    },
  });
  new Gauge({
    name: 'modelfleet_devices_connected',
    help: 'Devices connected to the broker',
    registers: [metrics],
    collect() {
      this.set(broker.connectedCount());
    },
  });
  new Gauge({
    name: 'modelfleet_devices_unanswered_bytes',
    help: 'What messages of devices take that are not answered yet; past the bound no device is read',
    registers: [metrics],
    collect() {
      this.set(broker.unanswered.bytes);
    },
  });
  new Counter({
    name: 'modelfleet_devices_held_back_total',
    help: 'How often a device sent more than its budget and the rest was read later, at most once a minute and device',
    registers: [metrics],
    collect() {
      this.reset();
      this.inc(broker.heldBackCount);
    },
  });
}
