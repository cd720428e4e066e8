import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignCohort } from '../../../../hub/rollout/cohort.ts';
import { makePlan, phaseSizes } from '../../../../hub/rollout/rollout-plan.ts';

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { minLength: 1, maxLength: 200 });
const rollout = fc.stringMatching(/^r-[0-9a-f]{8}$/);

describe('assignCohort()', () => {
  it('does not depend on the order the devices come in', () => {
    fc.assert(
      fc.property(rollout, ids, (id, devices) => {
        const sizes = [devices.length];
        expect(assignCohort(id, [...devices].reverse(), sizes)).toEqual(assignCohort(id, devices, sizes));
      }),
    );
  });

  it('grows strictly: every phase holds the devices of the phase before it', () => {
    const percents = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 6 });
    fc.assert(
      fc.property(rollout, ids, percents, (id, devices, shares) => {
        const phases = [...shares.sort((a, b) => a - b), 100].map((percent) => ({ percent }));
        const sizes = phaseSizes(makePlan({ model: 'm', version: '1.0.0', phases }), devices.length);
        const members = assignCohort(id, devices, sizes);
        for (const [phase, size] of sizes.entries()) {
          expect(members.filter((m) => m.phase <= phase).map((m) => m.ordinal)).toEqual(
            Array.from({ length: size }, (_, ordinal) => ordinal),
          );
        }
        expect(sizes.at(-1)).toBe(devices.length);
      }),
    );
  });

  it('gives another order to another rollout, so that no device is the canary for ever', () => {
    const devices = Array.from({ length: 100 }, (_, n) => `device-${n}`);
    const first = new Set(
      Array.from({ length: 50 }, (_, n) => assignCohort(`r-0000000${n}`, devices, [100])[0]!.deviceId),
    );
    expect(first.size).toBeGreaterThan(25);
  });

  it('keeps the order it gave last year', () => {
    expect(
      assignCohort('r-00000001', ['a', 'b', 'c', 'd'], [1, 4]).map((m) => [m.deviceId, m.phase]),
    ).toEqual([
      ['a', 0],
      ['b', 1],
      ['d', 1],
      ['c', 1],
    ]);
  });
});
