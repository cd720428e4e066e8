/** Telemetry of a hub on a database file, with devices that were offered everything. */
import { type Database, openDatabase } from '../../hub/db/database.ts';
import { judgeHour } from '../../hub/drift/hour-verdict.ts';
import { DeviceInbox } from '../../hub/inbox/device-inbox.ts';
import { EvidenceStore } from '../../hub/telemetry/evidence-store.ts';
import { TelemetryService, type TelemetryServiceProps } from '../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { offeredToAll, presentAll } from './profiles.ts';

export interface OpenedTelemetry {
  readonly database: Database;
  readonly service: TelemetryService;
}

export async function openTelemetry(
  file: string,
  props: Pick<TelemetryServiceProps, 'versions'> & Partial<TelemetryServiceProps>,
): Promise<OpenedTelemetry> {
  const database = await openDatabase(file);
  const logger = makeLogger('test', 'silent');
  const service = new TelemetryService({
    inbox: new DeviceInbox({ database, logger }),
    database,
    judge: judgeHour,
    evidence: new EvidenceStore(database),
    assignments: offeredToAll,
    fleet: presentAll,
    clock: systemClock,
    logger,
    bucketMs: 60_000,
    ...props,
  });
  return { database, service };
}
