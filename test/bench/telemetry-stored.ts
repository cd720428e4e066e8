/**
 * `telemetry/stored`: what a window of 24 features takes in the hub's database file, everything counted, against what the device
 * sent. Each device sends one a minute, so that each window is a bucket of its own: the dearest case.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { openDatabase } from '../../hub/db/database.ts';
import { judgeHour } from '../../hub/drift/hour-verdict.ts';
import { DeviceInbox } from '../../hub/inbox/device-inbox.ts';
import { EvidenceStore } from '../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../hub/telemetry/telemetry-service.ts';
import { deflated } from '../../platform/deflated.ts';
import { makeLogger } from '../../platform/logger.ts';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import { encodeTelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  offeredToAll,
  presentAll,
  publishedVersion,
  report,
  uniformProfile,
  versionsOf,
} from '../support/profiles.ts';
import { type BenchRow, benchRow } from './bench-row.ts';

const FEATURES = 24;
const DEVICES = 200;
const MINUTES = 20;

export async function measureStored(folder: string): Promise<BenchRow> {
  const file = join(folder, 'stored.db');
  const version = publishedVersion({ profile: uniformProfile(FEATURES) });
  const logger = makeLogger('bench', 'error');
  const clock = new ManualClock();
  const database = await openDatabase(file);
  const size = async () => {
    await sql`pragma wal_checkpoint(TRUNCATE)`.execute(database);
    return (await stat(file)).size;
  };
  const inbox = new DeviceInbox({ database, logger });
  const telemetry = new TelemetryService({
    inbox,
    database,
    judge: judgeHour,
    evidence: new EvidenceStore(database),
    assignments: offeredToAll,
    versions: versionsOf(version),
    fleet: presentAll,
    clock,
    logger,
    bucketMs: 60_000,
  });
  const random = seededRandom(1);
  const before = await size();
  let sent = 0;
  for (let number = 1; number <= MINUTES; number += 1) {
    const batch = Array.from({ length: DEVICES }, () => windowOf(version, number, random));
    sent += batch.reduce((sum, bytes) => sum + bytes.byteLength, 0);
    await Promise.all(batch.map((bytes, n) => telemetry.receive(`device-${n}`, bytes)));
    clock.advance(60_000);
  }
  const windows = DEVICES * MINUTES;
  if (telemetry.counts.merged !== windows) {
    throw new Error(`bench: ${windows} windows were sent and ${telemetry.counts.merged} are stored`);
  }
  const perWindow = ((await size()) - before) / windows;
  await inbox.close();
  await database.destroy();
  return benchRow('telemetry/stored 24 features', 'bytes', [perWindow], { sent: [sent / windows] });
}

/** Sixty rows in a minute, no two windows alike. */
function windowOf(
  version: ReturnType<typeof publishedVersion>,
  number: number,
  random: () => number,
): Uint8Array {
  const latency = new LatencySketch();
  for (let i = 0; i < 60; i += 1) latency.add(1 + random() * 20);
  const base = report(version, { rows: 60, latency: latency.bins(), number });
  const features = base.features.map((feature) => {
    const counts = feature.counts.map(() => Math.floor(random() * 13));
    const n = counts.reduce((sum, count) => sum + count, 0);
    return { ...feature, counts, moments: { n, sum: random() * n, sumSquares: (1 + random()) * n } };
  });
  return deflated(encodeTelemetryReport({ ...base, features }));
}
