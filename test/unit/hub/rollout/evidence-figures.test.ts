import fc from 'fast-check';
import { expect, it } from 'vitest';
import { profileFeature } from '../../../../cli/packing/reference-profile.ts';
import { judgeUnits } from '../../../../hub/drift/verdict.ts';
import type { RolloutDevice } from '../../../../hub/rollout/device-progress.ts';
import { EvidenceFigures } from '../../../../hub/rollout/evidence-figures.ts';
import type { DeviceEvidence, RolloutDrift } from '../../../../hub/rollout/rollout-evidence.ts';
import type { RolloutView } from '../../../../hub/rollout/rollout-planner.ts';
import type { NumericProfile } from '../../../../shared/manifest/reference-profile.ts';
import { uniformProfile } from '../../../support/profiles.ts';

const profile = uniformProfile(2);
const plan = {
  model: 'air',
  version: '1.0.0',
  gates: { maxErrorRate: 0.1, minRequests: 10, drift: 'hold' },
  trial: { breaking: false },
} as RolloutView['plan'];

/** Judges as the drift service does, and counts how often it is asked. */
function countingDrift(of = profile): RolloutDrift & { calls: number } {
  const drift = {
    calls: 0,
    judge: async (_: unknown, { units, devices }: Parameters<RolloutDrift['judge']>[1]) => {
      drift.calls += 1;
      return judgeUnits(of, units, { all: devices });
    },
  };
  return drift;
}

function evidenceOf(offeredAt: number, ok: number, bin: number): DeviceEvidence {
  const counts = new Array<number>(12).fill(0);
  counts[bin] = ok;
  return {
    offeredAt,
    figures: {
      requests: { ok, failed: { internal: bin }, refused: { fitBefore: 0 } },
      features: ['f0', 'f1'].map((name) => ({ name, counts, missing: 0 })),
    },
  };
}

const device = (deviceId: string, status: string, offeredAt: number) =>
  ({ deviceId, status, offeredAt, removedAt: null }) as RolloutDevice;

/** One change: a device brings other evidence, for this offer or one before, or has another status. */
const change = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  status: fc.constantFrom('pending', 'trial', 'succeeded', 'failed'),
  offeredAt: fc.constantFrom(1, 2),
  ok: fc.integer({ min: 0, max: 300 }),
  bin: fc.integer({ min: 0, max: 11 }),
  isEvidence: fc.boolean(),
});

it('figures that grow with the evidence are those of all of it, whatever changes in which order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 30 }), async (changes) => {
      let evidence: ReadonlyMap<string, DeviceEvidence> = new Map();
      const devices = new Map(['a', 'b', 'c', 'd'].map((id) => [id, device(id, 'pending', 1)]));
      const telemetry = { evidence: async () => evidence };
      const growing = new EvidenceFigures({ telemetry, drift: countingDrift() });
      for (const { id, status, offeredAt, ok, bin, isEvidence } of changes) {
        if (isEvidence) evidence = new Map([...evidence, [id, evidenceOf(offeredAt, ok, bin)]]);
        else devices.set(id, device(id, status, offeredAt));
        const view = { id: 'r-1', plan, devices: [...devices.values()] };
        const fresh = new EvidenceFigures({ telemetry, drift: countingDrift() });
        expect(await growing.of(view)).toEqual(await fresh.of(view));
      }
    }),
    { numRuns: 200 },
  );
});

it('an evaluation without news judges nothing', async () => {
  const drift = countingDrift();
  const evidence = new Map([['a', evidenceOf(1, 100, 3)]]);
  const figures = new EvidenceFigures({ telemetry: { evidence: async () => evidence }, drift });
  const view = { id: 'r-1', plan, devices: [device('a', 'trial', 1), device('b', 'trial', 1)] };
  const first = await figures.of(view);
  expect(await figures.of(view)).toBe(first);
  expect(drift.calls).toBe(1);
  evidence.set('b', evidenceOf(1, 50, 3));
  expect((await figures.of(view)).requests).toMatchObject({ ok: 150, devices: 2 });
  expect(drift.calls).toBe(2);
});

it('an evaluation that failed is made again: figures of before are not given for the evidence of now', async () => {
  const drift = countingDrift();
  let isDown = false;
  const flaky: RolloutDrift = {
    judge: (...args) => (isDown ? Promise.reject(new Error('busy')) : drift.judge(...args)),
  };
  const evidence = new Map([['a', evidenceOf(1, 100, 3)]]);
  const figures = new EvidenceFigures({ telemetry: { evidence: async () => evidence }, drift: flaky });
  const view = { id: 'r-1', plan, devices: [device('a', 'trial', 1)] };
  await figures.of(view);
  evidence.set('a', evidenceOf(1, 20, 9));
  isDown = true;
  await expect(figures.of(view)).rejects.toThrow('busy');
  isDown = false;
  expect((await figures.of(view)).requests).toMatchObject({ ok: 20 });
});

it('nothing is kept of a rollout that has ended', async () => {
  const evidence = new Map([['a', evidenceOf(1, 100, 3)]]);
  const drift = countingDrift();
  const figures = new EvidenceFigures({ telemetry: { evidence: async () => evidence }, drift });
  const view = { id: 'r-1', plan, devices: [device('a', 'trial', 1)] };
  await figures.of(view);
  figures.keepOnly(new Set(['r-1']));
  await figures.of(view);
  expect(drift.calls).toBe(1);
  figures.keepOnly(new Set());
  await figures.of(view);
  expect(drift.calls).toBe(2);
});

it('noise about the only value of a column is no drift to a gate', async () => {
  const rows = 200;
  const name = 'valve';
  const plain = { name, role: 'input', source: { tensor: 'x', column: 0 }, kind: 'numeric' } as const;
  const valve = profileFeature(plain, new Array<number>(rows).fill(5), 20) as NumericProfile;
  // Half of the rows lie a little below the value, half a little above it.
  const counts = valve.counts.map((_, cell, { length }) =>
    cell === 0 || cell === length - 1 ? rows / 2 : 0,
  );
  const offset = 5 - valve.moments.shift;
  const moments = { n: rows, sum: rows * offset, sumSquares: rows * (offset ** 2 + 0.01 ** 2) };
  const figures = { ...evidenceOf(1, rows, 0).figures, features: [{ name, counts, missing: 0, moments }] };
  const evidence = new Map(['a', 'b'].map((id) => [id, { offeredAt: 1, figures }]));
  const gate = new EvidenceFigures({
    telemetry: { evidence: async () => evidence },
    drift: countingDrift({ rows, features: [valve] }),
  });
  const devices = ['a', 'b'].map((id) => device(id, 'succeeded', 1));
  expect((await gate.of({ id: 'r', plan, devices })).drift).toMatchObject({ drifting: [], tooFew: [] });
});
