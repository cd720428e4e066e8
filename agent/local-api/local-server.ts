/**
 * The HTTP server under the local API: what is bounded before a request is anything more than a head. Fastify is given
 * the requests whose turn has come.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { limits } from '../../shared/base/limits.ts';
import { LocalConnections } from './local-connections.ts';
import { WaitingLine, type WaitingLineProps } from './waiting-line.ts';

/** How often time limits are looked at. */
const LOOK_MS = 1_000;

export interface LocalServer {
  readonly server: Server;
  readonly line: WaitingLine;
  /** Ends the watch over time limits; the server is closed by whoever listens with it. */
  stop(): void;
}

/** Listens to nothing yet; requests go to what `listener` gives. */
export function makeLocalServer(props: WaitingLineProps, listener: () => RequestListener): LocalServer {
  const line = new WaitingLine(props);
  const serve: RequestListener = (request, response) => {
    connections.noteRequest(request, response);
    line.enter(request, response, () => listener()(request, response));
  };
  const server = createServer({
    headersTimeout: limits.localHeadMsMax,
    // Bodies have a least speed instead (LocalConnections); this ends what would keep it for hours.
    requestTimeout: limits.localRequestMsMax,
    connectionsCheckingInterval: LOOK_MS,
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
    connections.look(nowMs);
    line.look(nowMs);
  }, LOOK_MS);
  watch.unref();
  return { server, line, stop: () => clearInterval(watch) };
}
