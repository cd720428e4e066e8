import { afterEach, describe, expect, it } from 'vitest';
import { goBack } from '../../../../agent/slots/slot-index.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { countTurns } from '../../../support/loop-turns.ts';
import { digestOf } from '../../../support/rollout-device.ts';
import { RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<RolloutWorld> {
  world = await RolloutWorld.open(options);
  return world;
}
afterEach(async () => {
  await world.close();
});

describe('a rollout', () => {
  it('goes phase by phase to every device and completes', async () => {
    await open({ devices: 10 });
    const { id } = await world.create();
    expect(await world.cap(id)).toBe(1);
    await world.settle();
    expect(world.carrying('2.0.0')).toHaveLength(1);
    const detail = await world.runUntil(id, ['completed']);
    expect(world.carrying('2.0.0')).toHaveLength(10);
    expect(detail.counts).toEqual({ succeeded: 10 });
    expect(detail.phaseList.map((phase) => [phase.devices, phase.state])).toEqual([
      [1, 'done'],
      [5, 'done'],
      [10, 'done'],
    ]);
  });

  it('goes to devices that run nothing yet', async () => {
    await open({ devices: 3, running: null });
    const { id } = await world.create({ version: '1.0.0', phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    expect(world.carrying('1.0.0')).toHaveLength(3);
  });

  it('waits for the soak time after the last device of the phase is done', async () => {
    await open({ devices: 4 });
    const { id } = await world.create({ soakMs: 60_000 });
    await world.settle();
    world.clock.advance(59_000);
    await world.runner.tick();
    expect((await world.service.show(id)).phase).toBe(1);
    expect((await world.service.show(id)).verdicts[0]!.reasons[0]!.code).toBe('soaking');
    world.clock.advance(1_000);
    await world.runner.tick();
    expect((await world.service.show(id)).phase).toBe(2);
  });

  it('aborts when the first device rolls itself back, names it with its reason, and the fleet stays', async () => {
    await open({ devices: 10, manner: () => 'rolls-back' });
    const { id } = await world.create();
    const detail = await world.runUntil(id, ['aborted']);
    expect(detail.reason).toBe('1 of 1 completed devices failed (100 %, at most 5 %)');
    expect(detail.devices).toEqual([
      expect.objectContaining({
        status: 'rolled-back',
        fault: expect.objectContaining({ code: 'trial_error_rate' }),
      }),
    ]);
    expect(detail.counts).toEqual({ 'rolled-back': 1, pending: 9 });
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(10);
  });

  it('reverts the version on the devices of earlier phases when a later phase fails', async () => {
    await open({ devices: 10 });
    const { id } = await world.create();
    await world.runUntil(id, ['completed', 'running'], { stepsMax: 1 });
    while ((await world.service.show(id)).phase < 2) {
      await world.settle();
      world.clock.advance(1_000);
      await world.runner.tick();
    }
    for (const device of world.devices.values()) if (device.active === '1.0.0') device.manner = 'rejects';
    await world.runUntil(id, ['aborted']);
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(10);
    const { counts } = await world.service.show(id);
    expect(counts.withdrawn).toBeGreaterThan(0);
    expect(counts.rejected).toBeGreaterThan(0);
  });

  it('only pauses on failures when the plan requires it', async () => {
    await open({ devices: 4, manner: () => 'rejects' });
    const { id } = await world.create({ onFailure: 'pause' });
    expect((await world.runUntil(id, ['paused'])).counts).toEqual({ rejected: 1, pending: 3 });
  });

  it('lets pause withdraw what was offered and not yet switched to, and resume offers it again', async () => {
    await open({ devices: 6 });
    const { id } = await world.create({ phases: [{ percent: 50 }, { percent: 100 }] });
    const offered = (await world.service.show(id)).devices.map((d) => d.device);
    const [fast, slow, away] = offered as [string, string, string];
    for (const device of [fast, slow]) await world.deliver(device);
    while (world.devices.get(fast)!.active !== '2.0.0') await world.devices.get(fast)!.work(world.uplink);
    await world.devices.get(slow)!.work(world.uplink);

    const paused = await world.service.pause(id, { actor: { name: 'o', role: 'operator', address: 'x' } });
    expect(paused.counts).toEqual({ trial: 1, withdrawn: 2, pending: 3 });
    await world.settle();
    expect(world.carrying('2.0.0')).toEqual([fast]);
    expect(world.devices.get(away)!.active).toBe('1.0.0');
    world.clock.advance(60_000);
    await world.settle();
    expect((await world.service.show(id)).counts).toEqual({ succeeded: 1, withdrawn: 2, pending: 3 });

    await world.service.resume(id, { actor: { name: 'o', role: 'operator', address: 'x' } });
    await world.runUntil(id, ['completed']);
    expect(world.carrying('2.0.0')).toHaveLength(6);
  });

  it('withdraws from devices without a version before by no longer naming the model', async () => {
    await open({ devices: 2, running: null });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.service.pause(id, { actor: { name: 'o', role: 'operator', address: 'x' } });
    await world.settle();
    expect(world.carrying('2.0.0')).toEqual([]);
    await world.service.resume(id, { actor: { name: 'o', role: 'operator', address: 'x' } });
    await world.runUntil(id, ['completed']);
  });

  it('counts silence separately, after its own time, and continues without the silent', async () => {
    await open({ devices: 10, manner: (n) => (n < 3 ? 'dead' : 'good') });
    const { id } = await world.create({ phases: [{ percent: 100 }], silenceMs: 30_000 });
    await world.settle();
    expect((await world.service.show(id)).counts).toEqual({ offered: 3, succeeded: 7 });
    const detail = await world.runUntil(id, ['completed']);
    expect(detail.counts).toEqual({ silent: 3, succeeded: 7 });
    expect(detail.devices.map((d) => d.status)).toEqual(['silent', 'silent', 'silent']);
    expect(detail.endedAt! - detail.startedAt!).toBeGreaterThanOrEqual(31_000);
  });

  it('does not call a connected device silent; it times out', async () => {
    await open({ devices: 2, manner: () => 'stuck' });
    for (const id of world.devices.keys()) world.connected.add(id);
    const { id } = await world.create({
      phases: [{ percent: 100 }],
      silenceMs: 1_000,
      trial: { seconds: 1 },
      deviceTimeoutMs: 20_000,
    });
    const detail = await world.runUntil(id, ['aborted']);
    expect(detail.endedAt! - detail.startedAt!).toBeGreaterThanOrEqual(20_000);
    expect(detail.reason).toMatch(/2 of 2 completed devices failed|2 of the 2/);
  });

  it('does not pass devices without requests: it reports what they wait for, and pauses in the end', async () => {
    await open({ devices: 2, manner: () => 'unasked' });
    for (const id of world.devices.keys()) world.connected.add(id);
    const times = { trial: { seconds: 10 }, deviceTimeoutMs: 60_000, phaseTimeoutMs: 120_000 };
    const { id } = await world.create({ phases: [{ percent: 100 }], ...times });
    await world.settle();
    world.clock.advance(21_000);
    await world.runner.tick();
    const waiting = (await world.service.show(id)).verdicts[0]!.reasons;
    expect(waiting.map(({ code }) => code)).toEqual(['devices_under_way', 'trials_awaiting_requests']);
    expect(waiting[1]!.text).toContain('--trial-min-requests 0');
    world.clock.advance(40_000);
    await world.runner.tick();
    expect((await world.service.show(id)).counts).toEqual({ unproven: 2 });
    const detail = await world.runUntil(id, ['paused']);
    expect(detail.reason).toContain('did not pass its gates within');
    for (const device of world.devices.values()) device.manner = 'good';
    await world.settle();
    expect((await world.service.show(id)).counts).toEqual({ succeeded: 2 });
  });

  it('passes unproven devices when the plan allows them', async () => {
    await open({ devices: 4, manner: (n) => (n === 0 ? 'unasked' : 'good') });
    for (const id of world.devices.keys()) world.connected.add(id);
    const times = { trial: { seconds: 10 }, deviceTimeoutMs: 60_000 };
    const { id } = await world.create({ phases: [{ percent: 100 }], gates: { maxUnproven: 0.25 }, ...times });
    expect((await world.runUntil(id, ['completed'])).counts).toEqual({ succeeded: 3, unproven: 1 });
  });

  it('never passes when no device answers, and pauses when the phase has used up its time', async () => {
    await open({ devices: 4, manner: () => 'dead' });
    const { id } = await world.create({ silenceMs: 1_000, phaseTimeoutMs: 700_000 });
    const detail = await world.runUntil(id, ['paused'], { stepMs: 20_000 });
    expect(detail.phase).toBe(1);
    expect(detail.verdicts[0]!.reasons.map((r) => r.code)).toEqual([
      'time_limit',
      'too_few_completed',
      'too_many_silent',
      'soaked',
    ]);
  });

  it('aborts for errors in service although every device reports success', async () => {
    await open({ devices: 4 });
    const { id } = await world.create({ gates: { maxErrorRate: 0.05, minRequests: 50 } });
    await world.settle();
    world.clock.advance(600_000);
    await world.runner.tick();
    expect((await world.service.show(id)).status).toBe('running');
    world.requests = { ok: 90, failed: { inference_failed: 10 }, refused: { fitBefore: 0 } };
    world.clock.advance(2_000);
    await world.runner.tick();
    expect((await world.service.show(id)).reason).toMatch(/^10 of 100 requests failed \(10 %/);
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(4);
  });

  it('pauses for drift and names the features', async () => {
    await open({ devices: 4 });
    world.driftFeatures = [
      { name: 'co', role: 'input', psi: 0.02, verdict: 'stable' },
      { name: 'no2', role: 'input', psi: 0.42, verdict: 'drift' },
      { name: 'estimate', role: 'output', psi: 3, verdict: 'drift' },
    ];
    const { id } = await world.create({ gates: { drift: 'hold' } });
    const detail = await world.runUntil(id, ['paused']);
    expect(detail.reason).toBe('1 of 2 features drift (at most 0 %): no2 (PSI 0.42)');
  });

  it('yields to others while it offers, and while it publishes everything again', async () => {
    await open({ devices: 3 * limits.rolloutChangesPerStepMax });
    const create = () => world.create({ phases: [{ percent: 100 }] });
    expect(await countTurns(create)).toBeGreaterThanOrEqual(3);
    expect(await countTurns(() => world.director.republishAll())).toBeGreaterThanOrEqual(3);
  });

  it('counts a version with nothing to compare with as one without figures, and judges the other gates', async () => {
    await open({ devices: 4, manner: (n) => (n === 0 ? 'rejects' : 'good') });
    world.driftFeatures = undefined;
    const gates = { drift: 'hold', maxFailures: 0 } as const;
    const { id } = await world.create({ gates, phases: [{ percent: 100 }] });
    const detail = await world.runUntil(id, ['aborted']);
    expect(detail.verdicts[0]!.reasons.map((r) => r.code)).toEqual(
      expect.arrayContaining(['too_many_failures', 'no_drift_figures']),
    );
  });

  it('ends when the publisher withdraws the version', async () => {
    await open({ devices: 4 });
    const { id } = await world.create();
    await world.settle();
    world.withdrawn.set('2.0.0', 'wrong units');
    const detail = await world.runUntil(id, ['aborted']);
    expect(detail.reason).toBe('the publisher withdrew the version: wrong units');
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(4);
  });

  it('keeps the version on the devices that switched to it when aborted with keep', async () => {
    await open({ devices: 4 });
    const { id } = await world.create({ phases: [{ percent: 50 }, { percent: 100 }] });
    const [first] = (await world.service.show(id)).devices;
    await world.deliver(first!.device);
    while (await world.devices.get(first!.device)!.work(world.uplink));
    const actor = { name: 'o', role: 'operator', address: 'x' } as const;
    const detail = await world.service.abort(id, { actor, keep: true });
    expect(detail.counts).toEqual({ succeeded: 1, withdrawn: 1, pending: 2 });
    await world.settle();
    expect(world.carrying('2.0.0')).toEqual([first!.device]);
  });

  it('counts the time in which the hub was down against no device', async () => {
    await open({ devices: 2, manner: () => 'stuck' });
    const { id } = await world.create({ phases: [{ percent: 100 }], silenceMs: 1_800_000 });
    await world.settle();
    world.clock.advance(8 * 3_600_000);
    world.rebuild();
    await world.runner.tick();
    expect((await world.service.show(id)).counts).toEqual({ downloading: 2 });
    for (const device of world.devices.keys()) world.connected.add(device);
    world.clock.advance(3_600_000);
    await world.runner.tick();
    expect((await world.service.show(id)).counts).toEqual({ downloading: 2 });
    world.clock.advance(6 * 3_600_000);
    await world.runner.tick();
    expect((await world.service.show(id)).status).toBe('aborted');
  });

  it('counts a clock that was set against no device, and continues to evaluate', async () => {
    await open({ devices: 2, manner: () => 'stuck' });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.settle();
    world.clock.set(world.clock.now() + 20 * 3_600_000);
    world.clock.advance(60_000);
    await world.runner.tick();
    expect((await world.service.show(id)).counts).toEqual({ downloading: 2 });
    world.clock.set(world.clock.now() - 30 * 3_600_000);
    world.withdrawn.set('2.0.0', 'wrong units');
    world.clock.advance(60_000);
    await world.runner.tick();
    expect((await world.service.show(id)).status).toBe('aborted');
  });

  it('notices when a device that succeeded runs something else later', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    const [device] = [...world.devices.values()];
    device!.slots = goBack(device!.slots, digestOf('1.0.0'));
    await device!.report(world.uplink);
    const detail = await world.service.show(id);
    expect(detail.counts).toEqual({ succeeded: 1, 'rolled-back': 1 });
    expect(detail.devices[0]!.fault!.message).toBe('The device reports that it now runs version 1.0.0.');
  });

  it('starts at the requested time', async () => {
    await open({ devices: 2 });
    const { id, status } = await world.create({ startAt: world.clock.now() + 60_000 });
    expect(status).toBe('scheduled');
    world.clock.advance(59_000);
    await world.settle();
    expect((await world.service.show(id)).status).toBe('scheduled');
    await world.runUntil(id, ['running']);
  });

  it('records every action and verdict in the audit log, with the actor', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    const actor = { name: 'olga', role: 'operator', address: '10.0.0.1' } as const;
    await world.service.pause(id, { actor, reason: 'looking first' });
    await world.service.resume(id, { actor });
    await world.runUntil(id, ['completed']);
    const rows = await world.database.selectFrom('audit_event').selectAll().orderBy('number').execute();
    const actions = rows.map((row) => `${row.actor} ${row.action}`);
    expect(actions.filter((action) => !action.endsWith('judged'))).toEqual([
      'token:olga rollout.created',
      'hub rollout.started',
      'token:olga rollout.paused',
      'token:olga rollout.resumed',
      'hub rollout.completed',
    ]);
    expect(actions).toContain('hub rollout.judged');
    expect(JSON.parse(rows.find((row) => row.action === 'rollout.paused')!.details)).toMatchObject({
      reason: 'looking first',
    });
  });

  it('runs by itself: wakes for reports of devices, for actions, and when its timers run out', async () => {
    await open({ devices: 6, manner: (n) => (n === 0 ? 'dead' : 'good') });
    world.runner.start();
    const { id } = await world.create({
      phases: [{ percent: 50 }, { percent: 100 }],
      silenceMs: 20_000,
      gates: { maxSilent: 1, maxErrorRate: 0.5, minRequests: 10 },
    });
    await expect
      .poll(
        async () => {
          for (const device of world.devices.values()) {
            await world.deliver(device.id);
            while (await device.work(world.uplink));
          }
          world.requests = { ok: 20, failed: {}, refused: { fitBefore: 0 } };
          world.clock.advance(1_000);
          return (await world.service.show(id)).status;
        },
        { timeout: 10_000, interval: 5 },
      )
      .toBe('completed');
    expect(world.carrying('2.0.0')).toHaveLength(5);
  });
});
