import { describe, expect, it } from 'vitest';
import { worstVerdict } from '../../../../hub/drift/drift-rule.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import type { ReferenceProfile } from '../../../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../../../shared/protocol/telemetry-report.ts';
import { cellOf } from '../../../../shared/sketch/histogram-counts.ts';
import { uniformFeature, uniformProfile } from '../../../support/profiles.ts';

/** Counts of `rows` draws of each feature. */
function draw(profile: ReferenceProfile, rows: number, value: () => number): FeatureCounts[] {
  return profile.features.map((feature) => {
    const counts = feature.counts.map(() => 0);
    if (feature.kind === 'numeric') {
      for (let i = 0; i < rows; i += 1) counts[cellOf(feature.edges, value())]! += 1;
    }
    return { name: feature.name, counts, missing: 0 };
  });
}

describe('drift verdict', () => {
  it.each([60, 100, 200, 1_000])('raises few false alarms with %i rows and no drift', (rows) => {
    const profile = uniformProfile(8);
    const random = seededRandom(7);
    const runs = 400;
    let alarms = 0;
    let drifts = 0;
    for (let run = 0; run < runs; run += 1) {
      const features = judgeFeatures(profile, draw(profile, rows, random));
      alarms += features.filter((f) => f.verdict !== 'stable').length;
      drifts += features.filter((f) => f.verdict === 'drift').length;
    }
    // The level is 1 % over the eight features of a version; a fixed threshold of 0.1 raises 40 % of them at 100 rows.
    expect(alarms / runs).toBeLessThan(0.02);
    expect(drifts / runs).toBeLessThan(0.01);
  });

  it('raises few false alarms when most bins are nearly empty', () => {
    const counts = [0, 2, 5, 20, 100, 9_000, 700, 100, 50, 20, 3, 0];
    const feature = { ...uniformFeature('f0'), counts };
    const random = seededRandom(11);
    const value = () => {
      let at = random() * 10_000;
      const bin = counts.findIndex((n) => {
        at -= n;
        return at < 0;
      });
      return (bin - 1 + 0.5) / 10;
    };
    let alarms = 0;
    for (let run = 0; run < 2_000; run += 1) {
      const profile = { rows: 10_000, features: [feature] };
      if (judgeFeatures(profile, draw(profile, 100, value))[0]!.verdict !== 'stable') alarms += 1;
    }
    expect(alarms / 2_000).toBeLessThan(0.03);
  });

  it('counts rows as many as their design effect leaves: fewer prove less, and too few are no pass', () => {
    const profile = uniformProfile(2);
    const counts = [0, 140, 130, 120, 110, 100, 100, 90, 80, 70, 60, 0];
    const calm = [0, ...new Array<number>(10).fill(100), 0];
    const both = ['f0', 'f1'].map((name, i) => ({ name, counts: i === 0 ? counts : calm, missing: 0 }));
    const found = (current: number) => {
      const designEffects = new Map(['f0', 'f1'].map((name) => [name, { reference: 1, current }]));
      const features = judgeFeatures(profile, both, { designEffects });
      return features.map(({ name, verdict, independent }) => [name, verdict, independent]);
    };
    expect(found(1)).toEqual([
      ['f0', 'watch', 1_000],
      ['f1', 'stable', 1_000],
    ]);
    expect(found(10)).toEqual([
      ['f0', 'stable', 100],
      ['f1', 'stable', 100],
    ]);
    expect(found(40)).toEqual([
      ['f0', 'too-few', 25],
      ['f1', 'too-few', 25],
    ]);
    const dead = [{ name: 'f0', counts: new Array<number>(12).fill(0), missing: 1_000 }];
    const designEffects = new Map([['f0', { reference: 1, current: 40 }]]);
    expect(judgeFeatures(profile, dead, { designEffects })[0]).toMatchObject({
      name: 'f0',
      verdict: 'drift',
    });
  });

  it('gives every figure of a feature, and those of numbers for numbers alone', () => {
    const counts = [0, 140, 130, 120, 110, 100, 100, 90, 80, 70, 60, 0];
    const [feature] = judgeFeatures(uniformProfile(1), [{ name: 'f0', counts, missing: 0 }]);
    expect(feature).toMatchObject({ chiSquare: { degrees: 9 } });
    const { psi, psiDeciles, jensenShannon, hellinger, wasserstein } = feature!;
    // Of small differences all are one figure: PSI = 8 ln 2 · distance², and the deciles are the bins.
    expect(psiDeciles! / psi).toBeCloseTo(1, 1);
    expect((8 * Math.LN2 * jensenShannon ** 2) / psi).toBeCloseTo(1, 1);
    expect((8 * hellinger ** 2) / psi).toBeCloseTo(1, 1);
    // The mean moves from 0.5 to 0.43, and the deviation is 1/√12.
    expect(wasserstein).toBeCloseTo(0.07 * Math.sqrt(12), 9);
  });

  it('leaves PSI over deciles out where the edges are none, however few rows of the profile are independent', () => {
    const [uniform] = uniformProfile(1).features;
    const counts = [0, 1_500, ...new Array<number>(8).fill(1_000), 500, 0];
    const profile = { rows: 10_000, features: [{ ...uniform!, counts }] };
    const seen = [{ name: 'f0', counts: [0, ...new Array<number>(10).fill(100), 0], missing: 0 }];
    for (const reference of [1, 1_000]) {
      const designEffects = new Map([['f0', { reference, current: 1 }]]);
      expect(judgeFeatures(profile, seen, { designEffects })[0]!.psiDeciles).toBeUndefined();
    }
  });

  it('finds a strong shift in 200 rows, every time', () => {
    const profile = uniformProfile(1);
    const random = seededRandom(3);
    for (let run = 0; run < 50; run += 1) {
      const [feature] = judgeFeatures(
        profile,
        draw(profile, 200, () => random() ** 3),
      );
      expect(feature!.verdict).toBe('drift');
    }
  });

  it('does not call a tiny shift drift, however many rows prove it', () => {
    const profile = uniformProfile(1);
    const counts = [0, 104, 96, 104, 96, 104, 96, 104, 96, 104, 96, 0].map((n) => n * 10_000);
    const [feature] = judgeFeatures(profile, [{ name: 'f0', counts, missing: 0 }]);
    expect(feature).toMatchObject({ verdict: 'stable', n: 10_000_000 });
  });

  it('rates a shift of moderate size as watch, by PSI and by KS alone', () => {
    const profile = uniformProfile(1);
    const byPsi = [0, 170, 150, 130, 120, 100, 90, 80, 60, 50, 50, 0].map((n) => n * 10);
    const [psi] = judgeFeatures(profile, [{ name: 'f0', counts: byPsi, missing: 0 }]);
    expect(psi).toMatchObject({ verdict: 'watch', significant: true });
    // What PSI is on average without drift is 9·(1/10,000 + 1/10,000).
    expect(psi!.threshold).toBeCloseTo(0.05 + 0.0018, 9);
    expect(psi!.excess).toBeCloseTo(psi!.psi - 0.0018, 9);
    const byKs = [0, 122, 122, 122, 122, 122, 78, 78, 78, 78, 78, 0].map((n) => n * 10);
    const [ks] = judgeFeatures(profile, [{ name: 'f0', counts: byKs, missing: 0 }]);
    expect(ks).toMatchObject({ verdict: 'watch', ks: { significant: true } });
    expect(ks!.psi).toBeLessThan(ks!.threshold);
  });

  it('is too-few below the minimum and for a feature that no device reported', () => {
    const profile = uniformProfile(2);
    const counts = [0, 49, ...new Array<number>(10).fill(0)];
    const features = judgeFeatures(profile, [{ name: 'f0', counts, missing: 0 }]);
    expect(features.map((f) => f.verdict)).toEqual(['too-few', 'too-few']);
    expect(worstVerdict(features.map((f) => f.verdict))).toBe('too-few');
    expect(worstVerdict([])).toBe('too-few');
    expect(worstVerdict(['too-few', 'stable', 'watch'])).toBe('watch');
  });

  it('detects a dead sensor: missing values are drift', () => {
    const profile = uniformProfile(1);
    const [feature] = judgeFeatures(profile, [
      { name: 'f0', counts: new Array<number>(12).fill(0), missing: 500 },
    ]);
    expect(feature).toMatchObject({ verdict: 'drift', missingShare: 1 });
  });

  it('detects a category that training never had', () => {
    const profile: ReferenceProfile = {
      rows: 1_000,
      features: [
        {
          kind: 'categorical',
          name: 'class',
          role: 'output',
          source: { tensor: 'y', column: 0 },
          categories: ['a', 'b'],
          counts: [500, 500],
          unseen: 0,
          missing: 0,
        },
      ],
    };
    const [fine] = judgeFeatures(profile, [{ name: 'class', counts: [48, 52, 0], missing: 0 }]);
    const [odd] = judgeFeatures(profile, [{ name: 'class', counts: [30, 30, 40], missing: 0 }]);
    expect(fine!.verdict).toBe('stable');
    expect(odd).toMatchObject({ verdict: 'drift', outsideShare: 0.4 });
    expect(odd!.ks).toBeUndefined();
  });

  it('puts the worst feature first and reports means', () => {
    const profile = uniformProfile(2);
    const calm = [0, ...new Array<number>(10).fill(100), 0];
    const moved = [0, ...new Array<number>(9).fill(0), 1_000, 0];
    const features = judgeFeatures(profile, [
      { name: 'f0', counts: calm, missing: 0 },
      { name: 'f1', counts: moved, missing: 0, moments: { n: 1_000, sum: 450, sumSquares: 210 } },
    ]);
    expect(features.map((f) => f.name)).toEqual(['f1', 'f0']);
    expect(features[0]).toMatchObject({ referenceMean: 0.5, mean: 0.95 });
  });
});
