/** A column that has one value in the sample, and noise about it on devices, or the other way round. */
import { describe, expect, it } from 'vitest';
import { profileFeature } from '../../../../cli/packing/reference-profile.ts';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import type { NumericProfile } from '../../../../shared/manifest/reference-profile.ts';
import { HistogramCounts } from '../../../../shared/sketch/histogram-counts.ts';
import { MomentSums } from '../../../../shared/sketch/moment-sums.ts';

const random = seededRandom(17);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const many = (rows: number, value: () => number) => Array.from({ length: rows }, value);

function profileOf(values: readonly number[]) {
  const plan = { name: 'f', role: 'input', source: { tensor: 'x', column: 0 }, kind: 'numeric' } as const;
  return profileFeature(plan, values, 20) as NumericProfile;
}

function verdicts(reference: readonly number[], now: readonly number[]) {
  const profile = profileOf(reference);
  const counted = new HistogramCounts(profile.edges);
  const { shift } = profile.moments;
  const sums = new MomentSums(shift);
  for (const value of now) {
    counted.add(value);
    sums.add(value);
  }
  const { n, sum, sumSquares } = sums;
  const counts = [{ name: 'f', counts: counted.counts, missing: 0, moments: { n, sum, sumSquares } }];
  const whole = { rows: reference.length, features: [profile] };
  return [judgeFeatures(whole, counts)[0]!.verdict, judgeHour(whole, counts).verdict];
}

describe('a column that has one value in the sample', () => {
  it.each<[string, number, () => number]>([
    ['0 ± 1e-5 against 0', 0, () => 1e-5 * normal()],
    ['5.0 ± 0.02 against 5.0', 5, () => 5 + 0.02 * normal()],
    ['-40 ± 0.1 against -40', -40, () => -40 + 0.1 * normal()],
  ])('has not drifted by noise: %s', (_, constant, value) => {
    for (const rows of [60, 500, 5_000]) {
      expect(
        verdicts(
          many(1_000, () => constant),
          many(rows, value),
        ),
      ).toEqual(['stable', 'stable']);
    }
  });
});

describe('a column that has one value in the sample, on devices', () => {
  const drifts: readonly [string, number, () => number][] = [
    ['another value', 5, () => 5.02],
    ['a value that lies off by as much as it varies', 5, () => 5.02 + 0.02 * normal()],
    ['noise that is not small', 5, () => 5 + normal()],
    ['noise that is not small, about zero', 0, normal],
    ['values of one sign', 0, () => 1e-5 * Math.abs(normal())],
  ];

  it.each(drifts)('has drifted to %s', (_, constant, value) => {
    for (const rows of [60, 500]) {
      expect(
        verdicts(
          many(1_000, () => constant),
          many(rows, value),
        ),
      ).toEqual(['drift', 'drift']);
    }
  });

  it('has drifted when nothing is known of how far its values lie from it', () => {
    const profile = profileOf(many(1_000, () => 5));
    const counts = [{ name: 'f', counts: [250, 0, 250], missing: 0 }];
    expect(judgeFeatures({ rows: 1_000, features: [profile] }, counts)[0]!.verdict).toBe('drift');
  });
});

describe('a column of noise', () => {
  it.each<[string, () => number]>([
    ['0 ± 1e-5', () => 1e-5 * normal()],
    ['5.0 ± 0.02', () => 5 + 0.02 * normal()],
  ])('has not drifted when it goes on: %s', (_, value) => {
    for (const rows of [60, 500, 5_000]) {
      expect(verdicts(many(1_000, value), many(rows, value))).toEqual(['stable', 'stable']);
    }
  });

  it('has drifted when the sensor is stuck at one value', () => {
    expect(
      verdicts(
        many(1_000, () => 5 + 0.02 * normal()),
        many(500, () => 5),
      ),
    ).toEqual(['drift', 'drift']);
  });
});
