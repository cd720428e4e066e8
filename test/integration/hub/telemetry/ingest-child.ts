/** Run by ingest-killed.test.ts: merges reports as fast as it can and prints the number of each that was acknowledged. */
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { openTelemetry } from '../../../support/opened-telemetry.ts';
import { publishedVersion, report, versionsOf } from '../../../support/profiles.ts';

const [file, from] = process.argv.slice(2);
const version = publishedVersion();
const { service } = await openTelemetry(file!, { versions: versionsOf(version) });
for (let next = Number(from); ; next += 20) {
  const numbers = Array.from({ length: 20 }, (_, i) => next + i);
  await Promise.all(
    numbers.map(async (number) => {
      await service.receive('dev', encodeTelemetryReport(report(version, { number, rows: 1 })));
      process.stdout.write(`${number}\n`);
    }),
  );
}
