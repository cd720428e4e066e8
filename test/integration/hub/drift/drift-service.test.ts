import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import type { VersionCount } from '../../../../hub/devices/fleet-census.ts';
import { DriftService } from '../../../../hub/drift/drift-service.ts';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import { DeviceInbox } from '../../../../hub/inbox/device-inbox.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { offeredToAll, publishedVersion, report, versionsOf } from '../../../support/profiles.ts';

const air = publishedVersion({ label: { output: 'y', kind: 'regression' } });
const newer = publishedVersion({ version: '1.1.0' });
const nines = publishedVersion({ version: '9.9.0' });
const tens = publishedVersion({ version: '9.10.0' });
const candidate = publishedVersion({ version: '9.10.0-rc.1' });
const bare = publishedVersion({ model: 'bare', profile: { rows: 0, features: [] } });

/** Counts of 12 cells: `calm` like the profile, `odd` all in one bin. */
const calm = [0, ...new Array<number>(10).fill(100), 0];
const odd = [0, ...new Array<number>(9).fill(0), 1_000, 0];

async function world(active: readonly VersionCount[] = []) {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const versions = versionsOf(air, newer, nines, tens, candidate, bare);
  const logger = makeLogger('test', 'silent');
  const telemetry = new TelemetryService({
    inbox: new DeviceInbox({ database, logger }),
    database,
    judge: judgeHour,
    evidence: new EvidenceStore(database),
    assignments: offeredToAll,
    fleet: { groupsOf: async (ids) => new Map(ids.map((id) => [id, `group-${id}`])) },
    versions,
    clock: systemClock,
    logger,
    bucketMs: 60_000,
  });
  const drift = new DriftService({ clock: systemClock, versions, telemetry, active: () => active });
  const send = (device: string, f0: number[], f1 = calm, of = air) =>
    telemetry.receive(
      device,
      encodeTelemetryReport({
        ...report(of),
        requests: { ok: 1_000, failed: {} },
        features: [
          { name: 'f0', counts: f0, missing: 0 },
          { name: 'f1', counts: f1, missing: 0 },
        ],
        ...(of.manifest.label
          ? { labels: { kind: 'regression', n: 4, absoluteError: 2, squaredError: 4 } }
          : {}),
      }),
    );
  return { drift, send, telemetry };
}

describe('drift service', () => {
  it('distinguishes one broken sensor from a change of all inputs', async () => {
    const one = await world();
    for (const device of ['a', 'b', 'c', 'd']) await one.send(device, device === 'c' ? odd : calm);
    const broken = await one.drift.assess({ model: 'air', version: '1.0.0' });
    expect(broken).toMatchObject({ devicesSeen: 4, devicesDrifted: 1 });
    expect(broken.devices[0]).toMatchObject({ device: 'c', verdict: 'drift', worst: { name: 'f0' } });
    expect(broken.devices[1]).toMatchObject({ verdict: 'stable' });

    const all = await world();
    for (const device of ['a', 'b', 'c', 'd']) await all.send(device, odd);
    const changed = await all.drift.assess({ model: 'air', version: '1.0.0' });
    expect(changed).toMatchObject({ verdict: 'drift', devicesDrifted: 4 });
    expect(changed.features.map((f) => [f.name, f.verdict, f.n])).toEqual([
      ['f0', 'drift', 4_000],
      ['f1', 'stable', 4_000],
    ]);
  });

  it('judges the devices of one group alone when a group is named', async () => {
    const { drift, send } = await world();
    await send('a', calm);
    await send('b', odd);
    expect(await drift.assess({ model: 'air', group: 'group-a' })).toMatchObject({
      verdict: 'stable',
      devicesSeen: 1,
    });
  });

  it('uses the version most devices report when none is named', async () => {
    const { drift, send } = await world();
    await send('a', calm);
    await send('b', calm, calm, newer);
    await send('c', calm, calm, newer);
    expect((await drift.assess({ model: 'air' })).version).toBe('1.1.0');
  });

  it('uses the newest by the order of versions when as many report each', async () => {
    const { drift, send } = await world();
    for (const [index, of] of [nines, tens, candidate].entries()) await send(`d${index}`, calm, calm, of);
    expect((await drift.assess({ model: 'air' })).version).toBe('9.10.0');
  });

  it('takes the version that devices run now, not one that as many reported before it was rolled back', async () => {
    const { drift, send } = await world([{ model: 'air', version: '1.0.0', state: 'active', devices: 1 }]);
    await send('a', calm);
    await send('a', calm, calm, newer);
    expect((await drift.assess({ model: 'air' })).version).toBe('1.0.0');
  });

  it('adds label errors up', async () => {
    const { drift, send } = await world();
    await send('a', calm);
    await send('b', calm);
    expect((await drift.assess({ model: 'air' })).labels).toMatchObject({
      kind: 'regression',
      n: 8,
      mae: 0.5,
      rmse: 1,
    });
  });

  it('is too-few, never stable, for a version that no device reported', async () => {
    const { drift } = await world();
    expect(await drift.assess({ model: 'air', version: '1.0.0' })).toMatchObject({
      verdict: 'too-few',
      devicesSeen: 0,
    });
  });

  it('leaves out what came before the span', async () => {
    const { drift, send } = await world();
    await send('a', odd);
    const now = systemClock.now();
    const later = await drift.assess({
      model: 'air',
      version: '1.0.0',
      fromMs: now + 7_200_000,
      toMs: now + 10_800_000,
    });
    expect(later.devicesSeen).toBe(0);
  });

  it.each([
    ['an unknown version', { model: 'air', version: '9.9.9' }, 'not_found'],
    ['a version without profile', { model: 'bare', version: '1.0.0' }, 'drift_no_profile'],
    ['a model that no device reported', { model: 'air' }, 'no_telemetry'],
  ])('refuses %s', async (_, query, code) => {
    const { drift } = await world();
    await expect(drift.assess(query)).rejects.toMatchObject({ code });
  });
});
