/** Figures of refusals for `/metrics`. */
import { Counter, type Registry } from 'prom-client';
import type { SecurityEvents } from './security-events.ts';

export function registerSecurityMetrics(metrics: Registry, security: Pick<SecurityEvents, 'counts'>): void {
  new Counter({
    name: 'modelfleet_refusals_total',
    help: 'What was refused of devices, tokens and strangers, by kind; the audit log tells of whom (action security)',
    labelNames: ['kind'],
    registers: [metrics],
    collect() {
      this.reset();
      for (const [kind, count] of security.counts()) this.inc({ kind }, count);
    },
  });
}
