/** Routes of one model: metadata, readiness, configuration, statistics and feedback. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { limits } from '../../shared/base/limits.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import type { InferenceStatistics } from '../serving/inference-statistics.ts';
import type { ModelServer } from '../serving/model-server.ts';
import { modelConfig } from './model-config.ts';
import { type ModelRoute, modelPaths } from './model-params.ts';
import { bodyBytes } from './request-body.ts';
import { isReady } from './server-routes.ts';

const label = Type.Union([Type.Number(), Type.String({ maxLength: 256 }), Type.Boolean()]);
const parseFeedback = jsonParser(
  Type.Object(
    {
      id: Type.String({ minLength: 1, maxLength: 256 }),
      label: Type.Union([label, Type.Array(label, { minItems: 1, maxItems: limits.rowsPerPredictionMax })]),
    },
    { additionalProperties: false },
  ),
  'the feedback',
  limits.localBodyBytesMax,
);

export function addModelRoutes(
  app: FastifyInstance,
  models: ModelServer,
  statistics: InferenceStatistics,
): void {
  const all = () => models.list().flatMap((one) => one.versions);
  app.get('/v2/models/stats', () => statistics.of(all()));
  for (const path of modelPaths()) {
    app.get<ModelRoute>(path, ({ params }) => {
      const { inputs, outputs } = models.find(params.model, params.version).manifest.interface;
      const versions = models.list().find((one) => one.model === params.model)?.versions ?? [];
      return {
        name: params.model,
        versions: versions.map((one) => one.served.version),
        platform: 'onnx_onnxv1',
        inputs,
        outputs,
      };
    });
  }
  for (const path of modelPaths('/ready')) {
    app.get<ModelRoute>(path, ({ params }, reply) => {
      const ready = isReady(models.find(params.model, params.version));
      return reply.code(ready ? 200 : 503).send({ name: params.model, ready });
    });
  }
  for (const path of modelPaths('/config')) {
    app.get<ModelRoute>(path, ({ params }) =>
      modelConfig(models.find(params.model, params.version).manifest),
    );
  }
  for (const path of modelPaths('/stats')) {
    app.get<ModelRoute>(path, ({ params: { model, version } }) => {
      const live = models.find(model, version);
      return statistics.of(
        version === undefined ? all().filter((one) => one.served.model === model) : [live],
      );
    });
  }
  app.post<ModelRoute>('/v2/models/:model/feedback', async ({ params, body }) => {
    const feedback = parseFeedback(bodyBytes(body));
    await models.label(params.model, feedback.id, feedback.label);
    return { model_name: params.model, id: feedback.id };
  });
}
