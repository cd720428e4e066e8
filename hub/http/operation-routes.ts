/** For those who run the hub: liveness, readiness, metrics. Outside `/api/v1`, where probes expect them. */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { Type } from 'typebox';
import type { Readiness } from './readiness.ts';

export interface OperationRoutesProps {
  readonly readiness: Readiness;
  readonly metrics: Registry;
}

const tags = ['hub'];
const ReadinessBody = Type.Object(
  {
    ready: Type.Boolean(),
    checks: Type.Record(Type.String(), Type.String(), {
      description: 'By part of the hub: "ok", or why it is not ready',
    }),
  },
  { $id: 'Readiness' },
);

/** `/healthz` and `/readyz`: answer anybody, tell nothing of the fleet. */
export function addProbeRoutes(app: FastifyInstance, { readiness }: OperationRoutesProps): void {
  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'checkLiveness',
        tags,
        summary: 'Check that the hub is alive',
        response: { 200: Type.Object({ alive: Type.Literal(true) }) },
      },
    },
    () => ({ alive: true }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'checkReadiness',
        tags,
        summary: 'Check that the hub can take work',
        description: 'Says of each part of the hub whether it works; 503 where one does not.',
        response: { 200: ReadinessBody, 503: ReadinessBody },
      },
    },
    async (_request, reply) => {
      const report = await readiness.report();
      return reply.code(report.ready ? 200 : 503).send(report);
    },
  );
}

/** `/metrics` names models and counts devices: it wants a token, as Prometheus can send one. */
export function addMetricsRoute(app: FastifyInstance, { metrics }: OperationRoutesProps): void {
  app.get(
    '/metrics',
    {
      config: { role: 'viewer' },
      schema: {
        operationId: 'getMetrics',
        tags,
        summary: 'Get metrics in the text format of Prometheus',
        description: 'A scrape sends the token of a viewer as its bearer token.',
        produces: ['text/plain'],
        querystring: Type.Object({}, { additionalProperties: false }),
        response: { 200: Type.String() },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}
