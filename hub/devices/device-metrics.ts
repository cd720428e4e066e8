/** Figures of the fleet for `/metrics`: how many devices there are, connect, run which version. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../../shared/base/clock.ts';
import type { DeviceStore } from './device-store.ts';
import type { FleetCensus, VersionCount } from './fleet-census.ts';

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
    help: 'Connections to the broker whose TLS handshake or CONNECT is not finished',
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
    help: 'Bytes of device messages that are not acknowledged yet; past the limit no device is read',
    registers: [metrics],
    collect() {
      this.set(broker.unanswered.bytes);
    },
  });
  new Counter({
    name: 'modelfleet_devices_held_back_total',
    help: 'Times a device exceeded its message budget and was read later; counted at most once a minute per device',
    registers: [metrics],
    collect() {
      this.reset();
      this.inc(broker.heldBackCount);
    },
  });
}

export interface FleetFigures {
  readonly store: Pick<DeviceStore, 'totals' | 'certificateExpiry'>;
  readonly census: Pick<FleetCensus, 'versions' | 'withConditions'>;
  /** Those of these versions that exist: devices may report what they like. */
  readonly published: (versions: readonly VersionCount[]) => Promise<readonly VersionCount[]>;
  readonly clock: Clock;
}

const EXPIRES_SOON_MS = 30 * 86_400_000;

export function addFleetMetrics(metrics: Registry, { store, census, published, clock }: FleetFigures): void {
  const registers = [metrics];
  new Gauge({
    name: 'modelfleet_devices_enrolled',
    help: 'Devices by group; removed ones do not count',
    labelNames: ['group'],
    registers,
    async collect() {
      const totals = await store.totals();
      this.reset();
      for (const { group, devices } of totals) this.set({ group }, devices);
    },
  });
  new Gauge({
    name: 'modelfleet_device_versions',
    help: 'Devices that reported the version: active, or the state of the update they tried last',
    labelNames: ['model', 'version', 'state'],
    registers,
    async collect() {
      const versions = await published(census.versions());
      this.reset();
      for (const { model, version, state, devices } of versions) this.set({ model, version, state }, devices);
    },
  });
  new Gauge({
    name: 'modelfleet_devices_with_conditions',
    help: 'Devices whose last report has a condition of the severity',
    labelNames: ['severity'],
    registers,
    collect() {
      for (const [severity, devices] of census.withConditions()) this.set({ severity }, devices);
    },
  });
  new Gauge({
    name: 'modelfleet_device_certificate_expiry_timestamp_seconds',
    help: 'When the first device certificate expires, in seconds since the epoch; NaN without devices',
    registers,
    async collect() {
      const { firstAt } = await store.certificateExpiry(0);
      this.set(firstAt === undefined ? Number.NaN : firstAt / 1_000);
    },
  });
  new Gauge({
    name: 'modelfleet_device_certificates_expiring',
    help: 'Device certificates that expire within 30 days or have expired',
    registers,
    async collect() {
      this.set((await store.certificateExpiry(clock.now() + EXPIRES_SOON_MS)).before);
    },
  });
}
