/** Buckets of hubs before rollups count as if their reports had been merged by this one. */
import { expect, it, onTestFinished } from 'vitest';
import { FigureSums } from '../../../../hub/telemetry/figure-sums.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { openTelemetry } from '../../../support/opened-telemetry.ts';
import { publishedVersion, report, versionsOf } from '../../../support/profiles.ts';

const air = publishedVersion();
const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const HOUR_MS = 3_600_000;

it('buckets of an older hub move into device hours and rollups, those of removed and damaged ones do not', async () => {
  const clock = new ManualClock();
  const known = new Map(['a', 'b', 'damaged'].map((id) => [id, 'lab']));
  const { database, service } = await openTelemetry(':memory:', {
    versions: versionsOf(air),
    clock,
    fleet: {
      groupsOf: async (ids) => new Map(ids.flatMap((id) => (known.has(id) ? [[id, known.get(id)!]] : []))),
    },
  });
  onTestFinished(() => database.destroy());
  const sums = new FigureSums();
  sums.add({ ...report(air, { rows: 10 }), reports: 1 });
  const begin = Math.floor(clock.now() / HOUR_MS) * HOUR_MS - 3 * HOUR_MS;
  const bucket = (device_id: string, minute: number, body = sums.encode()) => ({
    device_id,
    model: 'air',
    version: '1.0.0',
    bucket_at: begin + minute * 60_000,
    body,
  });
  const minutes = Array.from({ length: 90 }, (_, minute) => minute);
  const buckets = [...minutes.flatMap((minute) => [bucket('a', minute), bucket('b', minute)])];
  buckets.push(bucket('removed', 1), bucket('damaged', 1, Uint8Array.of(0xff, 0)));
  await database.insertInto('telemetry_bucket').values(buckets).execute();

  await service.tidy();

  expect(await database.selectFrom('telemetry_bucket').select('device_id').execute()).toEqual([]);
  expect((await service.figures(always)).requests.ok).toBe(1_800);
  expect((await service.figures({ ...always, group: 'lab' })).reports).toBe(180);
  const units = (await service.hours(always)).features().get('f0')!.classes.entries();
  // Two devices with 600 rows in the first hour, and with 300 in the second.
  expect(units.map(([exponent, { units: n, counts }]) => [exponent, n, counts[1]])).toEqual([
    [8, 2, 600],
    [9, 2, 1_200],
  ]);
  expect(await service.countDevices(always)).toMatchObject({ devices: 2 });
});
