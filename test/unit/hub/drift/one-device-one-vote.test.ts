import { describe, expect, it } from 'vitest';
import { judgeFeatures, judgeUnits } from '../../../../hub/drift/verdict.ts';
import { noMoments } from '../../../../hub/telemetry/rollups/rollup-sums.ts';
import { UnitClasses } from '../../../../hub/telemetry/rollups/unit-classes.ts';
import type { ReferenceProfile } from '../../../../shared/manifest/reference-profile.ts';
import { uniformFeature, uniformProfile } from '../../../support/profiles.ts';

const profile = uniformProfile(1);
const most = 2 ** 40;
const counts = (cells: number[], missing = 0) => [{ name: 'f0', counts: cells, missing }];
/** `rows` rows like the profile's, and all in one cell. */
const calm = (rows: number) => counts([0, ...new Array<number>(10).fill(rows / 10), 0]);
const odd = (rows: number) => counts([0, ...new Array<number>(9).fill(0), rows, 0]);

/** One entry for each device, empty where it brought nothing. */
function judgeFleet(of: ReferenceProfile, devices: readonly ReturnType<typeof counts>[]) {
  const classes = new UnitClasses();
  for (const [unit] of devices) if (unit) classes.add(unit, 1);
  return judgeUnits(of, new Map([['f0', { classes, moments: noMoments }]]), { all: devices.length });
}

describe('drift of a fleet, one device one vote', () => {
  it('is not hidden by a flood of one device, and not made by one', () => {
    const [hidden] = judgeFleet(profile, [odd(200), odd(200), calm(most)]);
    expect(hidden).toMatchObject({ verdict: 'drift', counted: 600, devices: 3, n: most + 400 });
    const calmOnes = Array.from({ length: 40 }, () => calm(200));
    expect(judgeFleet(profile, [...calmOnes, odd(most)])[0]!.verdict).toBe('stable');
  });

  it('is unchanged where each device contributes as much', () => {
    const [pooled] = judgeFleet(profile, [calm(100), odd(100)]);
    const [sum] = judgeFeatures(profile, counts([0, ...new Array<number>(9).fill(10), 110, 0]));
    expect(pooled).toMatchObject({ psi: sum!.psi, psiCritical: sum!.psiCritical, n: 200, counted: 200 });
  });

  it('is not hidden by a device that brings more blocks than its rows fill', () => {
    // Half of the rows in each of two cells, with the scores −9 and −7; rows of the honest devices do not depend on each other.
    const rows = 4_200;
    const device = (blocks: number, steps: number) => [
      {
        ...counts([0, rows / 2, rows / 2, ...new Array<number>(9).fill(0)])[0]!,
        blocks: [...new Array<number>(9).fill(0), blocks, blocks * (512 * 8) ** 2, blocks * steps],
      },
    ];
    const honest = Array.from({ length: 100 }, () => device(8, 2 * 512));
    const [found] = judgeFleet(profile, [...honest, device(rows, (20 * 512) ** 2)]);
    expect(found).toMatchObject({ verdict: 'drift', independent: 101 * rows });
  });

  it('reports how many devices have evidence, counting those without any in the total', () => {
    expect(judgeFleet(profile, [calm(1_000), [], []])[0]).toMatchObject({ devices: 1, verdict: 'stable' });
    expect(judgeFleet(profile, [calm(20), calm(20), []])[0]).toMatchObject({
      devices: 2,
      verdict: 'too-few',
    });
  });

  it('compares with nothing as too-few, never as stable', () => {
    const empty = { ...uniformFeature('f0'), counts: new Array<number>(12).fill(0) };
    const without: ReferenceProfile = { rows: 0, features: [empty] };
    expect(judgeFleet(without, [calm(1_000), calm(1_000)])[0]!.verdict).toBe('too-few');
    expect(judgeFleet(profile, [])[0]!.verdict).toBe('too-few');
    expect(judgeFleet(profile, [[], []])[0]!.verdict).toBe('too-few');
    expect(judgeFleet(profile, [counts(new Array<number>(12).fill(0))])[0]!.verdict).toBe('too-few');
    const notNumbers = counts([Number.NaN, ...new Array<number>(11).fill(100)]);
    expect(judgeFleet(profile, [notNumbers])[0]!.verdict).toBe('too-few');
  });
});
