/** Gates on telemetry that devices sent: ingest, tables, the engine and its gates, as they run in a hub. */
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DriftService } from '../../../../hub/drift/drift-service.ts';
import { EvidenceRetention } from '../../../../hub/telemetry/evidence-retention.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { parseDesiredState } from '../../../../shared/protocol/desired-state.ts';
import { encodeTelemetryReport, type TelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { publishedVersion, report, uniformProfile } from '../../../support/profiles.ts';
import { digestOf } from '../../../support/rollout-device.ts';
import { model, RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
let number = 0;
const profile = uniformProfile(1);

async function open(options: RolloutWorldOptions): Promise<void> {
  world = await RolloutWorld.open({ ...options, hasTelemetry: true });
  for (const version of world.known) world.manifests.set(version, { profile });
}
afterEach(async () => {
  await world.close();
});

const gates = { maxErrorRate: 0.05, minRequests: 30 };
const all = [{ percent: 100 }];
const ids = () => [...world.devices.keys()];

/** A window of a second; ten rows like the profile's for each good answer. */
async function send(
  deviceId: string,
  fields: Partial<TelemetryReport> & { version?: string; ok?: number; failed?: number; isOdd?: boolean },
): Promise<void> {
  const { version = '2.0.0', ok = 0, failed = 0, isOdd = false, ...rest } = fields;
  const of = { ...publishedVersion({ model, version, profile }), manifestSha256: digestOf(version) };
  number += 1;
  const counts = isOdd
    ? [0, ok * 10, ...new Array<number>(10).fill(0)]
    : [0, ...new Array<number>(10).fill(ok), 0];
  await world.telemetry.receive(
    deviceId,
    encodeTelemetryReport(
      report(of, {
        number,
        to: 1_000,
        requests: { ok, failed: failed > 0 ? { inference_failed: failed } : {} },
        features: [{ name: 'f0', counts, missing: 0 }],
        ...rest,
      }),
    ),
  );
}

/** Which offer each device's desired state names. */
async function offersOf(id: string): Promise<(number | undefined)[]> {
  return ids().map((device) => {
    const envelope = JSON.parse(Buffer.from(world.retained.get(device)!).toString('utf8'));
    const { models } = parseDesiredState(Buffer.from(envelope.payload, 'base64'));
    return models.find(({ rollout }) => rollout === id)?.offer;
  });
}

async function reasons(id: string): Promise<string[]> {
  await world.runner.evaluate(id);
  const { verdicts } = await world.service.show(id);
  return verdicts[0]!.reasons.map(({ code }) => code);
}

/** Until every device runs the version and has reported it. */
async function settled(id: string): Promise<void> {
  for (let i = 0; i < 3; i += 1) await world.settle();
  expect((await world.service.show(id)).counts).toEqual({ succeeded: world.devices.size });
  world.clock.advance(5_000);
}

describe('evidence of a rollout', () => {
  it('is not that of the rollout before, though the same version came again within the minute', async () => {
    await open({ devices: 2 });
    const first = await world.create({ phases: all, gates });
    await settled(first.id);
    for (const device of ids()) await send(device, { rollout: first.id, failed: 50 });
    expect((await world.runUntil(first.id, ['aborted'])).reason).toMatch(/^100 of 100 requests failed/);
    await world.settle();

    const second = await world.create({ phases: all, gates });
    await settled(second.id);
    expect(await reasons(second.id)).toContain('too_few_requests');
    // Windows that waited on the devices arrive late, and belong to the time before; so do those that name no rollout.
    for (const device of ids()) {
      await send(device, { rollout: first.id, failed: 50 });
      await send(device, { failed: 50 });
      await send(device, { rollout: 'r-00000009', failed: 50 });
    }
    expect(await reasons(second.id)).toContain('too_few_requests');
    for (const device of ids()) await send(device, { rollout: second.id, ok: 50 });
    await world.runUntil(second.id, ['completed']);
  });

  it('starts again with a new offer of the same rollout', async () => {
    await open({ devices: 2, manner: () => 'stuck' });
    const { id } = await world.create({ phases: all, gates });
    await world.settle();
    world.clock.advance(5_000);
    for (const device of ids()) await send(device, { rollout: id, failed: 50 });
    expect((await world.telemetry.evidence(id)).size).toBe(2);
    const before = await offersOf(id);
    const actor = { name: 'olga', role: 'operator', address: '127.0.0.1' } as const;
    await world.service.pause(id, { actor, reason: 'looking first' });
    await world.settle();
    await world.service.resume(id, { actor });
    for (const device of world.devices.values()) device.manner = 'good';
    await settled(id);
    expect(await reasons(id)).toContain('too_few_requests');
    // They waited on the devices from before the pause on, and name the offer of that time.
    for (const [i, device] of ids().entries()) {
      await send(device, { rollout: id, offer: before[i]!, failed: 50 });
    }
    expect(await reasons(id)).toContain('too_few_requests');
    const now = await offersOf(id);
    for (const [i, device] of ids().entries()) await send(device, { rollout: id, offer: now[i]!, ok: 50 });
    const found = await world.telemetry.evidence(id);
    expect(found.get(ids()[0]!)!.figures.requests).toMatchObject({ ok: 50, failed: {} });
    await world.runUntil(id, ['completed']);
  });

  it('survives a restart, and is deleted when its rollout has ended and its retention is over, not before', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: all, gates });
    await settled(id);
    await send(ids()[0]!, { rollout: id, ok: 50 });
    world.rebuild();
    await send(ids()[1]!, { rollout: id, ok: 50 });
    expect((await world.telemetry.evidence(id)).size).toBe(2);
    const DAY_MS = 86_400_000;
    const retention = new EvidenceRetention({ store: new EvidenceStore(world.database), keptMs: DAY_MS });
    const removeAt = (now: number) => retention.removeSome(now);
    expect(await removeAt(world.clock.now() + 2 * DAY_MS)).toMatchObject({ count: 0, isMore: false });
    await world.runUntil(id, ['completed']);
    expect(await removeAt(world.clock.now() + DAY_MS / 2)).toMatchObject({ count: 0 });
    const later = world.clock.now() + 2 * DAY_MS;
    expect(await retention.find(later, 100)).toMatchObject({ count: 2, isMore: false });
    expect(await removeAt(later)).toMatchObject({ count: 2, isMore: false });
    expect(await retention.find(later, 100)).toMatchObject({ count: 0 });
  });

  it('is judged again when it has changed, and not at every evaluation', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ phases: all, gates: { drift: 'hold' }, soakMs: 3_600_000 });
    await settled(id);
    for (const device of ids()) await send(device, { rollout: id, ok: 50 });
    const judge = vi.spyOn(DriftService.prototype, 'judge');
    onTestFinished(() => judge.mockRestore());
    for (let look = 0; look < 4; look += 1) await world.runner.evaluate(id);
    expect(judge).toHaveBeenCalledTimes(1);
    await send(ids()[0]!, { rollout: id, ok: 50 });
    for (let look = 0; look < 2; look += 1) await world.runner.evaluate(id);
    expect(judge).toHaveBeenCalledTimes(2);
    await world.remove(ids()[0]!);
    await world.runner.evaluate(id);
    expect(judge).toHaveBeenCalledTimes(3);
  });
});

describe('one device of three', () => {
  const much = 59 * limits.requestsPerSecondMax;

  it('does not hide with good answers that the two others fail', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ phases: all, gates, soakMs: 60_000 });
    await settled(id);
    world.clock.advance(60_000);
    const [a, b, liar] = ids();
    await send(liar!, { rollout: id, ok: much, to: 59_000 });
    for (const device of [a!, b!]) await send(device, { rollout: id, ok: 25, failed: 25 });
    expect((await world.runUntil(id, ['aborted', 'completed'])).status).toBe('aborted');
  });

  it('does not hide that the inputs of the two others drift', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({
      phases: all,
      gates: { drift: 'roll-back' },
      soakMs: 60_000,
    });
    await settled(id);
    world.clock.advance(60_000);
    const [a, b, liar] = ids();
    await send(liar!, { rollout: id, ok: 500_000, to: 59_000 });
    for (const device of [a!, b!]) await send(device, { rollout: id, ok: 50, isOdd: true });
    const end = await world.runUntil(id, ['aborted', 'completed']);
    expect([end.status, end.reason]).toEqual(['aborted', expect.stringMatching(/^1 of 1 features drift/)]);
  });

  it('is not trusted while the two others have no evidence', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ phases: all, gates });
    await settled(id);
    await send(ids()[2]!, { rollout: id, failed: much, to: 59_000 });
    expect(await reasons(id)).toContain('too_few_devices');
    for (const device of ids().slice(0, 2)) await send(device, { rollout: id, ok: 50 });
    // With a vote of its own it counts as one of three.
    expect(await reasons(id)).toContain('error_rate_high');
  });
});

describe('a device that lies', () => {
  it('contributes nothing for a version that it was not offered', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ devices: 1 }, { percent: 100 }], gates });
    const offered = (await world.rows.list(id))[0]!.deviceId;
    const other = ids().find((one) => one !== offered)!;
    await send(other, { rollout: id, ok: 50 });
    expect(world.telemetry.counts.refused).toEqual({ telemetry_not_offered: 1 });
    await send(other, { version: '1.0.0', ok: 50 });
    expect(world.telemetry.counts.merged).toBe(1);
    await send(other, { version: '1.0.0', rollout: id, ok: 50 });
    expect((await world.telemetry.evidence(id)).size).toBe(0);
  });

  it('is trusted about offers that a restore has lost, until it reports what it runs', async () => {
    await open({ devices: 1, running: null });
    const [device] = ids();
    world.unreported.add(device!);
    await send(device!, { version: '3.0.0', rollout: 'r-00000009', ok: 50 });
    expect(world.telemetry.counts).toMatchObject({ merged: 1, refused: {} });
    expect((await world.telemetry.evidence('r-00000009')).size).toBe(0);
    world.unreported.delete(device!);
    await send(device!, { version: '3.0.0', rollout: 'r-00000009', ok: 50 });
    expect(world.telemetry.counts).toMatchObject({ merged: 1, refused: { telemetry_not_offered: 1 } });
  });

  it('has no offers of the machine that had its id before', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: all, gates });
    await settled(id);
    const [device] = ids();
    await send(device!, { rollout: id, ok: 50 });
    expect(world.telemetry.counts.merged).toBe(1);
    await world.remove(device!);
    world.rebuild();
    await send(device!, { rollout: id, ok: 50 });
    expect(world.telemetry.counts).toMatchObject({ merged: 0, refused: { telemetry_not_offered: 1 } });
  });

  it('covers no more time than has passed since the offer, however it divides it', async () => {
    await open({ devices: 1 });
    const { id } = await world.create({ phases: all, gates });
    const [device] = ids();
    await world.settle();
    const minute = { rollout: id, ok: 10, to: 60_000 };
    // An hour without a connection: all windows arrive at once, and are accepted.
    world.clock.advance(3_600_000);
    for (let i = 0; i < 60; i += 1) await send(device!, minute);
    expect(world.telemetry.counts).toMatchObject({ merged: 60, refused: {} });
    // One more for clocks that differ; then no more.
    for (let i = 0; i < 5; i += 1) await send(device!, minute);
    expect(world.telemetry.counts).toMatchObject({ merged: 61, refused: { telemetry_implausible: 4 } });
    expect((await world.telemetry.evidence(id)).get(device!)!.figures.requests.ok).toBe(610);
    world.clock.advance(60_000);
    await send(device!, minute);
    expect(world.telemetry.counts.merged).toBe(62);
  });

  it('is not assumed when the clock of the hub was set back', async () => {
    await open({ devices: 1 });
    const { id } = await world.create({ phases: all, gates });
    await world.settle();
    world.clock.set(world.clock.now() - 30 * 86_400_000);
    for (let i = 0; i < 3; i += 1) {
      world.clock.advance(600_000);
      await send(ids()[0]!, { rollout: id, ok: 10, to: 600_000 });
    }
    expect(world.telemetry.counts).toMatchObject({ merged: 3, refused: {} });
  });
});
