/** When what the hub signs or proves itself with expires, for `/metrics`, in seconds since the epoch. */
import { Gauge, type Registry } from 'prom-client';
import type { RoleStatus } from './tuf-repository.ts';

export interface ExpiryFigures {
  /** By name; milliseconds since the epoch. */
  readonly certificates: () => Readonly<Record<string, number>>;
  readonly roles: () => Promise<readonly RoleStatus[]>;
}

export function addExpiryMetrics(metrics: Registry, { certificates, roles }: ExpiryFigures): void {
  const registers = [metrics];
  new Gauge({
    name: 'modelfleet_certificate_expiry_timestamp_seconds',
    help: 'When the certificate expires, in seconds since the epoch',
    labelNames: ['certificate'],
    registers,
    collect() {
      for (const [certificate, ms] of Object.entries(certificates())) this.set({ certificate }, ms / 1_000);
    },
  });
  new Gauge({
    name: 'modelfleet_trust_expiry_timestamp_seconds',
    help: 'When the metadata of the TUF role expires, in seconds since the epoch',
    labelNames: ['role'],
    registers,
    async collect() {
      for (const { role, expires } of await roles()) this.set({ role }, Date.parse(expires) / 1_000);
    },
  });
}
