import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { BucketRetention } from '../../../../hub/telemetry/bucket-retention.ts';
import { type Bucket, TelemetryStore } from '../../../../hub/telemetry/telemetry-store.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** The least that the option allows is far more: these are a thousand buckets of one device. */
const BYTES_MAX = 1_000_000;

async function filled(count: number, bytesMax = BYTES_MAX) {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const store = new TelemetryStore(database);
  const clock = new ManualClock();
  const now = clock.now();
  const bucket = (age: number, bytes = 700): Bucket => ({
    deviceId: 'dev',
    model: 'air',
    version: '1.0.0',
    bucketAt: now - age * MINUTE_MS,
    body: new Uint8Array(bytes),
  });
  const save = (buckets: readonly Bucket[]) => store.transaction((tx) => store.saveBuckets(tx, buckets));
  await save(Array.from({ length: count }, (_, age) => bucket(age + 1)));
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  return {
    store,
    clock,
    bucket,
    save,
    lines,
    retention: new BucketRetention({ store, clock, logger, keptMs: 14 * DAY_MS, bytesMax }),
    ages: async () => {
      const rows = await database
        .selectFrom('telemetry_bucket')
        .select('bucket_at')
        .orderBy('bucket_at')
        .execute();
      return rows.map((row) => (now - row.bucket_at) / MINUTE_MS);
    },
  };
}

describe('BucketRetention', () => {
  it('deletes what is too old, and reports beforehand what it would delete', async () => {
    const { retention, clock, ages } = await filled(100);
    clock.advance(14 * DAY_MS - 50.5 * MINUTE_MS);
    expect(await retention.find(clock.now(), 1_000)).toEqual({
      count: 50,
      bytes: 50_000,
      isMore: false,
      oldestAt: expect.any(Number),
    });
    expect(await retention.find(clock.now(), 20)).toMatchObject({ count: 20, isMore: true });
    expect(await ages()).toHaveLength(100);
    expect(await retention.removeSome(clock.now())).toEqual({ count: 50, bytes: 50_000, isMore: false });
    expect(Math.max(...(await ages()))).toBe(50);
  });

  it('deletes the oldest while all exceed the limit, a bounded number at a time, and logs it once', async () => {
    const { retention, clock, ages, lines } = await filled(1_800);
    const now = clock.now();
    expect(await retention.storedBytes()).toBe(1_800_000);
    expect(await retention.find(now, 10_000)).toMatchObject({ count: 800, bytes: 800_000, isMore: false });
    const max = limits.telemetryRowsRemovedPerPassMax;
    expect(await retention.removeSome(now)).toEqual({ count: max, bytes: max * 1_000, isMore: true });
    expect(await retention.removeSome(now)).toMatchObject({ count: 800 - max, isMore: false });
    expect(await retention.removeSome(now)).toEqual({ count: 0, bytes: 0, isMore: false });
    expect(await retention.storedBytes()).toBe(BYTES_MAX);
    expect(Math.max(...(await ages()))).toBe(1_000);
    expect(lines.filter((line) => line.includes('--telemetry-max'))).toHaveLength(1);
  });

  it('knows the size of all buckets through all changes', async () => {
    const { retention, store, bucket, save } = await filled(2);
    const [first] = [bucket(1, 900), bucket(2)];
    await save([first!]);
    expect(await retention.storedBytes()).toBe(900 + 700 + 2 * 300);
    await store.transaction((tx) => store.removeBuckets(tx, [first!]));
    expect(await retention.storedBytes()).toBe(1_000);
    await expect(
      store.transaction(async (tx) => {
        await store.saveBuckets(tx, [bucket(3)]);
        throw new Error('lost');
      }),
    ).rejects.toThrow('lost');
    expect(await retention.storedBytes()).toBe(1_000);
  });
});
