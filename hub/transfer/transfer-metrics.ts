/** Figures of downloads for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { TransferService } from './transfer-service.ts';

export function registerTransferMetrics(
  metrics: Registry,
  transfer: Pick<TransferService, 'bytesSent' | 'bytesHeld' | 'devicesWaiting'>,
): void {
  new Counter({
    name: 'modelfleet_chunk_bytes_sent_total',
    help: 'Bytes of chunks sent to devices',
    registers: [metrics],
    collect() {
      this.reset();
      this.inc(transfer.bytesSent);
    },
  });
  new Gauge({
    name: 'modelfleet_chunk_bytes_held',
    help: 'Bytes of chunks in memory that are not yet written to a socket',
    registers: [metrics],
    collect() {
      this.set(transfer.bytesHeld);
    },
  });
  new Gauge({
    name: 'modelfleet_downloads_waiting',
    help: 'Devices whose download is queued',
    registers: [metrics],
    collect() {
      this.set(transfer.devicesWaiting);
    },
  });
}
