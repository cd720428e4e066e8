/** `/api/v1/telemetry`: what devices report of a model, by version. */
import { Type } from 'typebox';
import { ModelTelemetry } from '../../shared/api/telemetry.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { durationPattern, parseDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import { GroupName, ModelName, SemVer } from '../../shared/base/names.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import { countedClasses } from '../../shared/telemetry/label-figures.ts';
import type { Routes } from '../http/routes.ts';
import type { VersionLookup } from './checked-report.ts';
import { show } from './shown-figures.ts';
import type { TelemetryService } from './telemetry-service.ts';

/** The span and devices that telemetry and drift are asked for. */
export const FigureFilter = {
  model: ModelName,
  version: Type.Optional(SemVer),
  group: Type.Optional(GroupName),
  since: Type.Optional(
    Type.String({
      maxLength: 16,
      description: 'How far back: a duration such as 10m, 1h or 7d; default 1h.',
      pattern: durationPattern,
    }),
  ),
};

export function telemetryRoutes(services: {
  readonly telemetry: TelemetryService;
  readonly versions: VersionLookup;
  readonly clock: Clock;
}): Routes {
  const { telemetry, versions: published, clock } = services;
  return (api) => {
    api.get(
      '/telemetry',
      {
        config: { role: 'viewer' },
        schema: {
          tags: ['telemetry'],
          operationId: 'getTelemetry',
          summary: 'Requests, errors, latency and label error of a model, by version',
          querystring: Type.Object(FigureFilter),
          response: {
            200: ModelTelemetry,
          },
        },
      },
      async (request) => {
        const { model, version, group } = request.query;
        const span = spanOf(clock, request.query.since);
        const found = version
          ? [{ version, devices: (await telemetry.countDevices({ model, version, group, ...span })).devices }]
          : await telemetry.versions({ model, group, ...span });
        const versions = [];
        for (const one of found.slice(0, limits.pageRowsMax)) {
          const figures = await telemetry.figures({ model, version: one.version, group, ...span });
          if (figures.reports === 0) continue;
          const manifest = (await published.find(model, one.version))?.manifest;
          versions.push(show({ ...one, classes: manifest && classesOf(manifest) }, figures));
        }
        return { model, ...span, versions };
      },
    );
  };
}

/** From `since` ago until now, milliseconds since the epoch. Throws `bad_input` when it is no duration. */
export function spanOf(clock: Clock, since = '1h'): { readonly fromMs: number; readonly toMs: number } {
  const now = clock.now();
  return { fromMs: Math.max(0, Math.floor(now - parseDuration(since, 'since'))), toMs: Math.floor(now) + 1 };
}

/** Those that confusion is counted by. */
function classesOf({ label, interface: { classes } }: ModelManifest): readonly string[] | undefined {
  return label && countedClasses({ label, classes });
}
