import { describe, expect, it } from 'vitest';
import { effectInService, effectOfSample, measuredEffect } from '../../../../hub/drift/design-effect.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { blockLengths, OpenBlocks, scoreOf } from '../../../../shared/sketch/block-sums.ts';
import { uniformProfile } from '../../../support/profiles.ts';

/** Rows in two cells, one half each, whose scores are −10 and 0: mean −5, variance 25. */
const counts = [50_000, 50_000];
const [mean, variance] = [-5, 25];

/** Variance of the sum of B rows of AR(1) over that of independent ones (G. E. P. Box, G. M. Jenkins, "Time Series Analysis", 1976, §2.1). */
function effectOfAr1(rho: number, rows: number): number {
  let effect = 1;
  for (let lag = 1; lag < rows; lag += 1) effect += 2 * (1 - lag / rows) * rho ** lag;
  return effect;
}

/** Block sums with exactly that variance, as far as they have blocks in `rows`. */
function blocksOfAr1(rho: number, rows: number): number[] {
  return blockLengths.flatMap((length) => {
    const blocks = Math.floor(rows / length);
    const one = length * variance * effectOfAr1(rho, length);
    // Var(S′ − S) = 2 Var(S) − 2 Cov(S, S′), and the variance of both together has the covariance.
    const both = 2 * length * variance * effectOfAr1(rho, 2 * length);
    return [blocks, blocks * (one + (length * mean) ** 2), blocks * (4 * one - both)];
  });
}

function counted(values: readonly number[], cells: number) {
  const open = new OpenBlocks();
  const seen = new Array<number>(cells).fill(0);
  for (const cell of values) {
    seen[cell]! += 1;
    open.add(scoreOf(cell, cells));
  }
  return { counts: seen, missing: 0, blocks: open.take() };
}

const seen = (blocks: readonly number[]) => ({ counts, missing: 0, blocks });

describe('design effect of a sample', () => {
  it.each([0, 0.5, 0.9, 0.99])('is at a block length what the correlation %d makes of it', (rho) => {
    for (const rows of blockLengths) {
      expect(effectOfSample(seen(blocksOfAr1(rho, 100_000)), rows)).toBeCloseTo(effectOfAr1(rho, rows), 6);
    }
  });

  it.each([0.3, 0.5, 0.7, 0.9, 0.95, 0.99])(
    'is beyond its blocks never less than the correlation %d makes of it, and at most ten times as much',
    (rho) => {
      for (const measured of [512, 5_000, 10_000]) {
        for (const rows of [measured, 4 * measured]) {
          const found = effectOfSample(seen(blocksOfAr1(rho, measured)), rows) / effectOfAr1(rho, rows);
          expect(found).toBeGreaterThan(0.99);
          expect(found).toBeLessThan(10);
        }
      }
    },
  );

  it('is 1 for a single row, for a sample without an order and for one of a single value', () => {
    expect(effectOfSample(seen(blocksOfAr1(0.9, 10_000)), 1)).toBe(1);
    expect(effectOfSample({ counts, missing: 0 }, 1_000)).toBe(1);
    expect(effectOfSample({ counts: [400, 0], missing: 0, blocks: [399, 39_900, 0] }, 400)).toBe(1);
  });
});

describe('design effect of rows in service', () => {
  it.each([0, 0.5, 0.9, 0.95])(
    'is what the correlation %d makes of many rows, from a hundred rows on',
    (rho) => {
      for (const rows of [100, 1_000, 100_000]) {
        const found = effectInService(seen(blocksOfAr1(rho, rows)), rows) / effectOfAr1(rho, 100_000);
        expect(found).toBeGreaterThan(0.97);
        expect(found).toBeLessThan(1.03);
      }
    },
  );

  it('is known for what is slower than its rows remember, as soon as eight of its blocks have been seen', () => {
    // Half of the variance is noise, half moves on once in sixty-four rows.
    const random = seededRandom(11);
    const draw = () => Math.floor(random() * 11);
    const slow = (rows: number) => {
      let level = 0;
      return Array.from({ length: rows }, (_, i) => {
        if (i % 64 === 0) level = draw();
        return level + draw();
      });
    };
    expect(effectInService(counted(slow(10_000), 21), 10_000)).toBeGreaterThan(20);
  });

  it('hardly grows when the level changes once', () => {
    const random = seededRandom(12);
    const changed = Array.from({ length: 1_000 }, (_, i) => Math.floor(random() * 10) + (i < 500 ? 0 : 5));
    expect(effectInService(counted(changed, 21), 1_000)).toBeLessThan(3);
    // As a sample it would be taken for one that moves as slowly.
    expect(effectOfSample(counted(changed, 21), 1_000)).toBeGreaterThan(100);
  });

  it('is 1 for rows that are all alike, that alternate, or that are too few', () => {
    expect(effectInService({ counts: [400, 0], missing: 0, blocks: [399, 39_900, 0] }, 400)).toBe(1);
    expect(
      effectInService(
        counted(
          Array.from({ length: 400 }, (_, i) => i % 2),
          2,
        ),
        400,
      ),
    ).toBe(1);
    expect(effectInService(counted([0, 0, 0, 0, 1, 1, 1, 1], 2), 8)).toBe(1);
  });

  it('is 1 for rows that are all alike, whatever part of a row each has weight for', () => {
    const random = seededRandom(21);
    for (let cell = 0; cell < 20; cell += 1) {
      for (let run = 0; run < 100; run += 1) {
        const rows = 100 / (0.1 + random());
        const alike = Array.from({ length: 20 }, (_, i) => (i === cell ? rows : 0));
        const blocks = [rows, rows * scoreOf(cell, 20) ** 2, 0];
        expect(effectInService({ counts: alike, missing: 0, blocks }, rows)).toBe(1);
      }
    }
  });

  it('is no more than there are rows', () => {
    const halves = Array.from({ length: 400 }, (_, i) => (i < 200 ? 0 : 1));
    expect(effectInService(counted(halves, 2), 400)).toBeLessThanOrEqual(400);
  });

  it('is estimated near 1 from independent rows, and seldom above 2', () => {
    const random = seededRandom(4_711);
    const effects = Array.from({ length: 200 }, () =>
      effectInService(
        counted(
          Array.from({ length: 500 }, () => Math.floor(random() * 20)),
          20,
        ),
        500,
      ),
    ).sort((a, b) => a - b);
    expect(effects[100]).toBeLessThan(1.3);
    expect(effects[190]).toBeLessThan(2);
  });
});

describe('measured design effect', () => {
  it('is the larger one of service and sample, and leaves rows without a value out', () => {
    const [f0] = uniformProfile(1).features;
    const random = seededRandom(13);
    let level = 1;
    const slow = Array.from({ length: 10_000 }, (_, i) => {
      if (i % 50 === 0) level = 1 + Math.floor(random() * 10);
      return level;
    });
    const profile = { ...f0!, blocks: counted(slow, 12).blocks };
    const mixed = counted(
      Array.from({ length: 1_000 }, () => 1 + Math.floor(random() * 10)),
      12,
    );
    expect(measuredEffect(f0!, mixed).current).toBeLessThan(2);
    expect(measuredEffect(profile, mixed).current).toBeGreaterThan(20);
    expect(measuredEffect(profile, mixed, 100).current).toBeLessThan(12);
    expect(measuredEffect(profile, { counts: new Array<number>(12).fill(0), missing: 1_000 }).current).toBe(
      1,
    );
  });
});
