/** What a device reported no longer counts once it was removed, and a machine under its id starts without telemetry. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DriftService } from '../../../../hub/drift/drift-service.ts';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { ConnectionHub, operator } from '../../../support/connection-hub.ts';
import { countTurns } from '../../../support/loop-turns.ts';
import { offeredToAll, publishedVersion, report, versionsOf } from '../../../support/profiles.ts';
import { insertRollouts } from '../../../support/stored-rollouts.ts';

const air = publishedVersion();
const rollout = 'r-000000000001';
const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

describe('telemetry of a device that is removed', () => {
  let hub: ConnectionHub;
  let telemetry: TelemetryService;
  let drift: DriftService;
  beforeEach(async () => {
    hub = await ConnectionHub.start();
    const { database, clock, devices, inbox } = hub;
    const versions = versionsOf(air);
    telemetry = new TelemetryService({
      inbox,
      database,
      judge: judgeHour,
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
    drift = new DriftService({ clock, versions, telemetry, active: () => [] });
    devices.onRemoved({
      remove: (id, now, tx) => telemetry.removed.remove(id, now, tx),
      removed: (id) => telemetry.removed.clearSoon(id),
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
    const count = async (table: 'telemetry_device_hour' | 'telemetry_stream' | 'telemetry_evidence') =>
      (await hub.database.selectFrom(table).select('device_id').where('device_id', '=', id).execute()).length;
    return [
      await count('telemetry_device_hour'),
      await count('telemetry_stream'),
      await count('telemetry_evidence'),
    ];
  }

  it('is in no figure from the removal on, in none of the fleet and in none that names no group', async () => {
    await send('d-1', 1);
    await send('d-2', 1);
    expect(await telemetry.versions(always)).toEqual([{ version: '1.0.0', devices: 2 }]);
    await hub.devices.remove('d-1', operator);
    expect((await telemetry.hours(always)).figures()).toMatchObject({ reports: 1, requests: { ok: 100 } });
    expect(await telemetry.versions(always)).toEqual([{ version: '1.0.0', devices: 1 }]);
    const { devicesSeen, devices } = await drift.assess(always);
    expect([devicesSeen, devices.map(({ device }) => device)]).toEqual([1, ['d-2']]);
    await hub.devices.remove('d-2', operator);
    expect(await telemetry.versions(always)).toEqual([]);
  });

  it('leaves with its streams and its evidence, in passes between which others have their turn', async () => {
    for (let hour = 1; hour <= 250; hour += 1) {
      await send('d-1', hour);
      hub.clock.offsetMs += 3_600_000;
    }
    await send('d-2', 1);
    const turns = await countTurns(() => hub.devices.remove('d-1', operator));
    expect(turns).toBeGreaterThanOrEqual(2);
    expect(await rowsOf('d-1')).toEqual([0, 0, 0]);
    expect(await rowsOf('d-2')).toEqual([1, 1, 1]);
    expect(await hub.database.selectFrom('telemetry_removed').selectAll().execute()).toEqual([]);
    const left = await telemetry.hours(always);
    expect(left.figures()).toMatchObject({ reports: 1, requests: { ok: 100 } });
    expect(
      left
        .features()
        .get('f0')!
        .classes.entries()
        .map(([, { units }]) => units),
    ).toEqual([1]);
  });

  it('is not attributed to a machine that is enrolled under the id at once', async () => {
    await send('d-1', 3);
    await hub.devices.remove('d-1', operator);
    await hub.enrol('d-1', join(hub.folder, 'anew'));
    expect(await rowsOf('d-1')).toEqual([0, 0, 0]);
    expect((await telemetry.hours(always)).figures()).toMatchObject({ reports: 0 });
    // The number is that of its stream, not of the one before it.
    await send('d-1', 1);
    expect((await telemetry.hours(always)).figures()).toMatchObject({ reports: 1 });
    await telemetry.tidy();
    expect((await telemetry.hours(always)).figures()).toMatchObject({ reports: 1 });
  });

  it('is refused when it was in flight', async () => {
    await hub.devices.remove('d-1', operator);
    await send('d-1', 1);
    await telemetry.removed.clear('d-1');
    expect(await rowsOf('d-1')).toEqual([0, 0, 0]);
    expect(telemetry.counts).toMatchObject({ merged: 0, refused: { not_found: 1 } });
  });
});
