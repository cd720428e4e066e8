/** Unassigning a model from devices: what the hub signs, refuses and stores. */
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { desiredStateType, parseDesiredState } from '../../../../shared/protocol/desired-state.ts';
import { verifyDsse } from '../../../../shared/tuf/dsse.ts';
import { digestOf } from '../../../support/rollout-device.ts';
import { model, operator, RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<RolloutWorld> {
  world = await RolloutWorld.open(options);
  return world;
}
afterEach(async () => {
  await world.close();
});
const statement = (id: string) =>
  parseDesiredState(verifyDsse(world.retained.get(id)!, desiredStateType, world.keys));
const take = (target: { device: string } | { group: string }) =>
  world.unassigning.unassign(model, target, operator);
const trial = { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 };
const assign = (deviceId: string, name: string) =>
  world.director.assign([
    { deviceId, model: name, version: '1.0.0', release: 1, manifestSha256: digestOf('1.0.0'), trial },
  ]);

describe('unassigning a model', () => {
  it('on devices whose reports a restore has lost does not claim that they have no such model', async () => {
    await open({ devices: 2 });
    for (const id of world.devices.keys()) {
      await world.director.clear(id, model);
      world.unreported.add(id);
    }
    world.reported.delete('device-000');
    await expect(take({ device: 'device-000' })).rejects.toMatchObject({
      code: 'device_not_reported',
      message: expect.stringContaining('"device-000"'),
    });
    world.unreported.delete('device-001');
    expect(await take({ group: 'default' })).toMatchObject({
      devices: 1,
      failed: [{ device: 'device-000', code: 'device_not_reported' }],
    });
  });

  it('on a device is part of every statement until the device reports that it no longer has it', async () => {
    await open({ devices: 2 });
    expect(await take({ device: 'device-000' })).toEqual({ model, devices: 1, failed: [] });
    expect(statement('device-000')).toMatchObject({ models: [], unassigned: [model] });
    await assign('device-000', 'other');
    expect(statement('device-000')).toMatchObject({ models: [{ model: 'other' }], unassigned: [model] });
    await world.settle();
    expect(world.carrying('1.0.0')).toEqual(['device-001']);
    await assign('device-000', 'third');
    expect(statement('device-000').unassigned).toBeUndefined();
    expect(statement('device-001').unassigned).toBeUndefined();
  });

  it('on a device is dropped when the model is assigned to it again', async () => {
    await open({ devices: 1 });
    await take({ device: 'device-000' });
    await assign('device-000', model);
    expect(statement('device-000').unassigned).toBeUndefined();
    expect(statement('device-000').models).toMatchObject([{ model }]);
  });

  it('on a group covers each device that has it, and is recorded in the audit log', async () => {
    await open({ devices: 3 });
    world.reported.clear();
    await world.director.clear('device-001', model);
    expect(await take({ group: 'default' })).toEqual({ model, devices: 2, failed: [] });
    const [row] = await world.database
      .selectFrom('audit_event')
      .selectAll()
      .where('action', '=', 'model.unassigned')
      .execute();
    expect(row).toMatchObject({ actor: 'token:olga', target: `model/${model}` });
    expect(JSON.parse(row!.details)).toEqual({
      group: 'default',
      devices: 2,
      of: '"device-000", "device-002"',
    });
  });

  it('names the devices whose statement could not be signed, and reaches the others', async () => {
    await open({ devices: 2 });
    await assign('device-001', 'other');
    await world.database
      .updateTable('desired_model')
      .set({ trial: '{' })
      .where('device_id', '=', 'device-001')
      .where('model', '=', 'other')
      .execute();
    const answer = await take({ group: 'default' });
    expect(answer).toMatchObject({ devices: 1, failed: [{ device: 'device-001', code: 'internal' }] });
    expect(await world.director.current(model, ['device-000', 'device-001'])).toHaveProperty('size', 1);
  });

  it('is refused while a rollout of the model holds one of the devices, and where no device has it', async () => {
    await open({ devices: 2 });
    const { id } = await world.create();
    await expect(take({ group: 'default' })).rejects.toMatchObject({
      code: 'rollout_overlap',
      message: expect.stringContaining(id),
    });
    await expect(take({ device: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(world.unassigning.unassign('other', { group: 'default' }, operator)).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('frees a slot for a rollout on a device that has as many models as it may', async () => {
    await open({ devices: 1, running: null });
    for (let n = 0; n < limits.modelsPerDeviceMax; n += 1) await assign('device-000', `m${n}`);
    await expect(world.create()).rejects.toMatchObject({
      code: 'rollout_target_unfit',
      message: expect.stringContaining('models unassign'),
    });
    await world.unassigning.unassign('m3', { device: 'device-000' }, operator);
    expect((await world.create()).status).toBe('running');
  });

  it('is not undone by a rollback: no version returns to a device that the model was unassigned from', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    await take({ device: 'device-000' });
    await world.settle();
    await world.service.rollback(id, { actor: operator });
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe(
      '1 of 2 devices have been rolled back; 1 had the model taken off them: "device-000"',
    );
    expect(statement('device-000').models).toEqual([]);
  });
});
