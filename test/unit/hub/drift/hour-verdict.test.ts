import { expect, it } from 'vitest';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import { uniformProfile } from '../../../support/profiles.ts';

const even = (rows: number) => [0, ...new Array<number>(10).fill(rows / 10), 0];
const feature = (name: string, counts: number[]) => ({ name, counts, missing: 0 });

it('an hour is judged by its worst verdict, also beside a feature whose larger excess may be chance', () => {
  const profile = uniformProfile(2);
  const shifted = (bins: number[]) => [0, ...bins, 0];
  const watched = feature('f0', shifted([150, 150, 150, 100, 100, 100, 100, 50, 50, 50]));
  const chance = feature('f1', shifted([16, 12, 8, 7, 7, 5, 5, 3, 2, 1]));
  const drifting = feature('f1', shifted([320, 240, 160, 140, 140, 100, 100, 60, 40, 20]));
  const [alone, few] = [judgeHour(profile, [watched]), judgeHour(profile, [chance])];
  expect(alone.verdict).toBe('watch');
  expect(few.verdict).toBe('stable');
  expect(few.score).toBeGreaterThan(alone.score);
  expect(judgeHour(profile, [watched, chance])).toEqual(alone);
  expect(judgeHour(profile, [chance, watched])).toEqual(alone);
  expect(judgeHour(profile, [watched, drifting]).verdict).toBe('drift');
  expect(judgeHour(profile, [drifting, watched]).verdict).toBe('drift');
});

it('an hour of rows that repeat each other counts as many as are independent, and too few of those are no pass', () => {
  const profile = uniformProfile(1);
  const effect = (current: number) => new Map([['f0', { reference: 1, current }]]);
  const odd = [feature('f0', [0, 50, 40, 30, 20, 15, 15, 10, 10, 5, 5, 0])];
  expect(judgeHour(profile, odd).verdict).toBe('drift');
  expect(judgeHour(profile, odd, effect(10)).verdict).toBe('too-few');
  expect(judgeHour(profile, [feature('f0', even(1_000))], effect(10)).verdict).toBe('stable');
});

it('an hour with too few rows, without counts or of a version without profile has no verdict', () => {
  const profile = uniformProfile(2);
  expect(judgeHour(profile, [feature('f0', even(40))])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(profile, [])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(undefined, [feature('f0', even(1_000))])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(profile, [feature('f0', even(1_000))]).verdict).toBe('stable');
});
