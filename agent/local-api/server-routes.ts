/** Routes of the server as a whole: health, metadata, repository, metrics, and refusals of what this server does not do. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import type { LiveVersion } from '../serving/live-version.ts';
import type { ModelServer } from '../serving/model-server.ts';
import { type ModelRoute, modelPaths } from './model-params.ts';
import { bodyBytes } from './request-body.ts';

export interface ServerRoutesProps {
  readonly models: ModelServer;
  readonly metrics: Registry;
  readonly tritonMetrics: Registry;
  readonly version: string;
}

const parseIndexRequest = jsonParser(
  Type.Object({ ready: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
  'the index request',
  limits.localBodyBytesMax,
);

export function addServerRoutes(
  app: FastifyInstance,
  { models, metrics, tritonMetrics, version }: ServerRoutesProps,
): void {
  app.get('/v2', () => ({
    // Clients written for Triton look for its name; `server` is ours.
    name: 'triton',
    server: 'modelfleet-agent',
    version,
    extensions: [
      'binary_tensor_data',
      'classification',
      'model_configuration',
      'model_repository',
      'parameters',
      'statistics',
      'modelfleet_feedback',
    ],
  }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) => {
    const ready = models.list().every(({ versions }) => versions.some(isReady));
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  app.post('/v2/repository/index', ({ body }) => {
    const bytes = bodyBytes(body);
    const { ready = false } = bytes.byteLength === 0 ? {} : parseIndexRequest(bytes);
    const versions = models.list().flatMap((one) => one.versions);
    return versions.filter((live) => !ready || isReady(live)).map(indexEntry);
  });
  app.post('/v2/repository/models/:model/load', refuseControl);
  app.post('/v2/repository/models/:model/unload', refuseControl);
  for (const path of ['/v2/logging', '/v2/trace/setting', ...modelPaths('/trace/setting')]) {
    app.get(path, refuseSettings);
    app.post(path, refuseSettings);
  }
  for (const kind of ['systemsharedmemory', 'cudasharedmemory']) {
    for (const region of ['', '/region/:region']) {
      app.get(`/v2/${kind}${region}/status`, refuseSharedMemory);
      app.post(`/v2/${kind}${region}/register`, refuseSharedMemory);
      app.post(`/v2/${kind}${region}/unregister`, refuseSharedMemory);
    }
  }
  const pages = { '/metrics': metrics, '/metrics/triton': tritonMetrics };
  for (const [path, registry] of Object.entries(pages)) {
    app.get(path, async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
  }
}

export function isReady(live: LiveVersion): boolean {
  return live.supervisor.ready;
}

function indexEntry(live: LiveVersion) {
  const { model, version } = live.served;
  return isReady(live)
    ? { name: model, version, state: 'READY', reason: '' }
    : { name: model, version, state: 'UNAVAILABLE', reason: 'its runner is restarting' };
}

const refuseControl = ({ params }: FastifyRequest<ModelRoute>): never => {
  throw new AppError(
    'not_offered',
    `Cannot load or unload "${params.model}": the hub decides which models this device runs. Use "modelfleet rollout create" and "modelfleet models unassign".`,
  );
};

const refuseSettings = (): never => {
  throw new AppError(
    'not_offered',
    'Cannot show or change trace and log settings: clients cannot control them. The options that the agent was started with set them.',
  );
};

const refuseSharedMemory = (): never => {
  throw new AppError(
    'not_offered',
    'Cannot use shared memory: this server does not support it. Send and request tensors in binary form.',
  );
};
