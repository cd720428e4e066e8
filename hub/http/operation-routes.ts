/** For those who run the hub: liveness, readiness, metrics. Outside `/api/v1`, where probes expect them. */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Readiness } from './readiness.ts';

export interface OperationRoutesProps {
  readonly readiness: Readiness;
  readonly metrics: Registry;
}

/** `/healthz` and `/readyz`: answer anybody, tell nothing of the fleet. Some load balancers ask with HEAD. */
export function addProbeRoutes(app: FastifyInstance, { readiness }: OperationRoutesProps): void {
  const options = { schema: { hide: true }, exposeHeadRoute: true };
  app.get('/healthz', options, () => ({ alive: true }));
  app.get('/readyz', options, async (_request, reply) => {
    const report = await readiness.report();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
}

/** `/metrics` names models and counts devices: it wants a token, as Prometheus can send one. */
export function addMetricsRoute(app: FastifyInstance, { metrics }: OperationRoutesProps): void {
  app.get('/metrics', { config: { role: 'viewer' }, schema: { hide: true } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}
