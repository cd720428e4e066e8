import type { Transaction } from 'kysely';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../../hub/db/database.ts';
import type { Tables } from '../../../../../hub/db/tables.ts';
import { DeviceHourRetention } from '../../../../../hub/telemetry/device-hours/device-hour-retention.ts';
import {
  type DeviceHour,
  DeviceHourStore,
} from '../../../../../hub/telemetry/device-hours/device-hour-store.ts';
import { limits } from '../../../../../shared/base/limits.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** The least that the option allows is far more: these are a thousand hours of one device. */
const BYTES_MAX = 1_000_000;

async function filled(count: number, bytesMax = BYTES_MAX) {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const store = new DeviceHourStore(database);
  const clock = new ManualClock();
  const now = clock.now();
  const hour = (age: number, bytes = 700): DeviceHour => ({
    deviceId: 'dev',
    model: 'air',
    version: '1.0.0',
    hourAt: now - age * HOUR_MS,
    cell: { rolloutId: '', arm: 'rest', segment: '', group: 'default' },
    verdict: 'stable',
    failed: 0,
    body: new Uint8Array(bytes),
  });
  const inTransaction = <T>(work: (tx: Transaction<Tables>) => Promise<T>) =>
    database.transaction().execute(work);
  const save = (hours: readonly DeviceHour[]) => inTransaction((tx) => store.save(tx, hours));
  await save(Array.from({ length: count }, (_, age) => hour(age + 1)));
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  return {
    store,
    inTransaction,
    clock,
    hour,
    save,
    lines,
    retention: new DeviceHourRetention({ store, clock, logger, keptMs: 100 * DAY_MS, bytesMax }),
    ages: async () => {
      const rows = await database
        .selectFrom('telemetry_device_hour')
        .select('hour_at')
        .orderBy('hour_at')
        .execute();
      return rows.map((row) => (now - row.hour_at) / HOUR_MS);
    },
  };
}

describe('DeviceHourRetention', () => {
  it('lets leave what is too old, and says before what would', async () => {
    const { retention, clock, ages } = await filled(100);
    clock.advance(100 * DAY_MS - 50.5 * HOUR_MS);
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

  it('knows what all device hours take, whatever becomes of them', async () => {
    const { retention, store, inTransaction, hour, save } = await filled(2);
    const [first] = [hour(1, 900), hour(2)];
    await save([first!]);
    expect(await retention.storedBytes()).toBe(900 + 700 + 2 * 300);
    await store.removeOldest(1, 1);
    expect(await retention.storedBytes()).toBe(1_200);
    await expect(
      inTransaction(async (tx) => {
        await store.save(tx, [hour(3)]);
        throw new Error('lost');
      }),
    ).rejects.toThrow('lost');
    expect(await retention.storedBytes()).toBe(1_200);
  });
});
