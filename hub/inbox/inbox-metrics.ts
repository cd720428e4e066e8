/** Figures of the inbox for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceInbox } from './device-inbox.ts';

export function registerInboxMetrics(
  metrics: Registry,
  inbox: Pick<DeviceInbox, 'counts' | 'waiting' | 'isHeld'>,
): void {
  new Gauge({
    name: 'modelfleet_inbox_waiting',
    help: 'Device messages waiting to be stored',
    registers: [metrics],
    collect() {
      this.set(inbox.waiting);
    },
  });
  new Gauge({
    name: 'modelfleet_inbox_held',
    help: '1 while device messages cannot be stored and are retried',
    registers: [metrics],
    collect() {
      this.set(inbox.isHeld ? 1 : 0);
    },
  });
  new Counter({
    name: 'modelfleet_inbox_entries_total',
    help: 'Device messages by outcome: stored, or refused because that message alone failed',
    labelNames: ['outcome'],
    registers: [metrics],
    collect() {
      this.reset();
      this.inc({ outcome: 'stored' }, inbox.counts.stored);
      this.inc({ outcome: 'refused' }, inbox.counts.refused);
    },
  });
  new Counter({
    name: 'modelfleet_inbox_batches_total',
    help: 'Transactions for device messages by outcome: stored, or held because the database could not write',
    labelNames: ['outcome'],
    registers: [metrics],
    collect() {
      this.reset();
      this.inc({ outcome: 'stored' }, inbox.counts.batches);
      this.inc({ outcome: 'held' }, inbox.counts.held);
    },
  });
}
