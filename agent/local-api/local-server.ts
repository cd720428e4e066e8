/**
 * The HTTP server under the local API: what is bounded before a request is anything more than a head. Fastify is given
 * the requests that are admitted.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { limits } from '../../shared/base/limits.ts';
import { AdmissionQueue, type AdmissionQueueProps } from './admission-queue.ts';
import { LocalConnections } from './local-connections.ts';

/** How often time limits are checked. */
const CHECK_MS = 1_000;

export interface LocalServer {
  readonly server: Server;
  readonly queue: AdmissionQueue;
  /** Ends the watch over time limits; the server is closed by whoever listens with it. */
  stop(): void;
}

/** Listens to nothing yet; requests go to what `listener` gives. */
export function makeLocalServer(props: AdmissionQueueProps, listener: () => RequestListener): LocalServer {
  const queue = new AdmissionQueue(props);
  const serve: RequestListener = (request, response) => {
    connections.noteRequest(request, response);
    queue.enter(request, response, () => listener()(request, response));
  };
  const server = createServer({
    headersTimeout: limits.localHeadMsMax,
    // Bodies have a least speed instead (LocalConnections); this ends what would keep it for hours.
    requestTimeout: limits.localRequestMsMax,
    connectionsCheckingInterval: CHECK_MS,
    keepAliveTimeout: limits.localIdleMsMax,
    // Refused as every other host is, with a code.
    requireHostHeader: false,
  });
  const connections = new LocalConnections(server);
  server.on('request', serve);
  // Node would answer `Expect: 100-continue` before the request is let in, and refuse other expectations without a code.
  server.on('checkContinue', serve);
  server.on('checkExpectation', serve);
  const watch = setInterval(() => {
    const nowMs = performance.now();
    connections.enforceLimits(nowMs);
    queue.rejectLate(nowMs);
  }, CHECK_MS);
  watch.unref();
  return { server, queue, stop: () => clearInterval(watch) };
}
