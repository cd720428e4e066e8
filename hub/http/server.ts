/**
 * The hub's HTTPS server: plumbing only. Features bring their routes; this adds TLS, validation by their schemas, authentication,
 * error answers, limits, metrics and the API's description.
 */
import { maxHeaderSize } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { Histogram, type Registry } from 'prom-client';
import type { TSchema } from 'typebox';
import { LimitedLog } from '../../platform/limited-log.ts';
import { asListenError } from '../../platform/listen-error.ts';
import type { Logger } from '../../platform/logger.ts';
import { tlsServerRules } from '../../platform/tls-rules.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import type { RefusalListener } from '../security/refusal.ts';
import type { AccessLog } from './access-log.ts';
import { type Authenticator, addAuthentication } from './authentication.ts';
import { closeRequest } from './closed-schema.ts';
import { addCompression } from './compression.ts';
import { registerConnectionMetrics, reportHandshakeFaults } from './connection-faults.ts';
import { answerError, type RefusedRequest, refusedRequest } from './error-response.ts';
import { addEntityTags } from './etag.ts';
import { OpenConnections, type OpenConnectionsProps } from './open-connections.ts';
import { addOpenApi } from './openapi.ts';
import { addMetricsRoute, addProbeRoutes } from './operation-routes.ts';
import { addPreconditions } from './preconditions.ts';
import type { Readiness } from './readiness.ts';
import { requestIdOf } from './request-id.ts';
import type { RequestRate } from './request-rate.ts';
import { checkBodyHead, compileValidator, readJsonBody } from './request-validation.ts';
import type { Api, Routes } from './routes.ts';
import { addSecurityHeaders } from './security-headers.ts';
import { addPageLinks } from './sorting.ts';
import { TrustedProxies } from './trusted-proxies.ts';
import { refuseUnreadable } from './unreadable-request.ts';
import { addUnroutedAnswers } from './unrouted.ts';

export interface HttpServerProps {
  /** PEM; the certificate is followed by the CA's, so that a client can check the CA by its fingerprint. */
  readonly tls: { readonly key: string; readonly cert: string };
  readonly tokens: Authenticator;
  readonly requestRate: RequestRate;
  readonly routes: readonly Routes[];
  /** Adds to the routes of the API what is done around their handlers; before they are registered. */
  readonly around?: (api: FastifyInstance) => void;
  readonly readiness: Readiness;
  readonly metrics: Registry;
  readonly logger: Logger;
  /** Has a line for each request; none when absent. */
  readonly accessLog?: AccessLog;
  /** Is called with whatever a request failed with. */
  readonly onError?: (error: unknown) => void;
  /** Is called for every request that was answered with an error. */
  readonly onRefused?: (refused: RefusedRequest) => void;
  /** Told of connections and handshakes that are refused. */
  readonly refusals?: RefusalListener;
  /** Who may say for whom it calls; nobody when absent. */
  readonly proxies?: () => TrustedProxies;
  /** How many connections there may be; `limits` when absent. */
  readonly connectionBounds?: OpenConnectionsProps['bounds'];
  /** URL that the API's description names first; none when empty or absent. */
  readonly publicUrl?: string;
  /** Version of the program, for the API's description. */
  readonly version: string;
}

const REQUEST_MS_MAX = 60_000;
const noProxies = new TrustedProxies([]);
/** Failures of a route that begin with the same text are alike. */
const ALIKE_CHARS_MAX = 100;

export class HttpServer {
  readonly #props: HttpServerProps;
  readonly #connections: OpenConnections;
  #app: FastifyInstance | undefined;

  constructor(props: HttpServerProps) {
    this.#props = props;
    this.#connections = new OpenConnections({
      ...(props.connectionBounds && { bounds: props.connectionBounds }),
      isProxy: (address) => props.proxies?.().isTrusted(address) ?? false,
      onRefused: (address, reason) => props.refusals?.refused({ kind: 'connection', address, reason }),
    });
    registerConnectionMetrics(props.metrics, this.#connections);
  }

  /** Port the server listens on; known after `start`. */
  get port(): number {
    return (this.#app?.server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Throws `port_in_use`; a route without a role or with a bad schema is a defect and throws as well. */
  async start({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    const app = await makeApp(this.#props);
    app.server.on('connection', (socket) => this.#connections.enter(socket));
    reportHandshakeFaults(app.server as HttpsServer, this.#props);
    try {
      await app.listen({ host, port });
    } catch (error) {
      await app.close();
      throw asListenError(error, { host, port, option: '--http-port' });
    }
    this.#app = app;
  }

  /** For connections that begin from now on. */
  useCertificate(identity: HttpServerProps['tls']): void {
    (this.#app?.server as HttpsServer | undefined)?.setSecureContext({ ...identity, ...tlsServerRules });
  }

  /** Ends requests under way, within `limits.httpCloseMsMax`; then cuts every connection. */
  async close(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    if (app) await closeInTime(app, this.#connections);
  }
}

/**
 * Node closes connections that have answered a request, and from then on looks at no time limit: a client that never ends its
 * request, or has only connected, would keep the hub from ending.
 */
async function closeInTime(app: FastifyInstance, connections: OpenConnections): Promise<void> {
  const cut = setTimeout(() => connections.cut(), limits.httpCloseMsMax);
  await app.close().finally(() => clearTimeout(cut));
}

async function makeApp(props: HttpServerProps): Promise<FastifyInstance> {
  const log = new LimitedLog({ logger: props.logger, monotonic: () => performance.now() });
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const coded = answerError(error, request, reply);
    if (coded.status >= 500) {
      const alike = `${coded.code} ${request.routeOptions.url} ${shorten(errorText(error), ALIKE_CHARS_MAX)}`;
      log.error(alike, { requestId: request.id, code: coded.code, err: error }, 'request failed');
    }
    props.onRefused?.(refusedRequest(coded, request));
  };
  const app = fastify({
    https: {
      key: props.tls.key,
      cert: props.tls.cert,
      ...tlsServerRules,
      handshakeTimeout: limits.httpHeadMsMax,
      headersTimeout: limits.httpHeadMsMax,
      // Node looks every 30 s otherwise, and a time limit holds when it is looked at.
      connectionsCheckingInterval: 1_000,
    },
    loggerInstance: props.logger as FastifyBaseLogger,
    // Requests are logged once, when they are answered, by measureRequests.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: limits.httpBodyBytesMax,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
    // Refused in our form by refuseWhenStopping.
    return503OnClosing: false,
    clientErrorHandler: refuseUnreadable,
    // What is too long for an id is refused by its schema.
    routerOptions: { maxParamLength: maxHeaderSize },
    genReqId: requestIdOf,
    trustProxy: (address: string) => props.proxies?.().isTrusted(address) ?? false,
    // A path that cannot be decoded, a version header that means nothing here: refused in our form as well.
    frameworkErrors: (error, request, reply) => {
      props.accessLog?.routed(request as FastifyRequest);
      answer(error, request, reply);
    },
  }) as unknown as FastifyInstance;
  props.accessLog?.add(app);
  app.server.prependListener('request', (request) => (props.proxies?.() ?? noProxies).cleanHeaders(request));
  app.setValidatorCompiler(({ schema, httpPart }) => compileValidator(schema as TSchema, httpPart ?? 'part'));
  // Answers are checked by the compiler; serializing by schema would drop what a schema does not name.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => {
    props.onError?.(error);
    answer(error, request, reply);
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => readJsonBody(request, body),
  );
  app.addHook('preParsing', async (request) => checkBodyHead(request));
  addAnswerHeaders(app);
  measureRequests(app, props.metrics);
  refuseWhenStopping(app);
  addUnroutedAnswers(app);
  await addOpenApi(app, props);
  addProbeRoutes(app, props);
  await app.register(async (scope) => {
    await addAuthentication(scope, props);
    addMetricsRoute(scope, props);
    await scope.register(
      async (api) => {
        api.addHook('onRoute', closeRequest);
        props.around?.(api);
        addPreconditions(api);
        addPageLinks(api);
        for (const routes of props.routes)
          routes(api.withTypeProvider<TypeBoxTypeProvider>() as unknown as Api);
      },
      { prefix: '/api/v1' },
    );
  });
  await app.ready();
  return app;
}

/** Requests on connections that were open before: who is answered is told to come back. */
function refuseWhenStopping(app: FastifyInstance): void {
  let isStopping = false;
  app.addHook('preClose', async () => {
    isStopping = true;
  });
  app.addHook('onRequest', async () => {
    if (!isStopping) return;
    throw new AppError('hub_stopping', 'Refused the request: the hub is shutting down.', {
      retryAfterMs: limits.httpRestartRetryMs,
    });
  });
}

/** In this order: an entity tag is of the answer before it is compressed. */
function addAnswerHeaders(app: FastifyInstance): void {
  addSecurityHeaders(app.server);
  addEntityTags(app);
  addCompression(app);
}

function measureRequests(app: FastifyInstance, metrics: Registry): void {
  const seconds = new Histogram({
    name: 'modelfleet_http_request_seconds',
    help: 'Time to answer an HTTP request',
    labelNames: ['method', 'route', 'status'] as const,
    registers: [metrics],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    seconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
    request.log.debug(
      { method: request.method, route, status: reply.statusCode, elapsedMs: Math.round(reply.elapsedTime) },
      'request answered',
    );
  });
}
