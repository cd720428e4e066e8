/** What stores and judges telemetry; part of the composition root. */
import type { HubOptions } from './config/options-schema.ts';
import type { DeviceService } from './devices/device-service.ts';
import { DriftService } from './drift/drift-service.ts';
import { judgeHour } from './drift/hour-verdict.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import type { DeviceInbox } from './inbox/device-inbox.ts';
import type { ModelService } from './models/model-service.ts';
import { AssignmentStore } from './rollout/assignment-store.ts';
import { DeviceAssignments } from './rollout/device-assignments.ts';
import type { Director } from './rollout/director.ts';
import { EvidenceStore } from './telemetry/evidence-store.ts';
import { TelemetryService } from './telemetry/telemetry-service.ts';

interface TelemetryDependencies {
  readonly inbox: DeviceInbox;
  readonly models: ModelService;
  readonly director: Director;
  readonly devices: DeviceService;
}

export function makeTelemetryParts(
  options: HubOptions,
  { clock, logger }: Pick<HubEnvironment, 'clock' | 'logger'>,
  { database, security: refusals }: Foundation,
  { inbox, models, director, devices }: TelemetryDependencies,
) {
  const assignments = new DeviceAssignments({
    store: new AssignmentStore(database),
    director,
    fleet: devices,
  });
  const evidence = new EvidenceStore(database);
  const telemetry = new TelemetryService({
    inbox,
    database,
    evidence,
    judge: judgeHour,
    versions: models,
    assignments,
    fleet: devices,
    clock,
    logger: logger.child({ part: 'telemetry' }),
    refusals,
    bucketMs: options.telemetryBucketMs,
  });
  const drift = new DriftService({
    clock,
    versions: models,
    telemetry,
    active: () => devices.census.versions(),
  });
  return { assignments, evidence, telemetry, drift };
}
