/** A short run of `npm run simulate:drift`: levels are kept and power grows. docs/STATISTICS.md has the long one. */
import { describe, expect, it } from 'vitest';
import { driftRule } from '../../../../hub/drift/drift-rule.ts';
import { binomial, multinomial } from '../../../simulation/drift/binomial.ts';
import { discrete, normal, normalBelow, shiftedNormal } from '../../../simulation/drift/distributions.ts';
import { countOneReading, countRepeatedReadings } from '../../../simulation/drift/false-alarms.ts';
import { countPower } from '../../../simulation/drift/power.ts';
import { sfc32 } from '../../../simulation/drift/sfc32.ts';

const study = { seed: 20_261_127, referenceRows: 1_000 };
const { level } = driftRule;

describe('versions without drift', () => {
  it.each([normal, discrete])('alarm in one reading seldom enough at any size: $name', (distribution) => {
    const counts = countOneReading(
      { ...study, name: distribution.name, rows: { distribution }, runs: 150 },
      { sizes: [50, 500, 5_000, 50_000], widths: [8] },
    );
    // Of 150 versions that keep 1 %, more than five alarm once in two hundred times.
    for (const { size, watch } of counts) expect(watch, `${size} rows`).toBeLessThanOrEqual(5);
  });

  it('of rows that repeat each other alarm when these are taken as independent, and not with their design effect', () => {
    const counts = countOneReading(
      { ...study, name: 'AR(1)', rows: { rho: 0.9 }, runs: 20 },
      { sizes: [100, 2_000], widths: [8], effects: ['none', 'true', 'estimated'] },
    );
    const alarmed = (effect: string, size: number) =>
      counts.find((count) => count.effect === effect && count.size === size)!.watch;
    expect(alarmed('none', 100)).toBeGreaterThan(15);
    for (const size of [100, 2_000]) {
      expect(alarmed('true', size)).toBeLessThanOrEqual(1);
      expect(alarmed('estimated', size)).toBeLessThanOrEqual(2);
    }
  });

  it('alarm seldom enough over all readings of counts that grow', () => {
    const sizes = Array.from({ length: 20 }, (_, i) => 100 * (i + 1));
    const rows = { distribution: discrete };
    const { onEvery, onSingle } = countRepeatedReadings(
      { ...study, name: 'discrete', rows, runs: 60 },
      { sizes, features: 8 },
    );
    expect(onEvery).toBeLessThanOrEqual(3);
    expect(onEvery).toBeLessThanOrEqual(onSingle);
  });
});

it('a shift that matters is found the more often the more rows there are, by every way of reading', () => {
  const counts = countPower({
    ...study,
    changes: [{ name: '0.5 σ', distribution: shiftedNormal(0.5, 1) }],
    readings: [false, true].map((isRepeated) => ({ name: String(isRepeated), isRepeated, level })),
    runs: 40,
    sizes: [50, 200, 1_000, 20_000],
    features: 4,
  });
  for (const reading of ['false', 'true']) {
    const found = counts.filter((count) => count.reading === reading);
    for (const figure of ['watch', 'drift'] as const) {
      const shares = found.map((count) => count[figure] / count.runs);
      expect(shares.toSorted((a, b) => a - b)).toEqual(shares);
    }
    expect(found.at(-1)!.watch).toBe(40);
    expect(found.at(-1)!.drift).toBeGreaterThan(30);
  }
});

describe('what the simulation draws with', () => {
  it.each([
    [1_000, 0.001],
    [100, 0.3],
    [50_000, 0.05],
    [30, 0.9],
  ])('is binomial for %d rows of probability %d', (n, p) => {
    const random = sfc32(1, n);
    const draws = Array.from({ length: 20_000 }, () => binomial(n, p, random));
    const mean = draws.reduce((sum, k) => sum + k, 0) / draws.length;
    const variance = draws.reduce((sum, k) => sum + (k - mean) ** 2, 0) / draws.length;
    expect(mean / (n * p)).toBeCloseTo(1, 1);
    expect(variance / (n * p * (1 - p))).toBeCloseTo(1, 1);
    expect(draws.every((k) => Number.isInteger(k) && k >= 0 && k <= n)).toBe(true);
  });

  it('splits all rows over the cells', () => {
    const counts = multinomial(10_000, [0.1, 0.1, 0.6, 1], sfc32(1, 2));
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(10_000);
    expect(counts[1]).toBe(0);
    expect(counts[2]! / 10_000).toBeCloseTo(0.5, 1);
  });

  it('knows the normal distribution', () => {
    expect(normalBelow(0)).toBeCloseTo(0.5, 12);
    expect(normalBelow(-1.959963984540054)).toBeCloseTo(0.025, 12);
    expect(normalBelow(1.959963984540054)).toBeCloseTo(0.975, 12);
  });
});
