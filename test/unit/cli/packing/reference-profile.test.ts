import { describe, expect, it } from 'vitest';
import {
  type FeaturePlan,
  numericEdges,
  ProfileBuilder,
  planFeatures,
  profileFeature,
} from '../../../../cli/packing/reference-profile.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';

const numeric: FeaturePlan = {
  name: 'f',
  role: 'input',
  source: { tensor: 'x', column: 0 },
  kind: 'numeric',
};

describe('numericEdges()', () => {
  it('puts edges at the quantiles, so that cells hold equally many', () => {
    const values = Array.from({ length: 101 }, (_, i) => i);
    expect(numericEdges(values, 4)).toEqual([25, 50, 75]);
  });

  it('puts edges halfway between few distinct values', () => {
    expect(numericEdges([1, 2, 2, 4], 20)).toEqual([1.5, 3]);
  });

  it.each([
    ['one value', [5, 5, 5]],
    ['one value of zero', [0, 0]],
    ['two values', [0, 1, 1]],
    [
      'one value nearly everywhere',
      [...new Array<number>(1000).fill(0), ...Array.from({ length: 30 }, (_, i) => i + 1)],
    ],
  ])('gives at least two strictly rising edges for %s', (_, values) => {
    const edges = numericEdges(values, 20);
    expect(edges.length).toBeGreaterThanOrEqual(2);
    for (let i = 1; i < edges.length; i += 1) expect(edges[i]).toBeGreaterThan(edges[i - 1]!);
  });
});

describe('profileFeature()', () => {
  it('counts under- and overflow, missing values and moments', () => {
    const values = [...Array.from({ length: 100 }, (_, i) => i + 1), Number.NaN, Number.NaN];
    const profile = profileFeature(numeric, values, 4);
    expect(profile).toMatchObject({
      kind: 'numeric',
      edges: [25.75, 50.5, 75.25],
      counts: [25, 25, 25, 25],
      missing: 2,
      moments: { n: 100, shift: 50.5, sum: 0, sumSquares: 83_325 },
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

  it('leaves out a feature without any value', () => {
    expect(profileFeature(numeric, [Number.NaN], 20)).toBeUndefined();
  });
});

describe('planFeatures()', () => {
  const none = { columnNames: () => undefined, classes: undefined };

  it('takes columns of tables, summaries of images, and no states', () => {
    const plans = planFeatures({
      ...none,
      inputs: [
        { name: 'table', datatype: 'FP32', shape: [-1, 2] },
        { name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28] },
        { name: 'frame', datatype: 'FP32', shape: [-1, -1] },
        { name: 'sr', datatype: 'INT64', shape: [] },
      ],
      outputs: [
        { name: 'y', datatype: 'FP32', shape: [-1, 1] },
        { name: 'logits', datatype: 'FP32', shape: [1, 10] },
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
      ],
    });
    expect(plans.map((plan) => plan.name)).toEqual([
      'table[0]',
      'table[1]',
      'image mean',
      'image stddev',
      'frame mean',
      'frame stddev',
      'y',
      'logits argmax',
      'logits max',
      'label',
    ]);
  });

  it('refuses two features of one name', () => {
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [-1, 2] }];
    expect(() =>
      planFeatures({ inputs, outputs: [], classes: undefined, columnNames: () => ['a', 'a'] }),
    ).toThrow(/"a" is used twice/);
  });
});

describe('ProfileBuilder', () => {
  it('profiles values as the device will see them, rounded to the tensor type', () => {
    const builder = new ProfileBuilder([numeric]);
    const data = encodeNumbers('FP32', [0.1, 0.2, 0.3, 0.4]);
    builder.add('input', [{ name: 'x', datatype: 'FP32', shape: [4, 1], data }]);
    const profile = builder.build({ rows: 4, cells: 20 });
    expect(profile.rows).toBe(4);
    expect(profile.features[0]).toMatchObject({
      edges: [0.1, 0.2, 0.3].map((v, i) => (Math.fround(v) + Math.fround([0.2, 0.3, 0.4][i]!)) / 2),
    });
  });
});
