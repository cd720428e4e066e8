/** Conditions, disk, and when certificate and trust metadata expire, for `/metrics`. */
import { Gauge, type Registry } from 'prom-client';
import type { Condition } from '../../shared/protocol/reported-state.ts';
import { roleExpiry, trustRoles } from '../trust/role-expiry.ts';
import type { VerifiedSet } from '../trust/verified-files.ts';
import { conditionCatalogue } from './conditions.ts';

export interface HealthFigures {
  readonly conditions: () => readonly Condition[];
  readonly freeBytes: () => Promise<number>;
  /** Milliseconds since the epoch. */
  readonly certificateExpiresAt: number;
  readonly trust: { load(): Promise<VerifiedSet> };
  readonly monotonic: () => number;
}

/** The files are large and change seldom: they are read again after this time. */
const TRUST_READ_MS = 600_000;

export function addHealthMetrics(registry: Registry, figures: HealthFigures): void {
  const registers = [registry];
  new Gauge({
    name: 'modelfleet_condition',
    help: '1 while the condition holds',
    labelNames: ['code', 'severity'],
    registers,
    collect() {
      for (const [code, { severity }] of Object.entries(conditionCatalogue)) this.set({ code, severity }, 0);
      for (const { code, severity } of figures.conditions()) this.set({ code, severity }, 1);
    },
  });
  new Gauge({
    name: 'modelfleet_disk_free_bytes',
    help: 'Free space on the disk of the data folder',
    registers,
    async collect() {
      this.set(await figures.freeBytes().catch(() => Number.NaN));
    },
  });
  new Gauge({
    name: 'modelfleet_certificate_expiry_timestamp_seconds',
    help: 'When the certificate expires, in seconds since the epoch',
    labelNames: ['certificate'],
    registers,
  }).set({ certificate: 'device' }, figures.certificateExpiresAt / 1_000);
  addTrustExpiry(registry, figures);
}

function addTrustExpiry(registry: Registry, { trust, monotonic }: HealthFigures): void {
  let readAt = Number.NEGATIVE_INFINITY;
  new Gauge({
    name: 'modelfleet_trust_expiry_timestamp_seconds',
    help: 'When the verified metadata of the TUF role expires, in seconds since the epoch',
    labelNames: ['role'],
    registers: [registry],
    async collect() {
      if (monotonic() - readAt < TRUST_READ_MS) return;
      readAt = monotonic();
      // Without a trust root there is nothing to show; the condition and `doctor` say so.
      const set = await trust.load().catch(() => undefined);
      for (const role of trustRoles) {
        const ms = roleExpiry(set?.[role]);
        if (ms === undefined) this.remove({ role });
        else this.set({ role }, ms / 1_000);
      }
    },
  });
}
