/** Run by ingest.test.ts: merges reports as fast as it can and prints the number of each that was acknowledged. */
import { openDatabase } from '../../../../hub/db/database.ts';
import { DeviceInbox } from '../../../../hub/inbox/device-inbox.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../../../hub/telemetry/telemetry-service.ts';
import { TelemetryStore } from '../../../../hub/telemetry/telemetry-store.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { offeredToAll, presentAll, publishedVersion, report, versionsOf } from '../../../support/profiles.ts';

const [file, from] = process.argv.slice(2);
const version = publishedVersion();
const database = await openDatabase(file!);
const logger = makeLogger('test', 'silent');
const service = new TelemetryService({
  inbox: new DeviceInbox({ database, logger }),
  store: new TelemetryStore(database),
  evidence: new EvidenceStore(database),
  assignments: offeredToAll,
  fleet: presentAll,
  versions: versionsOf(version),
  clock: systemClock,
  logger,
  bucketMs: 60_000,
});
for (let next = Number(from); ; next += 20) {
  const numbers = Array.from({ length: 20 }, (_, i) => next + i);
  await Promise.all(
    numbers.map(async (number) => {
      await service.receive('dev', encodeTelemetryReport(report(version, { number, rows: 1 })));
      process.stdout.write(`${number}\n`);
    }),
  );
}
