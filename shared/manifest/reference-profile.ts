/**
 * The reference profile: fixed bin edges and counts of the training data, signed with the version. Because the edges
 * are fixed, devices send integer counts and merging is addition: exact, in any order.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { BlockNumbers } from '../sketch/block-sums.ts';

const count = Type.Integer({ minimum: 0 });

const index = Type.Integer({ minimum: 0, maximum: 65_535 });
const tensor = Type.String({ maxLength: 256 });

/**
 * Where a feature's value comes from: one column of the last axis of a tensor, one element of each row whatever the rank (of one axis: of the only row),
 * the mean or deviation of one channel of an image, or a summary of the whole row. An image of four axes has rows along
 * the first; one of three axes is one row.
 */
export const FeatureSource = Type.Union([
  Type.Object({ tensor, column: index }),
  Type.Object({ tensor, element: index }),
  Type.Object({
    tensor,
    axis: Type.Integer({ minimum: 0, maximum: 3 }),
    channel: index,
    summary: Type.Union([Type.Literal('mean'), Type.Literal('stddev')]),
  }),
  Type.Object({
    tensor,
    summary: Type.Union([
      Type.Literal('mean'),
      Type.Literal('stddev'),
      Type.Literal('min'),
      Type.Literal('max'),
      Type.Literal('argmax'),
    ]),
  }),
]);
export type FeatureSource = Static<typeof FeatureSource>;

/** Sums over the values seen (missing ones, and those too far to be squared, left out); `sum` and `sumSquares` are taken
 * after subtracting `shift`. */
const Moments = Type.Object({
  n: count,
  shift: Type.Number(),
  sum: Type.Number(),
  sumSquares: Type.Number(),
});
export type Moments = Static<typeof Moments>;

/**
 * Numeric feature: B+1 edges, strictly rising, make B bins [e_i, e_{i+1}) (the last closed). `counts` has B+2
 * entries: underflow, the bins, overflow. NaN and absent values are `missing`. A feature that the sample never had a value of
 * has counts of 0 throughout, and all of its rows in `missing`.
 */
export const NumericProfile = Type.Object({
  kind: Type.Literal('numeric'),
  name: Type.String({ minLength: 1, maxLength: limits.featureNameCharsMax }),
  role: Type.Union([Type.Literal('input'), Type.Literal('output')]),
  source: FeatureSource,
  edges: Type.Array(Type.Number(), { minItems: 2, maxItems: limits.binsMax + 1 }),
  counts: Type.Array(count, { minItems: 3, maxItems: limits.binsMax + 2 }),
  missing: count,
  moments: Moments,
  /** Of the rows of the sample, where they are in the order of time. */
  blocks: Type.Optional(BlockNumbers),
});
export type NumericProfile = Static<typeof NumericProfile>;

/** Categorical feature: `counts[i]` belongs to `categories[i]`; a value outside them is `unseen`. */
export const CategoricalProfile = Type.Object({
  kind: Type.Literal('categorical'),
  name: Type.String({ minLength: 1, maxLength: limits.featureNameCharsMax }),
  role: Type.Union([Type.Literal('input'), Type.Literal('output')]),
  source: FeatureSource,
  categories: Type.Array(Type.String({ maxLength: limits.categoryCharsMax }), {
    minItems: 1,
    maxItems: limits.categoriesMax,
  }),
  counts: Type.Array(count, { minItems: 1, maxItems: limits.categoriesMax }),
  unseen: count,
  missing: count,
  blocks: Type.Optional(BlockNumbers),
});
export type CategoricalProfile = Static<typeof CategoricalProfile>;

export const FeatureProfile = Type.Union([NumericProfile, CategoricalProfile]);
export type FeatureProfile = Static<typeof FeatureProfile>;

export const ReferenceProfile = Type.Object({
  rows: count,
  features: Type.Array(FeatureProfile, { maxItems: limits.featuresMax }),
});
export type ReferenceProfile = Static<typeof ReferenceProfile>;
