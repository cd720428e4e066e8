/** What a device reported no longer counts once it was removed, and a machine under its id starts without telemetry. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DriftService } from '../../../../hub/drift/drift-service.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../../../hub/telemetry/telemetry-service.ts';
import { TelemetryStore } from '../../../../hub/telemetry/telemetry-store.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { ConnectionHub, operator } from '../../../support/connection-hub.ts';
import { offeredToAll, publishedVersion, report, versionsOf } from '../../../support/profiles.ts';
import { insertRollouts } from '../../../support/stored-rollouts.ts';

const air = publishedVersion();
const rollout = 'r-000000000001';
const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

class CountingStore extends TelemetryStore {
  readonly removedAtOnce: number[] = [];
  override async removeDevice(...args: Parameters<TelemetryStore['removeDevice']>): Promise<number> {
    const removed = await super.removeDevice(...args);
    this.removedAtOnce.push(removed);
    return removed;
  }
}

describe('telemetry of a device that is removed', () => {
  let hub: ConnectionHub;
  let telemetry: TelemetryService;
  let drift: DriftService;
  let store: CountingStore;
  beforeEach(async () => {
    hub = await ConnectionHub.start();
    const { database, clock, devices, inbox } = hub;
    const versions = versionsOf(air);
    store = new CountingStore(database);
    telemetry = new TelemetryService({
      inbox,
      store,
      evidence: new EvidenceStore(database),
      assignments: {
        ...offeredToAll,
        offeredAt: async (claims) => claims.map(() => clock.now() - 3_600_000),
      },
      fleet: devices,
      versions,
      clock,
      logger: makeLogger('test', 'silent'),
      bucketMs: 60_000,
    });
    drift = new DriftService({ clock, versions, telemetry });
    devices.onRemoved({
      remove: (id, now, tx) => telemetry.removed.remove(id, now, tx),
      removed: async () => undefined,
      clear: (id) => telemetry.removed.clear(id),
      clearWithin: (id, tx) => telemetry.removed.clearWithin(id, tx),
    });
    for (const id of ['d-1', 'd-2']) await hub.enrol(id);
    await insertRollouts(database, [{ id: rollout, createdAt: 0 }]);
  });
  afterEach(() => hub.stop());

  const send = (id: string, number: number) =>
    telemetry.receive(id, encodeTelemetryReport(report(air, { number, rollout, rows: 100 })));

  async function rowsOf(id: string): Promise<number[]> {
    const count = async (table: 'telemetry_bucket' | 'telemetry_stream' | 'telemetry_evidence') =>
      (await hub.database.selectFrom(table).select('device_id').where('device_id', '=', id).execute()).length;
    return [
      await count('telemetry_bucket'),
      await count('telemetry_stream'),
      await count('telemetry_evidence'),
    ];
  }

  it('is in no figure from the removal on, in none of the fleet and in none that names no group', async () => {
    await send('d-1', 1);
    await send('d-2', 1);
    expect((await telemetry.figures(always)).devices).toEqual(['d-1', 'd-2']);
    await hub.devices.remove('d-1', operator);
    expect(await telemetry.figures(always)).toMatchObject({ devices: ['d-2'], reports: 1 });
    expect(await telemetry.versions(always)).toEqual([{ version: '1.0.0', devices: 1 }]);
    const { devicesSeen, devices } = await drift.assess(always);
    expect([devicesSeen, devices.map(({ device }) => device)]).toEqual([1, ['d-2']]);
    await hub.devices.remove('d-2', operator);
    expect(await telemetry.versions(always)).toEqual([]);
  });

  it('is deleted with its streams and its evidence, in passes that do not delay others', async () => {
    await send('d-1', 1);
    await send('d-2', 1);
    const [bucket] = await hub.database.selectFrom('telemetry_bucket').selectAll().execute();
    const many = Array.from({ length: 1_200 }, (_, i) => ({
      ...bucket!,
      device_id: 'd-1',
      bucket_at: (Math.floor(hub.clock.now() / 60_000) - 1 - i) * 60_000,
    }));
    for (let at = 0; at < many.length; at += 400) {
      await hub.database
        .insertInto('telemetry_bucket')
        .values(many.slice(at, at + 400))
        .execute();
    }
    await hub.devices.remove('d-1', operator);
    await telemetry.tidy();
    expect(await rowsOf('d-1')).toEqual([0, 0, 0]);
    expect(await rowsOf('d-2')).toEqual([1, 1, 1]);
    expect(await hub.database.selectFrom('telemetry_removed').selectAll().execute()).toEqual([]);
    expect(store.removedAtOnce).toEqual([500, 500, 201]);
  });

  it('is not attributed to a machine that is enrolled under the id at once', async () => {
    await send('d-1', 3);
    await hub.devices.remove('d-1', operator);
    await hub.enrol('d-1', join(hub.folder, 'anew'));
    expect(await rowsOf('d-1')).toEqual([0, 0, 0]);
    expect(await telemetry.figures(always)).toMatchObject({ devices: [], reports: 0 });
    // The number is that of its stream, not of the one before it.
    await send('d-1', 1);
    expect(await telemetry.figures(always)).toMatchObject({ devices: ['d-1'], reports: 1 });
    await telemetry.tidy();
    expect(await telemetry.figures(always)).toMatchObject({ devices: ['d-1'], reports: 1 });
  });

  it('is refused when it was in flight', async () => {
    await hub.devices.remove('d-1', operator);
    await send('d-1', 1);
    await telemetry.removed.clear('d-1');
    expect(await rowsOf('d-1')).toEqual([0, 0, 0]);
    expect(telemetry.counts).toMatchObject({ merged: 0, refused: { not_found: 1 } });
  });
});
