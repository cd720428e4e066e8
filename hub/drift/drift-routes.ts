/** `/api/v1/drift`: whether inputs in service still resemble what the version was trained on. */
import { Type } from 'typebox';
import { DriftReport } from '../../shared/api/drift.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { Routes } from '../http/routes.ts';
import { FigureFilter, type GroupLookup, spanOf } from '../telemetry/telemetry-routes.ts';
import type { DriftService } from './drift-service.ts';

export function driftRoutes(services: {
  readonly drift: DriftService;
  readonly devices: GroupLookup;
  readonly clock: Clock;
}): Routes {
  const { drift, devices, clock } = services;
  return (api) => {
    api.get(
      '/drift',
      {
        config: { role: 'viewer', errors: ['not_found', 'no_telemetry', 'drift_no_profile'] },
        schema: {
          tags: ['telemetry'],
          operationId: 'getDrift',
          summary: 'Drift of a version against its reference profile, by feature and by device',
          description: 'Without `version`: the one that most devices reported in the span.',
          querystring: Type.Object(FigureFilter),
          response: { 200: DriftReport },
        },
      },
      async (request) => {
        const { model, version, group, since } = request.query;
        const among = group === undefined ? undefined : new Set(await devices.idsInGroup(group));
        return await drift.assess({ model, version, devices: among, ...spanOf(clock, since) });
      },
    );
  };
}
