import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RolloutRequest } from '../../../../hub/rollout/rollout-plan.ts';
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
      'a version nobody published',
      { version: '9.0.0' },
      'version_unknown',
      /air-quality@9\.0\.0: no such version/,
    ],
    ['a group without devices', { group: 'none' }, 'rollout_target_empty', /group "none" has no devices/],
    [
      'a version every device runs',
      { version: '1.0.0' },
      'rollout_not_needed',
      /every device of the hub runs it/,
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
      /the target has 4/,
    ],
  ])('refuses %s', async (_, request, code, message) => {
    await expect(world.create(request)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await world.store.list(10)).toEqual([]);
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

describe('acts', () => {
  it('refuses an act the state does not allow, and changes nothing', async () => {
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

describe('what devices say', () => {
  it('changes nothing when it tells of a rollout, device or model that is not meant', async () => {
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
    await world.runner.hearEvent('stranger', event);
    await world.runner.hearEvent(target!.device, { ...event, rollout: 'r-00000000' });
    await world.runner.hearEvent(target!.device, { ...event, model: 'other' });
    await world.runner.hearEvent(target!.device, { ...event, version: '3.0.0' });
    await world.runner.hearEvent(target!.device, untagged);
    const waiting = [...world.devices.keys()].find((device) => device !== target!.device)!;
    await world.runner.hearEvent(waiting, event);
    expect((await world.service.show(id)).counts).toEqual(before.counts);
  });
});
