/** Figures of refusals for `/metrics`. */
import { Counter, type Registry } from 'prom-client';
import type { SecurityEvents } from './security-events.ts';

export function registerSecurityMetrics(metrics: Registry, security: Pick<SecurityEvents, 'counts'>): void {
  new Counter({
    name: 'modelfleet_refusals_total',
    help: 'Refused requests, connections and messages by kind; failed authentication is api_token, join_token, certificate, handshake and connect. The audit log has the details (action security)',
    labelNames: ['kind'],
    registers: [metrics],
    collect() {
      this.reset();
      for (const [kind, count] of security.counts()) this.inc({ kind }, count);
    },
  });
}
