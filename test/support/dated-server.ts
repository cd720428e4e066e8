/** An HTTPS server in the place of a hub's REST API, whose clock is moved; it keeps the head of every request. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface DatedServer {
  readonly url: string;
  /** `HEAD /healthz` with its headers, a line each. */
  readonly requests: string[];
}

/** Answers 200 with a Date header that differs from this machine's clock by `offsetMs`; undefined: with none. */
export async function startDatedServer(
  tls: { readonly key: string; readonly cert: string },
  offsetMs: number | undefined,
): Promise<DatedServer> {
  const requests: string[] = [];
  const server = createServer(tls, (request, response) => {
    requests.push([`${request.method} ${request.url}`, ...request.rawHeaders].join('\n'));
    response.sendDate = false;
    if (offsetMs !== undefined) response.setHeader('date', new Date(Date.now() + offsetMs).toUTCString());
    response.end();
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, requests };
}
