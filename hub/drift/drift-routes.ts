/** `/api/v1/drift`: whether inputs in service still resemble what the version was trained on. */
import { Type } from 'typebox';
import { DriftReport } from '../../shared/api/drift.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { Routes } from '../http/routes.ts';
import { FigureFilter, spanOf } from '../telemetry/telemetry-routes.ts';
import type { DriftService } from './drift-service.ts';

export function driftRoutes(services: { readonly drift: DriftService; readonly clock: Clock }): Routes {
  const { drift, clock } = services;
  return (api) => {
    api.get(
      '/drift',
      {
        config: { role: 'viewer', errors: ['not_found', 'no_telemetry', 'drift_no_profile'] },
        schema: {
          tags: ['telemetry'],
          operationId: 'getDrift',
          summary: 'Drift of a version against its reference profile, by feature and by device',
          description: 'Without `version`: the one that most devices run, of those reported in the span.',
          querystring: Type.Object(FigureFilter),
          response: { 200: DriftReport },
        },
      },
      async (request) => {
        const { model, version, group, since } = request.query;
        return await drift.assess({ model, version, group, ...spanOf(clock, since) });
      },
    );
  };
}
