/** A failure of one device stays its own: rollouts and renewals continue for the others, and report it. */
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
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

const all = { phases: [{ percent: 100 }] };

/** Makes every statement of the device fail: what is to be signed cannot be read. */
async function damage(deviceId: string): Promise<void> {
  await world.director.assign([
    {
      deviceId,
      model: 'other',
      version: '1.0.0',
      release: 1,
      manifestSha256: digestOf('1.0.0'),
      trial: { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 },
    },
  ]);
  await world.database
    .updateTable('desired_model')
    .set({ trial: '{' })
    .where('device_id', '=', deviceId)
    .where('model', '=', 'other')
    .execute();
}
async function mend(deviceId: string): Promise<void> {
  await world.database
    .deleteFrom('desired_model')
    .where('device_id', '=', deviceId)
    .where('model', '=', 'other')
    .execute();
}
function audited(action: string): Promise<{ details: string }[]> {
  return world.database.selectFrom('audit_event').select('details').where('action', '=', action).execute();
}

describe('a device whose statement cannot be signed', () => {
  it('ends with a reason, and the rollout continues for the others and reports it', async () => {
    await open({ devices: 4 });
    await damage('device-002');
    const { id } = await world.create(all);
    const detail = await world.runUntil(id, ['completed']);
    expect(detail.counts).toEqual({ succeeded: 3, blocked: 1 });
    expect(detail.devices).toMatchObject([
      { device: 'device-002', status: 'blocked', fault: { code: 'internal', retry: 'later' } },
    ]);
    expect(detail.devices[0]).not.toHaveProperty('revert');
    expect(detail.trouble).toBeUndefined();
    const [row, ...more] = await audited('rollout.offer_failed');
    expect(JSON.parse(row!.details)).toMatchObject({
      total: 1,
      devices: [{ device: 'device-002', code: 'internal' }],
    });
    expect(more).toEqual([]);
    expect(world.devices.get('device-002')!.active).toBe('1.0.0');
  });

  it('is offered the version when it can be', async () => {
    await open({ devices: 2 });
    await damage('device-001');
    const { id } = await world.create({ ...all, soakMs: 300_000 });
    await world.settle();
    await mend('device-001');
    const detail = await world.runUntil(id, ['completed']);
    expect(detail.counts).toEqual({ succeeded: 2 });
    expect(detail.devices).toEqual([]);
  });

  it('keeps what it has when a version is reverted, is sent the statement when possible, and delays no other', async () => {
    await open({ devices: 3 });
    const { id } = await world.create(all);
    await world.runUntil(id, ['completed']);
    await damage('device-001');
    await world.service.rollback(id, { actor: operator });
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(2);
    const meanwhile = await world.service.show(id);
    expect(meanwhile.status).toBe('rolling-back');
    expect(meanwhile.devices.find(({ device }) => device === 'device-001')).toMatchObject({
      status: 'succeeded',
      revert: 'not-sent',
      fault: { code: 'internal' },
    });
    expect(await audited('rollout.revert_failed')).toHaveLength(1);
    await mend('device-001');
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe('every device has been rolled back');
    expect(detail.devices.every(({ fault }) => fault === undefined)).toBe(true);
    expect(world.carrying('1.0.0')).toHaveLength(3);
  });

  it('does not keep a rollback from its end, which names it', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ ...all, deviceTimeoutMs: 700_000 });
    await world.runUntil(id, ['completed']);
    await damage('device-001');
    await world.service.rollback(id, { actor: operator });
    const detail = await world.runUntil(id, ['rolled-back'], { stepMs: 10_000 });
    expect(detail.reason).toBe(
      '1 of 2 devices have been rolled back; 1 could not be sent the rollback: "device-001"',
    );
    expect(detail.revert).toEqual({ reverted: 1, 'not-sent': 1 });
    expect(await audited('rollout.revert_failed')).toHaveLength(1);
  });

  it('is like the others again when a rollout is resumed that could not withdraw its offer', async () => {
    await open({ devices: 2, manner: () => 'stuck' });
    const { id } = await world.create(all);
    await world.settle();
    await damage('device-001');
    await world.service.pause(id, { actor: operator });
    expect((await world.service.show(id)).revert).toEqual({ pending: 1, 'not-sent': 1 });
    await mend('device-001');
    const resumed = await world.service.resume(id, { actor: operator });
    expect(resumed.revert).toBeUndefined();
    expect(resumed.devices.map(({ status, fault }) => [status, fault])).toEqual([
      ['offered', undefined],
      ['downloading', undefined],
    ]);
  });

  it('is offered the version again after a pause in which the hub gave up withdrawing it', async () => {
    await open({ devices: 2, manner: () => 'stuck' });
    const { id } = await world.create({ ...all, deviceTimeoutMs: 700_000 });
    await world.settle();
    await damage('device-001');
    await world.service.pause(id, { actor: operator });
    world.clock.advance(700_000 + limits.rolloutTryAgainMs);
    await world.runner.tick();
    await mend('device-001');
    expect((await world.service.show(id)).revert).toEqual({ pending: 1, 'not-sent': 1 });
    const resumed = await world.service.resume(id, { actor: operator });
    expect(resumed.revert).toBeUndefined();
    expect(resumed.counts).toEqual({ offered: 2 });
  });

  it('is released by an abort in the end: another rollout may include it', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ ...all, deviceTimeoutMs: 700_000, soakMs: 600_000 });
    await world.settle();
    await damage('device-001');
    await world.service.abort(id, { actor: operator });
    await expect(world.create({ version: '3.0.0' })).rejects.toMatchObject({ code: 'rollout_overlap' });
    world.clock.advance(700_000 + limits.rolloutTryAgainMs);
    await world.runner.tick();
    expect((await world.create({ version: '3.0.0' })).status).toBe('running');
  });

  it('keeps no other statement from being renewed, at the start of the hub and later', async () => {
    await open({ devices: 3 });
    await damage('device-000');
    const before = await issuedAt();
    world.clock.advance(4 * 86_400_000);
    await world.director.republishAll();
    const after = await issuedAt();
    expect(after.get('device-000')).toBe(before.get('device-000'));
    for (const id of ['device-001', 'device-002']) expect(after.get(id)).toBe(world.clock.now());
  });
});

async function issuedAt(): Promise<ReadonlyMap<string, number>> {
  const rows = await world.database.selectFrom('desired_statement').selectAll().execute();
  return new Map(rows.map((row) => [row.device_id, row.issued_at]));
}

describe('a rollout that cannot be advanced', () => {
  it('gives the reason for as long as it cannot', async () => {
    await open({ devices: 1 });
    const { id } = await world.create({ ...all, soakMs: 0 });
    world.onCommit = () => {
      throw new Error('the disk is full');
    };
    await world.settle();
    const { trouble, status } = await world.service.show(id);
    expect(status).toBe('running');
    expect(trouble).toMatchObject({ code: 'internal', message: 'the disk is full' });
    world.onCommit = () => undefined;
    expect((await world.runUntil(id, ['completed'])).trouble).toBeUndefined();
  });
});
