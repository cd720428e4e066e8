/**
 * `telemetry/verdict`: what it costs the hub to say how a version stands, requests and drift over the whole fleet, after an hour, a day
 * and two weeks of reports of 1 000 and 10 000 devices. The peer is the first of these in the same run: a cost that depends on the
 * fleet or on its history shows as a ratio above one.
 *
 * The history is written as the ingest would have left it: device hours and rollups, four groups of devices.
 */
import { join } from 'node:path';
import type { Database } from '../../hub/db/database.ts';
import { DriftService } from '../../hub/drift/drift-service.ts';
import { judgeHour } from '../../hub/drift/hour-verdict.ts';
import { ActivityStore } from '../../hub/telemetry/device-hours/activity-store.ts';
import { DeviceHourStore } from '../../hub/telemetry/device-hours/device-hour-store.ts';
import { RollupStore } from '../../hub/telemetry/rollups/rollup-store.ts';
import { RollupWriter } from '../../hub/telemetry/rollups/rollup-writer.ts';
import { makeLogger } from '../../platform/logger.ts';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTelemetry } from '../support/opened-telemetry.ts';
import { publishedVersion, report, uniformProfile, versionsOf } from '../support/profiles.ts';
import { type BenchRow, benchRow } from './bench-row.ts';

const FEATURES = 20;
const RUNS = 9;
const HOUR_MS = 3_600_000;
const GROUPS = ['north', 'east', 'south', 'west'];
export const version = publishedVersion({ profile: uniformProfile(FEATURES) });

export async function measureVerdicts(folder: string): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  let first: readonly number[] | undefined;
  for (const devices of [1_000, 10_000]) {
    for (const [name, hours] of [
      ['1 h', 1],
      ['1 day', 24],
      ['14 days', 14 * 24],
    ] as const) {
      const ms = await measure(join(folder, `verdict-${devices}-${hours}.db`), devices, hours);
      first ??= ms;
      rows.push(
        benchRow(`telemetry/verdict ${devices} devices, ${name}`, 'ms', ms, { '1 000 devices, 1 h': first }),
      );
    }
  }
  return rows;
}

async function measure(file: string, devices: number, hours: number): Promise<number[]> {
  const clock = new ManualClock();
  const versions = versionsOf(version);
  const { database, service } = await openTelemetry(file, { versions, clock });
  await writeHistory(database, { devices, hours, clock });
  const drift = new DriftService({ clock, versions, telemetry: service, active: () => [] });
  const span = {
    model: version.model,
    version: version.version,
    fromMs: clock.now() - hours * HOUR_MS,
    toMs: clock.now() + 1,
  };
  const measured: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const begun = performance.now();
    const { reports } = await service.figures(span);
    const { verdict } = await drift.assessFleet(span);
    measured.push(performance.now() - begun);
    if (reports === 0 || verdict === 'too-few') throw new Error('bench: the history was not read');
  }
  await database.destroy();
  return measured;
}

/** One addition of each device and hour: sixty windows of a minute, as one sum, some requests of each failed. */
export async function writeHistory(
  database: Database,
  {
    devices,
    hours,
    clock,
  }: { readonly devices: number; readonly hours: number; readonly clock: ManualClock },
): Promise<void> {
  const random = seededRandom(1);
  const writer = new RollupWriter({
    hours: new DeviceHourStore(database),
    rollups: new RollupStore(database),
    activity: new ActivityStore(database),
    judge: judgeHour,
    logger: makeLogger('bench', 'error'),
    finestMs: 60_000,
  });
  const latency = new LatencySketch();
  for (let i = 0; i < 60; i += 1) latency.add(1 + random() * 20);
  const base = report(version, { rows: 60, latency: latency.bins() });
  // Two weeks of ten thousand devices are three million device hours: of most hours a hundredth of the devices is enough, for the
  // rows of rollups are as large.
  const end = clock.now();
  for (let hour = hours; hour > 0; hour -= 1) {
    const at = end - hour * HOUR_MS;
    const among = hour <= 2 ? devices : devices / 100;
    for (let first = 0; first < among; first += 500) {
      const additions = Array.from({ length: Math.min(500, among - first) }, (_, i) => ({
        deviceId: `device-${first + i}`,
        model: version.model,
        version: version.version,
        cell: { rolloutId: '', arm: 'rest', segment: '', group: GROUPS[i % GROUPS.length]! } as const,
        at,
        profile: version.manifest.profile,
        figures: {
          ...base,
          reports: 60,
          requests: { ...base.requests, failed: { internal: 1 + Math.floor(random() * 5) } },
          features: base.features.map((feature) => ({
            ...feature,
            counts: feature.counts.map(() => Math.floor(random() * 40)),
          })),
        },
      }));
      await database.transaction().execute((tx) => writer.add(tx, additions));
    }
  }
}
