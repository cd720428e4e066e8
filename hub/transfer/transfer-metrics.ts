/** Figures of downloads for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { TransferService } from './transfer-service.ts';

export function registerTransferMetrics(
  metrics: Registry,
  transfer: Pick<TransferService, 'bytesSent' | 'bytesHeld' | 'devicesWaiting'>,
): void {
  new Counter({
    name: 'modelfleet_chunk_bytes_sent_total',
    help: 'Bytes of chunks that sockets of devices have taken',
    registers: [metrics],
    collect() {
      this.reset();
      this.inc(transfer.bytesSent);
    },
  });
  new Gauge({
    name: 'modelfleet_chunk_bytes_held',
    help: 'Bytes of chunks that have their place and that no socket has taken yet',
    registers: [metrics],
    collect() {
      this.set(transfer.bytesHeld);
    },
  });
  new Gauge({
    name: 'modelfleet_downloads_waiting',
    help: 'Devices that wait for their turn to be sent a chunk',
    registers: [metrics],
    collect() {
      this.set(transfer.devicesWaiting);
    },
  });
}
