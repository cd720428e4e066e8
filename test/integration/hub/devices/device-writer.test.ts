import type { KyselyPlugin } from 'kysely';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { DeviceWriter } from '../../../../hub/devices/device-writer.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { deviceRow } from '../../../support/device-row.ts';

const { eventsKeptPerDeviceMax: keptMax, eventsDroppedAtOnce: dropped } = limits;

const event = (n: number) => ({
  kind: 'event' as const,
  at: n,
  event: {
    v: 1 as const,
    id: `s-${n}`,
    at: '2026-01-01T00:00:00Z',
    model: 'air-quality',
    version: '1.0.0',
    manifest: 'a'.repeat(64),
    sequence: 1,
    state: 'downloading' as const,
  },
});

describe('the events of a device', () => {
  let database: Database;
  let writer: DeviceWriter;
  /** Deletions asked of the database. */
  let deletions: number;
  beforeEach(async () => {
    deletions = 0;
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => {
        if (node.kind === 'DeleteQueryNode') deletions += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    const opened = await openDatabase(':memory:');
    onTestFinished(() => opened.destroy());
    await opened.insertInto('device').values(deviceRow('dev')).execute();
    database = opened.withPlugin(counting);
    writer = new DeviceWriter(new DeviceStore(database));
  });

  /** Stores the events from one number to before another, ten in one transaction. */
  async function send(from: number, to: number, failure?: Error): Promise<void> {
    for (let n = from; n < to; n += 10) {
      const entries = Array.from({ length: 10 }, (_, i) => ({ deviceId: 'dev', body: event(n + i) }));
      const told = await database.transaction().execute(async (tx) => {
        const tell = await writer.write(entries, tx);
        if (failure) throw failure;
        return tell;
      });
      told();
    }
  }

  const kept = async () => {
    const rows = await database
      .selectFrom('device_event')
      .select('received_at')
      .orderBy('received_at')
      .execute();
    return rows.map((row) => row.received_at);
  };

  it('are never more than the bound, and the newest of them', async () => {
    await send(0, keptMax);
    expect(await kept()).toHaveLength(keptMax);
    await send(keptMax, keptMax + 10);
    const left = await kept();
    expect(left).toHaveLength(keptMax - dropped);
    expect(left.at(-1)).toBe(keptMax + 9);
    expect(left[0]).toBe(10 + dropped);
    for (let n = keptMax + 10; n < keptMax + 500; n += 10) {
      await send(n, n + 10);
      expect((await kept()).length).toBeLessThanOrEqual(keptMax);
    }
  });

  it('are looked through for the oldest once in a hundred, and not at each batch', async () => {
    await send(0, keptMax + 10 * dropped);
    expect(deletions).toBeLessThanOrEqual(10);
    expect(deletions).toBeGreaterThan(8);
  });

  it('are within the bound after a start of the hub and after a rollback', async () => {
    await send(0, keptMax);
    await expect(send(keptMax, keptMax + 10, new Error('rolled back'))).rejects.toThrow('rolled back');
    await send(keptMax, keptMax + 10);
    expect(await kept()).toHaveLength(keptMax - dropped);
    await send(keptMax + 10, keptMax + 10 + dropped);
    expect(await kept()).toHaveLength(keptMax);
    writer = new DeviceWriter(new DeviceStore(database));
    await send(keptMax + 200, keptMax + 210);
    expect(await kept()).toHaveLength(keptMax - dropped);
  });
});
