import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RolloutRequest } from '../../../../shared/api/rollout-plan.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { ModelManifest } from '../../../../shared/manifest/model-manifest.ts';
import type { ReportedState } from '../../../../shared/protocol/reported-state.ts';
import { digestOf } from '../../../support/rollout-device.ts';
import { operator, RolloutWorld } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
beforeEach(async () => {
  world = await RolloutWorld.open({ devices: 4 });
});
afterEach(async () => {
  await world.close();
});

describe('create()', () => {
  it.each<[string, Partial<RolloutRequest>, string, RegExp]>([
    [
      'a version that was not published',
      { version: '9.0.0' },
      'version_unknown',
      /air-quality@9\.0\.0: no such version/,
    ],
    ['a group without devices', { group: 'none' }, 'rollout_target_empty', /group "none" has no devices/],
    [
      'a version every device runs',
      { version: '1.0.0' },
      'rollout_not_needed',
      /every device of the hub already runs it/,
    ],
    [
      'phases that do not reach every device',
      { phases: [{ percent: 50 }] },
      'rollout_plan_invalid',
      /last phase is 50 %/,
    ],
    [
      'more completed devices than there are',
      { gates: { minCompleted: 5 } },
      'rollout_plan_invalid',
      /the target has only 4/,
    ],
  ])('refuses %s', async (_, request, code, message) => {
    await expect(world.create(request)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await world.store.list({ limit: 10 })).toEqual([]);
  });

  it('refuses a withdrawn version with the reason of its publisher', async () => {
    world.withdrawn.set('2.0.0', 'wrong units');
    await expect(world.create()).rejects.toMatchObject({
      code: 'version_withdrawn',
      message: expect.stringMatching(/wrong units/),
    });
  });

  it('refuses a drift gate for a version that has nothing to compare with', async () => {
    world.profileless.add('2.0.0');
    await expect(world.create({ gates: { drift: 'hold' } })).rejects.toMatchObject({
      code: 'rollout_plan_invalid',
      message: expect.stringMatching(/no reference profile/),
    });
    expect((await world.create()).status).toBe('running');
  });

  describe('with what is known of the devices', () => {
    const x = { name: 'x', datatype: 'FP32' as const, shape: [-1, 2] };
    const manifest = (part: object) => part as Partial<ModelManifest>;
    const first = () => [...world.devices.values()][0]!;
    /** The hub's copy of the device's last report, with one part replaced. */
    function setReport(id: string, part: Partial<ReportedState>): void {
      world.reported.set(id, { ...world.devices.get(id)!.reportedState(), ...part });
    }

    it('refuses an interface that breaks clients of a version that runs, naming each change', async () => {
      world.manifests.set(
        '2.0.0',
        manifest({ interface: { inputs: [{ ...x, name: 'features' }], outputs: [] } }),
      );
      await expect(world.create()).rejects.toMatchObject({
        code: 'interface_breaking',
        message:
          'Cannot roll out air-quality@2.0.0: it breaks clients of 1.0.0 (4 devices, "device-000", "device-001", "device-002", ' +
          '"device-003"): input "x" is gone; input "features" is new, and no client sends it. If the clients change together with the ' +
          'model, repeat with --breaking.',
      });
      expect(await world.store.list({ limit: 10 })).toEqual([]);
    });

    it('accepts it when it is intended, informs the devices, and records it in the audit log', async () => {
      world.manifests.set(
        '2.0.0',
        manifest({ interface: { inputs: [{ ...x, name: 'features' }], outputs: [] } }),
      );
      const { plan } = await world.create({ breaking: true });
      expect(plan.trial.breaking).toBe(true);
      const rows = await world.database.selectFrom('audit_event').selectAll().execute();
      const created = rows.find((row) => row.action === 'rollout.created')!;
      expect(JSON.parse(created.details).breaking).toEqual([expect.stringContaining('input "x" is gone')]);
    });

    it('judges a version that breaks nothing like any other, whatever was allowed', async () => {
      expect((await world.create({ breaking: true })).plan.trial.breaking).toBeUndefined();
    });

    it('compares with what a device reports to run, and with what it is to run', async () => {
      world.manifests.set('3.0.0', manifest({ interface: { inputs: [{ ...x, name: 'old' }], outputs: [] } }));
      const odd = { ...world.devices.get('device-002')!.reportedState() };
      const running = { version: '3.0.0', manifest: digestOf('3.0.0'), release: 3 };
      setReport('device-002', { models: [{ ...odd.models[0]!, active: running }] });
      await expect(world.create({ version: '4.0.0' })).rejects.toMatchObject({
        message: expect.stringMatching(
          /breaks clients of 3\.0\.0 \(1 device, "device-002"\): input "old" is gone/,
        ),
      });
    });

    it('refuses a release below one that a device has committed, naming device and release', async () => {
      const [entry] = first().reportedState().models;
      setReport(first().id, { models: [{ ...entry!, floor: 5 }] });
      await expect(world.create()).rejects.toMatchObject({
        code: 'rollout_downgrade',
        message: expect.stringMatching(
          /air-quality@2\.0\.0: 1 device committed a higher release and refuses a lower one: "device-000" \(release 5\)/,
        ),
      });
    });

    it('accepts a lower release that the device still keeps: it may go back to it', async () => {
      const [entry] = first().reportedState().models;
      const previous = [{ version: '2.0.0', manifest: digestOf('2.0.0'), release: 2 }];
      setReport(first().id, { models: [{ ...entry!, floor: 5, previous }] });
      expect((await world.create()).status).toBe('running');
    });

    it('refuses a version without a variant for what a device offers', async () => {
      world.manifests.set(
        '2.0.0',
        manifest({ variants: [{ file: 'model.onnx', precision: 'fp16', providers: ['cuda'] }] }),
      );
      await expect(world.create()).rejects.toMatchObject({
        code: 'rollout_target_unfit',
        message: expect.stringContaining('"device-000" (cpu)'),
      });
    });

    it('refuses a model when a device has as many models as it may', async () => {
      const [entry] = first().reportedState().models;
      const full = Array.from({ length: limits.modelsPerDeviceMax }, (_, i) => ({
        ...entry!,
        model: `m${i}`,
      }));
      setReport(first().id, { models: full });
      await expect(world.create()).rejects.toMatchObject({
        code: 'rollout_target_unfit',
        message: expect.stringContaining('"device-000" (16 others)'),
      });
    });

    it('counts a device that has filled up since as no failure, and offers it the version once it has a free slot', async () => {
      const { id } = await world.create({
        startAt: world.clock.now() + 1_000,
        phases: [{ percent: 100 }],
      });
      const trial = { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 };
      for (let n = 0; n < limits.modelsPerDeviceMax - 1; n += 1) {
        await world.director.assign([
          {
            deviceId: first().id,
            model: `m${n}`,
            version: '1.0.0',
            release: 1,
            manifestSha256: digestOf('1'),
            trial,
          },
        ]);
      }
      await world.director.assign([{ deviceId: first().id, model: 'air-quality' }]);
      await world.director.assign([
        {
          deviceId: first().id,
          model: 'last',
          version: '1.0.0',
          release: 1,
          manifestSha256: digestOf('1'),
          trial,
        },
      ]);
      world.clock.advance(2_000);
      await world.runner.tick();
      const { counts, devices } = await world.service.show(id);
      expect(counts).toEqual({ offered: 3, blocked: 1 });
      expect(devices[0]).toMatchObject({ device: first().id, fault: { code: 'too_large' } });
      await world.director.assign([{ deviceId: first().id, model: 'last' }]);
      world.clock.advance(limits.rolloutTryAgainMs);
      await world.runner.tick();
      expect((await world.service.show(id)).counts).toEqual({ offered: 4 });
    });

    it('warns of devices whose reports a restore has lost', async () => {
      world.reported.delete(first().id);
      world.unreported.add(first().id);
      const { warnings } = await world.create();
      expect(warnings).toEqual([
        expect.stringMatching(
          /^1 device has not reported what it runs since the hub was restored.*"device-000"/,
        ),
      ]);
    });

    it('warns of what may be temporary: a quarantined version, a full disk', async () => {
      const [entry] = first().reportedState().models;
      const quarantined = [{ version: '2.0.0', until: '2099-01-01T00:00:00Z', reason: 'golden_mismatch' }];
      setReport(first().id, { models: [{ ...entry!, quarantined }], freeBytes: 5 });
      const { warnings } = await world.create();
      expect(warnings).toEqual([
        expect.stringMatching(
          /^1 device has the version in quarantine.*"device-000" \(golden_mismatch\).*devices release/,
        ),
        expect.stringMatching(/^1 device has too little free disk space.*"device-000" \(5 bytes free\)/),
      ]);
    });
  });

  it('refuses devices that another rollout of the model holds, until that one has ended', async () => {
    const first = await world.create();
    await expect(world.create({ version: '3.0.0' })).rejects.toMatchObject({
      code: 'rollout_overlap',
      message: expect.stringMatching(
        new RegExp(`rollout "${first.id}" of the same model is running on 4 of the 4`),
      ),
    });
    await world.service.abort(first.id, { actor: operator });
    expect((await world.create({ version: '3.0.0' })).status).toBe('running');
  });
});

describe('actions', () => {
  it('refuses an action that the state does not allow, and changes nothing', async () => {
    const { id } = await world.create();
    const before = await world.service.show(id);
    await expect(world.service.resume(id, { actor: operator })).rejects.toMatchObject({
      code: 'rollout_state_conflict',
    });
    expect(await world.service.show(id)).toEqual(before);
  });

  it('refuses an unknown rollout', async () => {
    await expect(world.service.pause('r-00000000', { actor: operator })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(world.service.show('r-00000000')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('messages of devices', () => {
  it('change nothing when they name an unknown rollout, device or model', async () => {
    const { id } = await world.create();
    const before = await world.service.show(id);
    const [target] = before.devices;
    const event = {
      v: 1 as const,
      id: 's-1',
      at: '2026-01-01T00:00:00Z',
      model: 'air-quality',
      version: '2.0.0',
      manifest: '0'.repeat(64),
      rollout: id,
      sequence: 2,
      state: 'committed' as const,
    };
    const { rollout: _, ...untagged } = event;
    await world.uplink.event('stranger', event);
    await world.uplink.event(target!.device, { ...event, rollout: 'r-00000000' });
    await world.uplink.event(target!.device, { ...event, model: 'other' });
    await world.uplink.event(target!.device, { ...event, version: '3.0.0' });
    await world.uplink.event(target!.device, untagged);
    const waiting = [...world.devices.keys()].find((device) => device !== target!.device)!;
    await world.uplink.event(waiting, event);
    expect((await world.service.show(id)).counts).toEqual(before.counts);
  });
});
