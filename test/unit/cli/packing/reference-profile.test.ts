import { describe, expect, it } from 'vitest';
import type { FeaturePlan } from '../../../../cli/packing/feature-plan.ts';
import { ProfileBuilder, profileFeature } from '../../../../cli/packing/reference-profile.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { encodeStrings } from '../../../../shared/inference/exact-values.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';

const numeric: FeaturePlan = {
  name: 'f',
  role: 'input',
  source: { tensor: 'x', column: 0 },
  kind: 'numeric',
};

describe('profileFeature()', () => {
  it('counts under- and overflow, missing values and moments', () => {
    const values = [...Array.from({ length: 100 }, (_, i) => i + 1), Number.NaN, Number.NaN];
    const profile = profileFeature(numeric, values, 4);
    expect(profile).toMatchObject({
      kind: 'numeric',
      edges: [25.75, 50.5, 75.25],
      counts: [25, 25, 25, 25],
      missing: 2,
      moments: { n: 100, shift: 50, sum: 50, sumSquares: 83_350 },
    });
  });

  it('makes few whole numbers of a whole-number input categories, in number order', () => {
    const profile = profileFeature({ ...numeric, kind: 'integers' }, [10, 2, 2, 10, 3], 20);
    expect(profile).toMatchObject({ kind: 'categorical', categories: ['2', '3', '10'], counts: [2, 1, 2] });
  });

  it('keeps many whole numbers numeric', () => {
    const values = Array.from({ length: 40 }, (_, i) => i);
    expect(profileFeature({ ...numeric, kind: 'integers' }, values, 20)).toMatchObject({ kind: 'numeric' });
  });

  it('lists the classes that were wanted although none was seen', () => {
    const profile = profileFeature({ ...numeric, kind: ['0', '1', '2'] }, [0, 0, 2], 20);
    expect(profile).toMatchObject({ categories: ['0', '1', '2'], counts: [2, 0, 1], unseen: 0 });
  });

  it('watches a feature without any value as empty', () => {
    expect(profileFeature(numeric, [Number.NaN, Number.NaN], 20)).toMatchObject({
      kind: 'numeric',
      counts: [0, 0, 0],
      missing: 2,
      moments: { n: 0, shift: 0, sum: 0, sumSquares: 0 },
    });
  });

  it('keeps every figure finite, whatever the values', () => {
    const values = [1, 2, 3, Number.MAX_VALUE, -Number.MAX_VALUE, Number.POSITIVE_INFINITY, 1e200];
    const profile = profileFeature(numeric, values, 20);
    if (profile.kind !== 'numeric') throw new Error(profile.kind);
    expect(profile.moments).toMatchObject({ n: 3, shift: 2, sum: 0, sumSquares: 2 });
    expect(profile.counts.reduce((sum, n) => sum + n)).toBe(7);
    expect(profile.edges.every(Number.isFinite)).toBe(true);
  });

  it('tells 64-bit ids apart that are one as numbers', () => {
    const ids = [2n ** 60n, 2n ** 60n + 1n, 2n ** 60n + 1n];
    expect(profileFeature({ ...numeric, kind: 'integers' }, ids, 20)).toMatchObject({
      categories: ['1152921504606846976', '1152921504606846977'],
      counts: [1, 2],
    });
  });

  it('lists the most frequent texts, and neither long ones nor those that JSON cannot hold', () => {
    const texts = ['b', 'a', 'a', 'x'.repeat(limits.categoryCharsMax + 1), '\ud800'];
    expect(profileFeature({ ...numeric, kind: [] }, texts, 20)).toMatchObject({
      kind: 'categorical',
      categories: ['a', 'b'],
      counts: [2, 1],
      unseen: 2,
    });
    const ids = Array.from({ length: 1_000 }, (_, i) => `id-${i % 300}`);
    const many = profileFeature({ ...numeric, kind: [] }, ids, 20);
    expect(many).toMatchObject({ kind: 'categorical', unseen: 44 * 3 });
    expect(profileFeature({ ...numeric, kind: [] }, ['\ud800'], 20)).toMatchObject({
      categories: [''],
      unseen: 1,
    });
  });
});

describe('ProfileBuilder', () => {
  it('profiles values as the device will see them, rounded to the tensor type', () => {
    const builder = new ProfileBuilder([numeric]);
    const data = encodeNumbers('FP32', [0.1, 0.2, 0.3, 0.4]);
    builder.add('input', [{ name: 'x', datatype: 'FP32', shape: [4, 1], data }]);
    const { profile, remarks } = builder.build({ rows: 4, cells: 20 });
    expect(remarks).toEqual([expect.stringMatching(/has 4 rows, and drift is judged from 50 rows on/)]);
    expect(profile.rows).toBe(4);
    expect(profile.features[0]).toMatchObject({
      edges: [0.1, 0.2, 0.3].map((v, i) => (Math.fround(v) + Math.fround([0.2, 0.3, 0.4][i]!)) / 2),
    });
  });

  it('remarks on what it cannot tell, naming the feature', () => {
    const builder = new ProfileBuilder([
      numeric,
      { name: 'dead', role: 'input', source: { tensor: 'x', column: 1 }, kind: 'numeric' },
    ]);
    const rows = 60;
    const values = Array.from({ length: 2 * rows }, (_, i) =>
      i % 2 === 1 ? Number.NaN : i === 0 ? 1e300 : i,
    );
    builder.add('input', [
      { name: 'x', datatype: 'FP64', shape: [rows, 2], data: encodeNumbers('FP64', values) },
    ]);
    expect(builder.build({ rows, cells: 20 }).remarks).toEqual([
      'input "f": 1 of 60 values are too large for a mean, such as 1e+300; if that means "no value", name it under "sample.missing"',
      'input "dead" has no value in any of the 60 sample rows: watched as empty, a value on a device is drift',
    ]);
  });

  it('keeps the categories of many text columns within what a manifest and a report can hold', () => {
    const columns = 120;
    const builder = new ProfileBuilder(
      Array.from({ length: columns }, (_, column) => ({
        name: `t${column}`,
        role: 'input',
        source: { tensor: 'x', column },
        kind: [],
      })),
    );
    const rows = 300;
    const texts = Array.from({ length: rows * columns }, (_, i) => `${i} ${'ß'.repeat(100)}`);
    builder.add('input', [
      { name: 'x', datatype: 'BYTES', shape: [rows, columns], data: encodeStrings(texts) },
    ]);
    const { profile, remarks } = builder.build({ rows, cells: 20 });
    const categories = profile.features.flatMap((f) => (f.kind === 'categorical' ? f.categories : []));
    expect(categories.length).toBeGreaterThan(columns);
    expect(Buffer.byteLength(JSON.stringify(profile))).toBeLessThan(limits.manifestBytesMax);
    expect(remarks).toHaveLength(columns);
    expect(remarks[0]).toMatch(/"t0": \d+ of 300 values are none of the \d+ categories kept/);
  });
});
