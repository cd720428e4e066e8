/** Promise P5 under any order of events: at no instant do more devices carry the version than the phase allows. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { isAppError } from '../../../../shared/base/app-error.ts';
import { operator, RolloutWorld } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
afterEach(async () => {
  await world.close();
});

/** Devices that run the version or may take it lie within the current phase, in the order fixed at the start. */
async function checkCap(id: string): Promise<void> {
  const cap = await world.cap(id);
  const devices = await world.rows.list(id);
  const allowed = new Set(devices.slice(0, cap).map((device) => device.deviceId));
  expect(world.carrying('2.0.0').filter((device) => !allowed.has(device))).toEqual([]);
  const wanted = await world.director.current('air-quality', [...world.devices.keys()]);
  const offered = [...wanted].filter(([, desired]) => desired.version === '2.0.0').map(([device]) => device);
  expect(offered.filter((device) => !allowed.has(device))).toEqual([]);
}

describe('the cap', () => {
  const action = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('deliver' as const), n: fc.nat(11) }) },
    { weight: 16, arbitrary: fc.record({ kind: fc.constant('work' as const), n: fc.nat(11) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('tick' as const), n: fc.nat(8_000) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const), n: fc.constant(0) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), n: fc.constant(0) }) },
  );

  it('holds in any order of deliveries, work, ticks, pauses and crashes of the hub', {
    timeout: 60_000,
  }, async () => {
    const manners = fc.array(
      fc.constantFrom('good', 'good', 'good', 'rejects', 'rolls-back', 'dead', 'stuck'),
      { minLength: 12, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(
        manners,
        fc.array(action, { minLength: 20, maxLength: 120 }),
        async (manner, actions) => {
          world = await RolloutWorld.open({ devices: 12, manner: (n) => manner[n]! as 'good' });
          const gates = { maxFailures: 0.6, maxSilent: 1 };
          const { id } = await world.create({ gates, soakMs: 500, silenceMs: 20_000 });
          const ids = [...world.devices.keys()];
          for (const { kind, n } of actions) {
            if (kind === 'deliver') await world.deliver(ids[n]!);
            if (kind === 'work') await world.devices.get(ids[n]!)!.work(world.uplink);
            if (kind === 'tick') {
              world.clock.advance(n);
              await world.runner.tick();
            }
            if (kind === 'pause' || kind === 'resume') {
              await world.service[kind](id, { actor: operator }).catch((error: unknown) => {
                if (!isAppError(error, 'rollout_state_conflict')) throw error;
              });
            }
            if (kind === 'kill') {
              world.rebuild();
              await world.director.republishAll();
            }
            await checkCap(id);
          }
          await world.close();
        },
      ),
      { numRuns: 40 },
    );
    world = await RolloutWorld.open({ devices: 0 });
  });

  it('holds for hundreds of devices of every kind, whose outcomes are counted separately', {
    timeout: 60_000,
  }, async () => {
    world = await RolloutWorld.open({
      devices: 300,
      manner: (n) =>
        n % 50 === 7 ? 'rolls-back' : n % 50 === 8 ? 'rejects' : n % 20 === 9 ? 'dead' : 'good',
    });
    const { id } = await world.create({
      phases: [{ devices: 3 }, { percent: 5 }, { percent: 25 }, { percent: 100 }],
      gates: { maxFailures: 0.5 },
      silenceMs: 10_000,
    });
    const sizes = new Set<number>();
    for (let round = 0; round < 60 && (await world.service.show(id)).status === 'running'; round += 1) {
      const cap = await world.cap(id);
      sizes.add(cap);
      for (const device of world.devices.values()) {
        await world.deliver(device.id);
        while (await device.work(world.uplink))
          expect(world.carrying('2.0.0').length).toBeLessThanOrEqual(cap);
      }
      world.clock.advance(2_000);
      await world.runner.tick();
    }
    const { status, counts } = await world.service.show(id);
    expect({ status, counts, sizes: [...sizes] }).toEqual({
      status: 'completed',
      counts: { succeeded: 273, 'rolled-back': 6, rejected: 6, silent: 15 },
      sizes: [3, 15, 75, 300],
    });
  });
});

describe('concurrent actions', () => {
  it('are done one after the other: of two pauses one is refused, and nothing is offered after it', async () => {
    world = await RolloutWorld.open({ devices: 8 });
    const { id } = await world.create({ phases: [{ percent: 50 }, { percent: 100 }], soakMs: 0 });
    const [first] = (await world.service.show(id)).devices;
    await world.deliver(first!.device);
    const results = await Promise.allSettled([
      world.service.pause(id, { actor: operator }),
      world.runner.evaluate(id),
      world.devices.get(first!.device)!.work(world.uplink),
      world.service.pause(id, { actor: operator }),
      world.runner.evaluate(id),
    ]);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(refused[0]!.reason).toMatchObject({ code: 'rollout_state_conflict' });
    expect((await world.service.show(id)).counts).toEqual({ withdrawn: 4, pending: 4 });
  });

  it('cannot start two rollouts of a model on the same devices', async () => {
    world = await RolloutWorld.open({ devices: 4 });
    const results = await Promise.allSettled([world.create(), world.create({ version: '3.0.0' })]);
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find((result) => result.status === 'rejected')!.reason).toMatchObject({
      code: 'rollout_overlap',
    });
  });
});
