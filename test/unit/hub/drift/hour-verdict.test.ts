import { expect, it } from 'vitest';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import { OpenBlocks, scoreOf } from '../../../../shared/sketch/block-sums.ts';
import { uniformProfile } from '../../../support/profiles.ts';

const even = (rows: number) => [0, ...new Array<number>(10).fill(rows / 10), 0];
const countedInOrder = (bins: readonly number[]) => {
  const open = new OpenBlocks();
  const counts = new Array<number>(12).fill(0);
  for (const bin of bins) {
    counts[bin]! += 1;
    open.add(scoreOf(bin, counts.length));
  }
  return { name: 'f0', counts, missing: 0, blocks: open.take() };
};
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
  // Each value ten times over, then each one once: the same counts in another order.
  const values = [50, 40, 30, 20, 15, 15, 10, 10, 5, 5].flatMap((n, bin) =>
    new Array<number>(n).fill(bin + 1),
  );
  const repeated = countedInOrder(values);
  const mixed = countedInOrder(values.map((_, i) => values[(i * 73) % values.length]!));
  expect(repeated.counts).toEqual(mixed.counts);
  expect(judgeHour(profile, [mixed]).verdict).toBe('drift');
  expect(judgeHour(profile, [repeated]).verdict).toBe('too-few');
});

it('a sample in the order of time tells of hours that are too short to tell of themselves', () => {
  const [f0] = uniformProfile(1).features;
  const days = Array.from({ length: 10_000 }, (_, row) => Math.floor(5 + 4.9 * Math.sin(row / 100)) + 1);
  const ordered = { rows: days.length, features: [{ ...f0!, blocks: countedInOrder(days).blocks }] };
  // Without an order of their own, as an older agent sends them.
  const morning = feature('f0', [0, 60, 40, ...new Array<number>(9).fill(0)]);
  expect(judgeHour(uniformProfile(1), [morning]).verdict).toBe('drift');
  expect(judgeHour(ordered, [morning]).verdict).toBe('too-few');
  const dead = { ...feature('f0', new Array<number>(12).fill(0)), missing: 200 };
  expect(judgeHour(ordered, [dead]).verdict).toBe('drift');
});

it('an hour with too few rows, without counts or of a version without profile has no verdict', () => {
  const profile = uniformProfile(2);
  expect(judgeHour(profile, [feature('f0', even(40))])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(profile, [])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(undefined, [feature('f0', even(1_000))])).toEqual({ verdict: 'too-few', score: 0 });
  expect(judgeHour(profile, [feature('f0', even(1_000))]).verdict).toBe('stable');
});
