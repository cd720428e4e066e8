import { expect, it, onTestFinished } from 'vitest';
import { AuditLog } from '../../../../hub/audit/audit-log.ts';
import { DesiredStore } from '../../../../hub/rollout/desired-store.ts';
import { ReleaseService } from '../../../../hub/rollout/release-service.ts';
import { model, operator, RolloutWorld } from '../../../support/rollout-world.ts';

it('a release on a device whose report a restore has lost does not call the model absent', async () => {
  const world = await RolloutWorld.open({ devices: 1 });
  onTestFinished(() => world.close());
  const { database, clock, director } = world;
  const facts = { providers: ['cpu'], memoryBytes: 1 };
  const known = { id: 'device-000', facts, isReportLost: false };
  let report = known;
  const releases = new ReleaseService({
    store: new DesiredStore(database),
    director,
    devices: { report: async () => report as never },
    audit: new AuditLog({ database, clock }),
  });
  await director.clear('device-000', model);
  await expect(releases.release('device-000', model, operator)).rejects.toMatchObject({ code: 'not_found' });
  report = { ...known, isReportLost: true };
  await expect(releases.release('device-000', model, operator)).rejects.toMatchObject({
    code: 'device_not_reported',
    message: expect.stringContaining('"device-000"'),
  });
});
