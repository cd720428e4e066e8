import { describe, expect, it } from 'vitest';
import { judgeFeatures, worstVerdict } from '../../../../hub/drift/verdict.ts';
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
    // alpha is 1 % a feature; a fixed threshold of 0.1 raises 40 % at 100 rows.
    expect(alarms / (runs * 8)).toBeLessThan(0.02);
    expect(drifts / (runs * 8)).toBeLessThan(0.01);
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
    expect(psi).toMatchObject({ verdict: 'watch', threshold: 0.1 });
    expect(psi!.psi).toBeGreaterThan(0.1);
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
