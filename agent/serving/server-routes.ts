/** Routes of the server as a whole: health, metadata, repository, metrics, and refusals of what this server does not do. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import type { LiveVersion } from './live-version.ts';
import { modelPaths } from './model-params.ts';
import type { ModelServer } from './model-server.ts';
import { bodyBytes } from './request-body.ts';
import { addPath, type Handler } from './route-table.ts';
import type { ServingMetrics } from './serving-metrics.ts';

export interface ServerRoutesProps {
  readonly models: ModelServer;
  readonly metrics: ServingMetrics;
  readonly version: string;
}

const parseIndexRequest = jsonParser(
  Type.Object({ ready: Type.Optional(Type.Boolean()) }),
  'the index request',
  limits.localBodyBytesMax,
);

export function addServerRoutes(app: FastifyInstance, { models, metrics, version }: ServerRoutesProps): void {
  addPath(app, '/v2', {
    GET: () => ({
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
    }),
  });
  addPath(app, '/v2/health/live', { GET: () => ({ live: true }) });
  addPath(app, '/v2/health/ready', {
    GET: (_request, reply) => {
      const ready = models.list().every(({ versions }) => versions.some(isReady));
      return reply.code(ready ? 200 : 503).send({ ready });
    },
  });
  addPath(app, '/v2/repository/index', {
    POST: ({ body }) => {
      const bytes = bodyBytes(body);
      const { ready = false } = bytes.byteLength === 0 ? {} : parseIndexRequest(bytes);
      const versions = models.list().flatMap((one) => one.versions);
      return versions.filter((live) => !ready || isReady(live)).map(indexEntry);
    },
  });
  addPath(app, '/v2/repository/models/:model/load', { POST: refuseControl });
  addPath(app, '/v2/repository/models/:model/unload', { POST: refuseControl });
  for (const path of ['/v2/logging', '/v2/trace/setting', ...modelPaths('/trace/setting')]) {
    addPath(app, path, { GET: refuseSettings, POST: refuseSettings });
  }
  for (const kind of ['systemsharedmemory', 'cudasharedmemory']) {
    for (const region of ['', '/region/:region']) {
      addPath(app, `/v2/${kind}${region}/status`, { GET: refuseSharedMemory });
      addPath(app, `/v2/${kind}${region}/register`, { POST: refuseSharedMemory });
      addPath(app, `/v2/${kind}${region}/unregister`, { POST: refuseSharedMemory });
    }
  }
  addPath(app, '/metrics', {
    GET: async (_request, reply) =>
      reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  });
}

export function isReady(live: LiveVersion): boolean {
  return live.keeper.ready;
}

function indexEntry(live: LiveVersion) {
  const { model, version } = live.served;
  return isReady(live)
    ? { name: model, version, state: 'READY', reason: '' }
    : { name: model, version, state: 'UNAVAILABLE', reason: 'its runner is started again' };
}

const refuseControl: Handler = ({ params }) => {
  throw new AppError(
    'not_offered',
    `Cannot load or unload "${params.model}": models of this device are what its hub wants. Use rollouts and assignments.`,
  );
};

const refuseSettings: Handler = () => {
  throw new AppError(
    'not_offered',
    'Cannot show or change settings of tracing and logging: clients have no say in them. See how the agent was started.',
  );
};

const refuseSharedMemory: Handler = () => {
  throw new AppError(
    'not_offered',
    'Cannot use shared memory: this server has none. Send and take tensors in the binary form.',
  );
};
