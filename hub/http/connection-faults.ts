/** What goes wrong before there is a request: connections beyond their bound, and TLS handshakes that fail. */
import type { Server } from 'node:https';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RefusalListener } from '../security/refusal.ts';
import type { OpenConnections } from './open-connections.ts';

interface FaultListeners {
  readonly refusals?: RefusalListener | undefined;
}

/** A peer that hung up in the middle is no refusal: lines break, and probes only connect. */
export function reportHandshakeFaults(server: Server, { refusals }: FaultListeners): void {
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (!error.code?.startsWith('ERR_')) return;
    // A socket that was destroyed has no address any more; the TCP socket under it still does.
    const { _parent: below } = socket as typeof socket & { _parent?: typeof socket | null };
    const address = socket.remoteAddress ?? below?.remoteAddress;
    refusals?.refused({ kind: 'https_handshake', address, reason: error.code });
  });
}

export function registerConnectionMetrics(
  metrics: Registry,
  connections: Pick<OpenConnections, 'size' | 'refusedCount'>,
): void {
  new Gauge({
    name: 'modelfleet_http_connections',
    help: 'Open connections to the REST API, with those whose TLS handshake is not finished',
    registers: [metrics],
    collect() {
      this.set(connections.size);
    },
  });
  new Counter({
    name: 'modelfleet_http_connections_refused_total',
    help: 'Connections to the REST API that were closed because there were too many',
    registers: [metrics],
    collect() {
      this.reset();
      this.inc(connections.refusedCount);
    },
  });
}
