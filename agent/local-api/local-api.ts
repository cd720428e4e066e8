/**
 * The local API: Open Inference Protocol v2 over HTTP on loopback, with Triton's extensions as far as a device has a use
 * for them, for the programs of this device. One addition: `POST /v2/models/{m}/feedback` takes the label of an earlier
 * answer. Errors are `{"error": text, "code": code}`.
 */

import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { asListenError } from '../../platform/listen-error.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { InferenceStatistics } from '../serving/inference-statistics.ts';
import type { ModelServer } from '../serving/model-server.ts';
import { Admission, type Ticket } from './admission.ts';
import { asClientError, rawAnswer, sendError } from './error-answer.ts';
import { hostGuard } from './host-guard.ts';
import { addInferRoutes } from './infer-routes.ts';
import { makeLocalServer } from './local-server.ts';
import { addModelRoutes } from './model-routes.ts';
import { checkBodyHead, readBody } from './request-body.ts';
import { addServerRoutes } from './server-routes.ts';
import { unknownRoute } from './unknown-route.ts';

const CLOSE_MS = 5_000;

export interface LocalApiProps {
  readonly models: ModelServer;
  /** What `/metrics` shows. */
  readonly metrics: Registry;
  /** What `/metrics/triton` shows. */
  readonly tritonMetrics: Registry;
  readonly clock: Clock;
  /** 0 takes a free one. */
  readonly port: number;
  /** Address to listen on; loopback by default, because the API asks for no credentials. */
  readonly host?: string;
  /** The agent's version, told by `GET /v2`. */
  readonly version: string;
  readonly logger: Logger;
}

export interface LocalApi {
  /** Such as `http://127.0.0.1:7470`. */
  readonly url: string;
  readonly port: number;
  /** Takes no new connection, lets requests under way finish; who is not done in time is cut off. */
  close(): Promise<void>;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's place in what the local API holds at once. */
    ticket: Ticket;
  }
  interface FastifyContextConfig {
    /** Largest body of the route. */
    bodyBytesMax?: number;
  }
}

/** Starts listening. Throws `port_in_use`. */
export async function openLocalApi(props: LocalApiProps): Promise<LocalApi> {
  const { host = '127.0.0.1', port, models, clock } = props;
  const { app, queue, stop } = makeApp(props);
  const statistics = new InferenceStatistics(clock);
  addServerRoutes(app, props);
  addModelRoutes(app, models, statistics);
  addInferRoutes(app, { models, statistics, queue, clock });
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close().finally(stop);
    throw asListenError(cause, { host, port, option: '--port' });
  }
  const { port: bound } = app.server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  const close = () => closeInTime(app).finally(stop);
  return { url: `http://${shown}:${bound}`, port: bound, close };
}

function makeApp({ host = '127.0.0.1', models, logger }: LocalApiProps) {
  let listener: RequestListener;
  const { server, queue, stop } = makeLocalServer(
    { eachMs: (model) => models.eachMs(model), waitMsMax: models.deadlineMs },
    () => listener,
  );
  const app = fastify({
    serverFactory: (handler) => {
      listener = handler;
      return server;
    },
    bodyLimit: limits.inferBodyBytesMax,
    forceCloseConnections: 'idle',
    // What comes on a connection that is still open is answered, and the connection then closed.
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => sendError(reply, error, logger),
    clientErrorHandler: (error, socket) => answerClientError(error, socket),
  });
  const checkHost = hostGuard(host);
  const admission = new Admission();
  app.decorateRequest('ticket', null as unknown as Ticket);
  app.addHook('onRequest', async (request, reply) => {
    checkHost(request.raw);
    const ticket = admission.enter();
    request.ticket = ticket;
    reply.raw.once('close', () => ticket.release());
    // Before a body is read.
    if (request.is404) throw unknownRoute(app, request);
    checkBodyHead(request.raw, bodyPropsOf(request));
  });
  // `Expect: 100-continue` is answered here, where the request is let in and its body is about to be read.
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (asksToContinue(request.raw)) reply.raw.writeContinue();
    done(null, payload);
  });
  // Bodies stay bytes: they are parsed once, by the schema of the route, whatever content type a client names.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest) => readBodyOf(request));
  app.setErrorHandler((error, _request, reply) => sendError(reply, error, logger));
  return { app, queue, stop };
}

/** Other expectations are ignored, and HTTP/1.0, which has none, would take the invitation for the answer. */
function asksToContinue({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue';
}

function readBodyOf(request: FastifyRequest): Promise<Uint8Array> {
  return readBody(request.raw, bodyPropsOf(request));
}

function bodyPropsOf({ ticket, routeOptions }: FastifyRequest) {
  return { ticket, bytesMax: routeOptions.config.bodyBytesMax ?? limits.localBodyBytesMax };
}

function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  socket.write(rawAnswer(asClientError(error)));
  socket.destroySoon();
}

/** A client that never ends its request must not keep the agent from ending. */
async function closeInTime(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  await app.close().finally(() => clearTimeout(cut));
}
