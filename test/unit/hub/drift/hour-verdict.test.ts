import { expect, it } from 'vitest';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import type { ReferenceProfile } from '../../../../shared/manifest/reference-profile.ts';
import { uniformFeature, uniformProfile } from '../../../support/profiles.ts';

const even = (rows: number) => [0, ...new Array<number>(10).fill(rows / 10), 0];
const feature = (name: string, counts: number[]) => ({ name, counts, missing: 0 });

it('an hour with one feature that drifts is drift, also beside one that is further above its own threshold', () => {
  // The reference of "rare" has few rows, so its threshold is high; "common" has many, and is only to be watched.
  const rare = { ...uniformFeature('rare'), counts: even(60) };
  const profile: ReferenceProfile = { rows: 10_000, features: [rare, uniformFeature('common')] };
  const shifted = (bins: number[]) => [0, ...bins, 0];
  const watched = feature('common', shifted([150, 150, 150, 100, 100, 100, 100, 50, 50, 50]));
  const drifting = feature('rare', shifted([20, 16, 9, 5, 3, 3, 2, 1, 1, 0]));
  const alone = judgeHour(profile, [watched]);
  expect(alone.verdict).toBe('watch');
  expect(judgeHour(profile, [drifting])).toMatchObject({ verdict: 'drift' });
  expect(judgeHour(profile, [drifting]).score).toBeLessThan(alone.score);
  expect(judgeHour(profile, [watched, drifting]).verdict).toBe('drift');
  expect(judgeHour(profile, [drifting, watched]).verdict).toBe('drift');
});

it('an hour with too few rows, without counts or of a version without profile has no verdict', () => {
  const profile = uniformProfile(2);
  expect(judgeHour(profile, [feature('f0', even(40))])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(profile, [])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(undefined, [feature('f0', even(1_000))])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(profile, [feature('f0', even(1_000))]).verdict).toBe('stable');
});
