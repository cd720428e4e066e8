/** Figures of the inbox for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceInbox } from './device-inbox.ts';

export function registerInboxMetrics(
  metrics: Registry,
  inbox: Pick<DeviceInbox, 'counts' | 'waiting' | 'isHeld'>,
): void {
  new Gauge({
    name: 'modelfleet_inbox_waiting',
    help: 'Messages of devices that wait to be stored',
    registers: [metrics],
    collect() {
      this.set(inbox.waiting);
    },
  });
  new Gauge({
    name: 'modelfleet_inbox_held',
    help: '1 while messages of devices cannot be stored and are tried again',
    registers: [metrics],
    collect() {
      this.set(inbox.isHeld ? 1 : 0);
    },
  });
  new Counter({
    name: 'modelfleet_inbox_entries_total',
    help: 'Messages of devices by what became of them: stored, or refused because they failed for themselves',
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
    help: 'Transactions that messages of devices were stored in, and those that the database could not take (held)',
    labelNames: ['outcome'],
    registers: [metrics],
    collect() {
      this.reset();
      this.inc({ outcome: 'stored' }, inbox.counts.batches);
      this.inc({ outcome: 'held' }, inbox.counts.held);
    },
  });
}
