/** Reading the evidence of a rollout costs what arrived since the last read, whatever its fleet sent before. */
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { EvidenceCache } from '../../../../hub/telemetry/evidence-cache.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { insertRollouts } from '../../../support/stored-rollouts.ts';

const first = 'r-000000000001';
const second = 'r-000000000002';
let database: Database;
let store: EvidenceStore;
/** Devices whose row was read. */
let read: string[];

beforeEach(async () => {
  database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  store = new EvidenceStore(database);
  read = [];
  await insertRollouts(database, [
    { id: first, createdAt: 0 },
    { id: second, createdAt: 0 },
  ]);
});

function cache(bytesMax?: number): EvidenceCache {
  return new EvidenceCache({
    store,
    read: ({ deviceId, offeredAt, body }) => {
      read.push(deviceId);
      const requests = { ok: body[0]!, failed: {}, refused: { all: 0, fitBefore: 0 } };
      return { offeredAt, figures: { requests, features: [] } };
    },
    ...(bytesMax === undefined ? {} : { bytesMax }),
  });
}

async function bring(rolloutId: string, ok: number, ...deviceIds: readonly string[]): Promise<void> {
  const rows = deviceIds.map((deviceId) => ({
    rolloutId,
    deviceId,
    offeredAt: 1,
    creditMs: 0,
    updatedAt: 1,
    body: Uint8Array.of(ok, 0, 0, 0),
  }));
  await database.transaction().execute((tx) => store.save(tx, rows));
}

async function look(at: EvidenceCache, rolloutId: string): Promise<[Record<string, number>, string[]]> {
  read = [];
  const found = await at.ofRollout(rolloutId);
  return [Object.fromEntries([...found].map(([id, { figures }]) => [id, figures.requests.ok])), read];
}

const many = Array.from({ length: 1_100 }, (_, i) => `d-${String(i).padStart(4, '0')}`);

describe('reading the evidence of a rollout', () => {
  it('reads every row once, and afterwards those that changed', async () => {
    const at = cache();
    for (let i = 0; i < many.length; i += 300) await bring(first, 1, ...many.slice(i, i + 300));
    expect((await look(at, first))[1]).toEqual(many);
    expect((await look(at, first))[1]).toEqual([]);
    await bring(first, 7, 'd-0500');
    await bring(second, 9, 'd-0501');
    const [found, wasRead] = await look(at, first);
    expect(wasRead).toEqual(['d-0500']);
    expect([Object.keys(found).length, found['d-0500'], found['d-0501']]).toEqual([1_100, 7, 1]);
    expect(await look(at, second)).toEqual([{ 'd-0501': 9 }, ['d-0501']]);
  });

  it('gives the same map again while nothing has changed, and another when something has', async () => {
    const at = cache();
    await bring(first, 1, 'a', 'b');
    const whole = await at.ofRollout(first);
    expect(await at.ofRollout(first)).toBe(whole);
    await bring(first, 2, 'b');
    const next = await at.ofRollout(first);
    expect(next).not.toBe(whole);
    await database.transaction().execute((tx) => store.removeDevice('a', 10, tx));
    expect([...(await at.ofRollout(first)).keys()]).toEqual(['b']);
  });

  it('ignores what another transaction has rolled back', async () => {
    const at = cache();
    await bring(first, 1, 'a', 'b');
    await look(at, first);
    const failed = database.transaction().execute(async (tx) => {
      await store.save(tx, [
        { rolloutId: first, deviceId: 'a', offeredAt: 1, creditMs: 0, updatedAt: 1, body: Uint8Array.of(9) },
      ]);
      throw new Error('disk full');
    });
    await expect(failed).rejects.toThrow('disk full');
    expect(await look(at, first)).toEqual([{ a: 1, b: 1 }, []]);
    await bring(first, 2, 'b');
    expect(await look(at, first)).toEqual([{ a: 1, b: 2 }, ['b']]);
  });

  it('misses nothing after rows were deleted, the newest too', async () => {
    const at = cache();
    await bring(first, 1, 'a', 'b', 'c');
    await look(at, first);
    await database.transaction().execute((tx) => store.removeDevice('c', 10, tx));
    await bring(first, 5, 'a');
    expect(await look(at, first)).toEqual([{ a: 5, b: 1 }, ['a']]);
    await store.removeBefore(10, 10);
    await bring(first, 6, 'b');
    expect(await look(at, first)).toEqual([{ b: 6 }, ['b']]);
  });

  it('sees the times that became now when the clock was set back, and what arrived after', async () => {
    const at = cache();
    await bring(first, 1, 'a', 'b', 'c');
    await look(at, first);
    await database
      .updateTable('telemetry_evidence')
      .set({ offered_at: 900 })
      .where('device_id', '<>', 'b')
      .execute();
    expect(await store.clampFutureTimes(500)).toBe(2);
    read = [];
    const found = await at.ofRollout(first);
    expect(read).toEqual(['a', 'c']);
    expect([...found.values()].map(({ offeredAt }) => offeredAt)).toEqual([500, 1, 500]);
    await bring(first, 4, 'b');
    expect((await look(at, first))[1]).toEqual(['b']);
  });

  it('starts again after a restart of the hub', async () => {
    await bring(first, 1, 'a', 'b');
    await look(cache(), first);
    store = new EvidenceStore(database);
    const at = cache();
    await bring(first, 2, 'b');
    expect(await look(at, first)).toEqual([{ a: 1, b: 2 }, ['a', 'b']]);
  });

  it('keeps no more than its limit: the least recently used is evicted first', async () => {
    const at = cache(12);
    await bring(first, 1, 'a', 'b');
    await bring(second, 2, 'c');
    await look(at, first);
    await look(at, second);
    expect((await look(at, first))[1]).toEqual([]);
    await bring(second, 3, 'd');
    expect((await look(at, second))[1]).toEqual(['d']);
    expect(await look(at, first)).toEqual([{ a: 1, b: 1 }, ['a', 'b']]);
    // What exceeds the limit alone is read each time, and is complete each time.
    await bring(first, 1, 'e', 'f');
    expect((await look(at, first))[1]).toEqual(['e', 'f']);
    expect(await look(at, first)).toEqual([{ a: 1, b: 1, e: 1, f: 1 }, ['a', 'b', 'e', 'f']]);
  });

  it('drops a rollout that is not read any more', async () => {
    const at = cache();
    await bring(first, 1, 'a');
    await look(at, first);
    at.sweep();
    expect((await look(at, first))[1]).toEqual([]);
    at.sweep();
    at.sweep();
    expect((await look(at, first))[1]).toEqual(['a']);
  });
});
