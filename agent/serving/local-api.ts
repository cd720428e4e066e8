/**
 * The local API: Open Inference Protocol v2 over HTTP on loopback, for the programs of this device. One addition:
 * `POST /v2/models/{m}/feedback` takes the label of an earlier answer. Errors are `{"error": text, "code": code}`.
 */
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Logger } from '../../platform/logger.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { hostGuard } from './host-guard.ts';
import { readInferMessage, renderAnswer } from './infer-message.ts';
import type { LiveVersion } from './live-version.ts';
import type { ModelServer } from './model-server.ts';
import type { ServingMetrics } from './serving-metrics.ts';

/** How long a request may take to arrive, and how long one under way may hold up the end. */
const REQUEST_MS = 30_000;
const CLOSE_MS = 5_000;
const HEADER_LENGTH = 'inference-header-content-length';

const label = Type.Union([Type.Number(), Type.String({ maxLength: 256 })]);
const parseFeedback = jsonParser(
  Type.Object({
    id: Type.String({ minLength: 1, maxLength: 256 }),
    label: Type.Union([label, Type.Array(label, { minItems: 1, maxItems: limits.rowsPerPredictionMax })]),
  }),
  'the feedback',
  limits.inferBodyBytesMax,
);

export interface LocalApiProps {
  readonly models: ModelServer;
  readonly metrics: ServingMetrics;
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

interface ModelParams {
  readonly model: string;
  readonly version?: string;
}

type ModelRequest = FastifyRequest<{ Params: ModelParams }>;

/** Starts listening. Throws `port_in_use`. */
export async function openLocalApi(props: LocalApiProps): Promise<LocalApi> {
  const { host = '127.0.0.1', port, logger } = props;
  const app = fastify({
    bodyLimit: limits.inferBodyBytesMax,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: 'idle',
  });
  app.server.maxConnections = limits.localConnectionsMax;
  const checkHeaders = hostGuard(host);
  app.addHook('onRequest', async (request) => checkHeaders(request.headers));
  // Bodies stay bytes: they are parsed once, by the schema of the route, whatever content type a client names.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, _request, reply) => sendError(reply, error, logger));
  app.setNotFoundHandler((request, reply) => {
    const message = `There is no ${request.method} ${request.url.slice(0, 200)} in the local API.`;
    return sendError(reply, new AppError('not_found', message), logger);
  });
  addServerRoutes(app, props);
  addModelRoutes(app, props.models);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    const message = `Cannot listen on ${host}:${port}: another program has the port. Stop it, or choose another port with --port.`;
    throw new AppError('port_in_use', message, { cause });
  }
  const { port: bound } = app.server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${shown}:${bound}`, port: bound, close: () => closeInTime(app) };
}

/** A client that never ends its request must not keep the agent from ending. */
async function closeInTime(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  await app.close().finally(() => clearTimeout(cut));
}

function addServerRoutes(app: FastifyInstance, { models, metrics, version }: LocalApiProps): void {
  app.get('/v2', async () => ({
    name: 'modelfleet-agent',
    version,
    extensions: ['binary_tensor_data', 'model_repository', 'modelfleet_feedback'],
  }));
  app.get('/v2/health/live', async () => ({ live: true }));
  app.get('/v2/health/ready', async (_request, reply) => {
    const ready = models.list().every(({ versions }) => versions.some(isReady));
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  app.post('/v2/repository/index', async () =>
    models.list().flatMap(({ versions }) => versions.map(indexEntry)),
  );
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}

function addModelRoutes(app: FastifyInstance, models: ModelServer): void {
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get(path, async ({ params }: ModelRequest) => {
      const live = models.find(params.model, params.version);
      const versions = models.list().find((one) => one.model === params.model)?.versions ?? [];
      const { inputs, outputs } = live.manifest.interface;
      return {
        name: params.model,
        versions: versions.map((one) => one.served.version),
        platform: 'onnx_onnxv1',
        inputs,
        outputs,
      };
    });
    app.get(`${path}/ready`, async ({ params }: ModelRequest, reply) => {
      const ready = isReady(models.find(params.model, params.version));
      return reply.code(ready ? 200 : 503).send({ name: params.model, ready });
    });
    app.post(`${path}/infer`, (request: ModelRequest, reply) => infer(models, request, reply));
  }
  app.post('/v2/models/:model/feedback', async ({ params, body }: ModelRequest) => {
    const feedback = parseFeedback(bytesOf(body));
    models.label(params.model, feedback.id, feedback.label);
    return { model_name: params.model, id: feedback.id };
  });
}

async function infer(models: ModelServer, request: ModelRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { model, version } = request.params;
  const header = request.headers[HEADER_LENGTH];
  const message = readInferMessage(bytesOf(request.body), header === undefined ? undefined : Number(header));
  const { id, inputs, outputs, isBinary } = message;
  const answer = await models.infer({ model, version, id, inputs, outputs });
  const { body, jsonBytes } = renderAnswer(answer, isBinary);
  if (jsonBytes === undefined) return reply.type('application/json').send(body);
  return reply.header(HEADER_LENGTH, jsonBytes).type('application/octet-stream').send(body);
}

function bytesOf(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}

function isReady(live: LiveVersion): boolean {
  return live.keeper.ready;
}

function indexEntry(live: LiveVersion) {
  const { model, version } = live.served;
  return isReady(live)
    ? { name: model, version, state: 'READY', reason: '' }
    : { name: model, version, state: 'UNAVAILABLE', reason: 'its runner is started again' };
}

function sendError(reply: FastifyReply, error: unknown, logger: Logger): FastifyReply {
  const known = asAppError(error);
  if (known.code === 'internal') logger.error({ err: error }, 'local API request failed');
  if (known.retryAfterMs !== undefined) {
    void reply.header('retry-after', String(Math.ceil(known.retryAfterMs / 1_000)));
  }
  return reply.code(known.entry.status).send({ error: known.message, code: known.code });
}

function asAppError(error: unknown): AppError {
  if (isAppError(error)) return error;
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (status === 413) {
    return new AppError(
      'too_large',
      `Cannot take the request: its body is over ${limits.inferBodyBytesMax} bytes.`,
    );
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new AppError('bad_input', 'Cannot take the request: it is not HTTP as the local API expects it.');
  }
  return new AppError('internal', 'Cannot answer: the agent has a defect; its log holds the cause.');
}
