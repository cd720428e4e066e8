import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { digestOf } from '../../../support/rollout-device.ts';
import { operator, RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<RolloutWorld> {
  world = await RolloutWorld.open(options);
  return world;
}
afterEach(async () => {
  await world.close();
});

describe('a rollback', () => {
  it('rolls a completed rollout back on every device, and reports when that is done', async () => {
    await open({ devices: 5 });
    const { id } = await world.create({ silenceMs: 3_600_000 });
    await world.runUntil(id, ['completed']);
    expect((await world.service.rollback(id, { actor: operator })).status).toBe('rolling-back');
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe('every device has been rolled back');
    expect(world.carrying('1.0.0')).toHaveLength(5);
  });

  it('does not wait for ever for a silent device when rolling back, and names how many', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ silenceMs: 10_000 });
    await world.runUntil(id, ['completed']);
    const [dead] = [...world.devices.values()];
    dead!.manner = 'dead';
    await world.service.rollback(id, { actor: operator });
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe(
      `2 of 3 devices have been rolled back; 1 did not go back in time and go back when they return: "${dead!.id}"`,
    );
    dead!.manner = 'good';
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(3);
  });

  it('ends in a restore: nothing more is reverted, and no device is reported as rolled back', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    for (const device of world.devices.values()) device.manner = 'dead';
    await world.service.rollback(id, { actor: operator });
    // As a restore leaves it: reports of devices are lost, and their desired versions are unconfirmed.
    world.reported.clear();
    await world.director.catchUp(1_000_000);
    world.rebuild();
    expect(await world.runner.endAll('the hub was restored')).toEqual([id]);
    world.clock.advance(600_000);
    await world.runner.tick();
    expect(await world.service.show(id)).toMatchObject({ status: 'aborted', reason: 'the hub was restored' });
  });

  it('that is requested after a restore waits until devices have reported what they run, and then rolls them back', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    world.reported.clear();
    for (const deviceId of world.devices.keys()) world.unreported.add(deviceId);
    await world.director.catchUp(1_000_000);
    world.rebuild();
    await world.director.republishAll();
    const begun = await world.service.rollback(id, { actor: operator });
    expect(begun).toMatchObject({ status: 'rolling-back', revert: { 'not-sent': 2 } });
    for (const device of world.devices.values()) {
      await world.deliver(device.id);
      await device.report(world.uplink);
      world.unreported.delete(device.id);
      const reported = world.reported.get(device.id)!;
      await world.store.transaction((tx) => world.director.handleReport(device.id, reported, tx));
    }
    expect((await world.runUntil(id, ['rolled-back'])).reason).toBe('every device has been rolled back');
    expect(world.carrying('1.0.0')).toHaveLength(2);
  });

  it('reports after a restore that devices which stay away could not be sent the rollback', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    for (const device of world.devices.values()) device.manner = 'dead';
    world.reported.clear();
    for (const deviceId of world.devices.keys()) world.unreported.add(deviceId);
    await world.director.catchUp(1_000_000);
    world.rebuild();
    await world.service.rollback(id, { actor: operator });
    const { reason } = await world.runUntil(id, ['rolled-back'], { stepMs: 60_000 });
    expect(reason).toContain('0 of 2 devices have been rolled back; 2 could not be sent the rollback');
  });

  it('that an abort began ends in a restore as well', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    for (let i = 0; i < 3; i += 1) await world.settle();
    let commits = 0;
    world.onCommit = () => {
      commits += 1;
      if (commits > 1) throw new Error('killed');
    };
    await world.service.abort(id, { actor: operator });
    world.onCommit = () => undefined;
    expect((await world.rows.list(id)).map(({ assigned }) => assigned)).toEqual([true, true, true]);
    world.reported.clear();
    await world.director.catchUp(1_000_000);
    world.rebuild();
    expect(await world.runner.endAll('the hub was restored')).toEqual([id]);
    await world.runner.tick();
    expect((await world.rows.list(id)).map(({ assigned }) => assigned)).toEqual([true, true, true]);
    expect(await world.runner.endAll('the hub was restored')).toEqual([]);
  });

  it('does not wait when there is no version to go back to: devices keep what they have', async () => {
    await open({ devices: 2, running: null });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    for (const device of world.devices.keys()) world.connected.add(device);
    await world.service.rollback(id, { actor: operator });
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe(
      '0 of 2 devices have been rolled back; 2 had no version to go back to and keep what they have: "device-000", "device-001"',
    );
    expect(world.carrying('2.0.0')).toHaveLength(2);
  });

  it('does not wait for ever for a device that is connected and does not go back', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }], deviceTimeoutMs: 700_000 });
    await world.runUntil(id, ['completed']);
    const [stubborn] = [...world.devices.values()];
    stubborn!.manner = 'dead';
    world.connected.add(stubborn!.id);
    await world.service.rollback(id, { actor: operator });
    world.clock.advance(690_000);
    await world.settle();
    const meanwhile = await world.service.show(id);
    expect(meanwhile).toMatchObject({ status: 'rolling-back', revert: { pending: 1, reverted: 1 } });
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toMatch(/^1 of 2 devices have been rolled back; 1 did not go back in time/);
  });

  it('does not wait for a device that was removed, and does not call it late', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    const [gone] = [...world.devices.values()];
    await world.remove(gone!.id);
    await world.service.rollback(id, { actor: operator });
    await world.settle();
    const detail = await world.service.show(id);
    expect(detail.status).toBe('rolled-back');
    expect(detail.reason).toBe(
      `every device has been rolled back; 1 were removed from the hub: "${gone!.id}"`,
    );
    expect(detail.revert).toEqual({ reverted: 1, removed: 1 });
  });

  it('leaves devices alone that a later rollout has taken over', async () => {
    await open({ devices: 2 });
    const first = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(first.id, ['completed']);
    const second = await world.create({ version: '3.0.0', phases: [{ percent: 100 }] });
    await world.runUntil(second.id, ['completed']);
    await world.service.rollback(first.id, { actor: operator });
    const detail = await world.runUntil(first.id, ['rolled-back']);
    expect(detail.reason).toMatch(/^0 of 2 devices have been rolled back; 2 are left to a later rollout/);
    expect(detail.devices.map((device) => device.revert)).toEqual(['superseded', 'superseded']);
    await world.settle();
    expect(world.carrying('3.0.0')).toHaveLength(2);
    expect((await world.service.show(second.id)).counts).toEqual({ succeeded: 2 });
  });

  const everyDevice = { phases: [{ percent: 100 }], gates: { maxFailures: 1 } };
  async function bring(version: string): Promise<string> {
    const { id } = await world.create({ ...everyDevice, version });
    await world.runUntil(id, ['completed']);
    return id;
  }
  async function revert(id: string) {
    await world.service.rollback(id, { actor: operator });
    return world.runUntil(id, ['rolled-back']);
  }

  it('rolls a device back to the version it reported before, after a failure that the gate let pass', async () => {
    await open({ devices: 3 });
    const [odd] = [...world.devices.values()];
    odd!.mannerOf.set('2.0.0', 'rolls-back');
    await bring('2.0.0');
    expect(odd!.active).toBe('1.0.0');
    const third = await bring('3.0.0');
    const detail = await revert(third);
    expect(detail.reason).toBe('every device has been rolled back');
    expect(odd!.active).toBe('1.0.0');
    expect(world.carrying('2.0.0')).toHaveLength(2);
  });

  it('goes back twice in a row, one version at a time', async () => {
    await open({ devices: 3 });
    const second = await bring('2.0.0');
    const third = await bring('3.0.0');
    expect((await revert(third)).reason).toBe('every device has been rolled back');
    expect(world.carrying('2.0.0')).toHaveLength(3);
    expect((await revert(second)).reason).toBe('every device has been rolled back');
    expect(world.carrying('1.0.0')).toHaveLength(3);
  });

  it('reverts a version on a device that a later rollout failed to move off it', async () => {
    await open({ devices: 2 });
    const [odd, other] = [...world.devices.values()];
    const second = await bring('2.0.0');
    odd!.mannerOf.set('3.0.0', 'rejects');
    await bring('3.0.0');
    expect([odd!.active, other!.active]).toEqual(['2.0.0', '3.0.0']);
    const detail = await revert(second);
    expect([odd!.active, other!.active]).toEqual(['1.0.0', '3.0.0']);
    expect(detail.reason).toBe(
      `1 of 2 devices have been rolled back; 1 are left to a later rollout: "${other!.id}"`,
    );
  });

  it('names the devices that keep no version to go back to, and reports none of them as rolled back', async () => {
    await open({ devices: 2 });
    const second = await bring('2.0.0');
    const third = await bring('3.0.0');
    const fourth = await bring('4.0.0');
    const [device] = [...world.devices.values()];
    expect(device!.kept).toEqual(['3.0.0', '2.0.0']);
    await revert(fourth);
    await revert(third);
    const detail = await revert(second);
    expect(world.carrying('2.0.0')).toHaveLength(2);
    expect(detail.reason).toMatch(
      /^0 of 2 devices have been rolled back; 2 had no version to go back to and keep/,
    );
    expect(detail.devices.map(({ revert }) => revert)).toEqual(['no-target', 'no-target']);
  });

  it('goes to the newest version a device keeps when the one before it was withdrawn', async () => {
    await open({ devices: 2 });
    await bring('2.0.0');
    const third = await bring('3.0.0');
    world.withdrawn.set('2.0.0', 'wrong units');
    await revert(third);
    expect(world.carrying('1.0.0')).toHaveLength(2);
  });

  it('leaves a device what it ran before the rollout, and reports it', async () => {
    await open({ devices: 3 });
    const [early] = [...world.devices.values()];
    await world.director.assign([
      {
        deviceId: early!.id,
        model: 'air-quality',
        version: '2.0.0',
        release: 2,
        manifestSha256: digestOf('2.0.0'),
        trial: { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 },
      },
    ]);
    await world.settle();
    const detail = await revert(await bring('2.0.0'));
    expect(world.carrying('2.0.0')).toEqual([early!.id]);
    expect(detail.reason).toBe(
      `2 of 3 devices have been rolled back; 1 ran it before and keep it: "${early!.id}"`,
    );
  });

  it('no longer counts a device as rolled back when it reports that it runs the version after all', async () => {
    await open({ devices: 2 });
    const second = await bring('2.0.0');
    await revert(second);
    const [odd] = [...world.devices.values()];
    odd!.slots = { ...odd!.slots, active: odd!.slots.previous[0]!, previous: [odd!.slots.active!] };
    await odd!.report(world.uplink);
    const { devices } = await world.service.show(second);
    expect(devices.find(({ device }) => device === odd!.id)!.revert).toBe('pending');
  });

  it('goes to the version before the rollout on a device that committed it before it received a pause', async () => {
    await open({ devices: 1 });
    const { id } = await world.create({ phases: [{ percent: 100 }], soakMs: 60_000 });
    const [device] = [...world.devices.values()];
    await world.deliver(device!.id);
    await world.service.pause(id, { actor: operator });
    // The statement that withdraws the offer has not arrived yet.
    while (await device!.work(world.uplink));
    expect(device!.active).toBe('2.0.0');
    await world.service.resume(id, { actor: operator });
    await world.runUntil(id, ['completed']);
    expect((await revert(id)).reason).toBe('every device has been rolled back');
    expect(device!.active).toBe('1.0.0');
  });

  it('is done with a device that reports to have nothing of the model any more', async () => {
    await open({ devices: 2 });
    const second = await bring('2.0.0');
    const [odd] = [...world.devices.values()];
    odd!.manner = 'dead';
    await world.service.rollback(second, { actor: operator });
    await world.settle();
    const { sequence } = (await world.rows.find(second, odd!.id))!;
    await world.uplink.reported(odd!.id, { ...odd!.reportedState(), sequence: sequence!, models: [] });
    // It was to go to 1.0.0, and runs nothing.
    expect((await world.service.show(second)).revert).toEqual({ reverted: 1, pending: 1 });
    await world.rows.save(second, {
      ...(await world.rows.find(second, odd!.id))!,
      previousVersion: null,
    });
    await world.uplink.reported(odd!.id, { ...odd!.reportedState(), sequence: sequence!, models: [] });
    expect((await world.service.show(second)).revert).toEqual({ reverted: 2 });
  });

  it('is refused while another rollout steers some of its devices: it would be incomplete', async () => {
    await open({ devices: 2 });
    const second = await bring('2.0.0');
    const third = await world.create({ ...everyDevice, version: '3.0.0' });
    await expect(world.service.rollback(second, { actor: operator })).rejects.toMatchObject({
      code: 'rollout_overlap',
      message: expect.stringContaining(third.id),
    });
    expect((await world.service.show(second)).status).toBe('completed');
  });

  /**
   * The version a device should end on, computed independently of the hub: the last one it ran before the reverted one,
   * that it still keeps.
   */
  it('ends every device on a version it kept, whatever it went through, and reports none as rolled back that is not', {
    timeout: 240_000,
  }, async () => {
    const kinds = ['good', 'good', 'good', 'rejects', 'rolls-back', 'dead'] as const;
    for (let seed = 1; seed <= 10; seed += 1) {
      const random = seededRandom(seed);
      const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
      await open({ devices: 6 });
      const rollouts: { id: string; version: string }[] = [];
      for (const version of ['2.0.0', '3.0.0', '4.0.0', '5.0.0']) {
        for (const device of world.devices.values()) device.mannerOf.set(version, pick(kinds.slice(0, 5)));
        for (const device of world.devices.values()) device.manner = pick(kinds);
        const { id } = await world.create({
          ...everyDevice,
          version,
          gates: { maxFailures: 1, maxSilent: 1 },
          silenceMs: 5_000,
        });
        for (let round = 0; round < 10; round += 1) {
          await world.settle();
          world.clock.advance(1_000);
          await world.runner.tick();
        }
        if ((await world.service.show(id)).status === 'completed') rollouts.push({ id, version });
        else await world.service.abort(id, { actor: operator, keep: random() < 0.5 });
        for (const device of world.devices.values()) {
          device.manner = 'good';
          if (random() < 0.15) await device.goBack(world.uplink);
        }
        await world.settle();
      }
      while (rollouts.length > 0) {
        const [{ id, version }] = rollouts.splice(Math.floor(random() * rollouts.length), 1) as [
          { id: string; version: string },
        ];
        const before = new Map(
          [...world.devices.values()].map((device) => [
            device.id,
            { active: device.active, kept: [...device.kept] },
          ]),
        );
        await revert(id);
        await world.settle();
        const rows = await world.rows.list(id);
        for (const { deviceId, offeredAt, revertOutcome } of rows) {
          const device = world.devices.get(deviceId)!;
          const was = before.get(deviceId)!;
          const what = `seed ${seed}, ${deviceId}, ${version} reverted: was ${JSON.stringify(was)}, runs ${device.active}, ${revertOutcome}`;
          if (revertOutcome === 'reverted') expect(device.active, what).not.toBe(version);
          if (was.active !== version || offeredAt === null) expect(device.active, what).toBe(was.active);
          else if (device.active !== version) expect(was.kept, what).toContain(device.active);
          else expect(['no-target', 'unchanged', 'refused'], what).toContain(revertOutcome);
        }
      }
      await world.close();
    }
    await open({ devices: 0 });
  });
});
