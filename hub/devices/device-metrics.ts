/** Figures of the fleet's connections for `/metrics`. */
import { Gauge, type Registry } from 'prom-client';

export function registerDeviceMetrics(metrics: Registry, broker: { connectedCount(): number }): void {
  new Gauge({
    name: 'modelfleet_devices_connected',
    help: 'Devices connected to the broker',
    registers: [metrics],
    collect() {
      this.set(broker.connectedCount());
    },
  });
}
