/** Whatever a feature looks like in training: when all of it moves out of its usual range, the verdict is drift. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeaturePlan } from '../../../../cli/packing/feature-plan.ts';
import { profileFeature } from '../../../../cli/packing/reference-profile.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import type { FeatureProfile } from '../../../../shared/manifest/reference-profile.ts';
import { CategoryCounts } from '../../../../shared/sketch/category-counts.ts';
import { HistogramCounts } from '../../../../shared/sketch/histogram-counts.ts';
import type { FeatureValue } from '../../../../shared/telemetry/feature-value.ts';

const plan = (kind: FeaturePlan['kind'], role: FeaturePlan['role'] = 'input'): FeaturePlan => ({
  name: 'f',
  role,
  source: { tensor: 'x', column: 0 },
  kind,
});

/** The verdict on `now` against the profile of `reference`. */
function verdict(
  reference: readonly FeatureValue[],
  now: readonly FeatureValue[],
  kind: FeaturePlan['kind'],
) {
  const profile = profileFeature(plan(kind), reference, 20);
  return judgeFeatures({ rows: reference.length, features: [profile] }, [count(profile, now)])[0]!.verdict;
}

function count(profile: FeatureProfile, values: readonly FeatureValue[]) {
  if (profile.kind === 'categorical') {
    const counted = new CategoryCounts(profile.categories);
    for (const value of values) counted.add(value);
    return { name: 'f', counts: [...counted.counts, counted.unseen], missing: counted.missing };
  }
  const counted = new HistogramCounts(profile.edges);
  for (const value of values) counted.add(Number(value));
  return { name: 'f', counts: counted.counts, missing: counted.missing };
}

const random = seededRandom(5);
const many = (count: number, value: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => value(i));
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Samples of training, by name. */
const distributions: Record<string, number[]> = {
  uniform: many(1_000, () => random()),
  normal: many(1_000, () => 20 + normal()),
  'log-normal over many decades': many(1_000, () => Math.exp(5 * normal())),
  'zeros with an outlier': [...many(960, () => 0), ...many(39, (i) => 0.1 + i / 20), 1e9],
  'zeros alone': many(500, () => 0),
  'minus zeros': many(500, () => -0),
  'a constant': many(500, () => 21.5),
  'a flag seldom set': many(500, (i) => (i % 50 === 0 ? 1 : 0)),
  'a flag as often set as not': many(500, (i) => i % 2),
  'a spike in a spread': [...many(400, () => 5), ...many(600, () => 4 + 4 * random())],
  'two spikes far apart': [...many(490, () => 1), ...many(490, () => 1e6), ...many(20, () => 1e6 * random())],
  'few levels': many(700, (i) => i % 7),
  'spread with one sentinel': [...many(999, () => random()), Number.MAX_VALUE],
  'spread with a sentinel of -200': many(1_000, (i) => (i % 3 === 0 ? -200 : 20 + normal())),
  'sentinels at both ends alone': many(60, (i) => (i % 2 === 0 ? Number.MAX_VALUE : -Number.MAX_VALUE)),
  'values of a billionth': many(500, (i) => (i % 2 === 0 ? 0 : 1e-9 * random())),
  denormals: many(500, () => 1e-310 * (1 + random())),
  'integers beyond 2^53': many(500, (i) => 2 ** 60 + 256 * i),
  'logarithms of zero': many(500, (i) => (i % 25 === 0 ? normal() : Number.NEGATIVE_INFINITY)),
  'infinity alone': many(500, () => Number.POSITIVE_INFINITY),
  'fifty rows': many(50, () => normal()),
};

/** Ways to leave the range of a sample altogether, or the point that most of it is. */
const moves: Record<string, (sample: readonly number[]) => number> = {
  'to between its quantiles and its outlier': (sample) => span(sample, 0.99, 500),
  'above all': (sample) => span(sample, 1, 1e3),
  'below all': (sample) =>
    -span(
      sample.map((value) => -value),
      1,
      1e3,
    ),
};

/** `share` quantile, and `times` the usual spread beyond it. */
function span(sample: readonly number[], share: number, times: number): number {
  const sorted = Float64Array.from(sample.filter(Number.isFinite)).sort();
  if (sorted.length === 0) return 1e30;
  const at = (q: number) => sorted[Math.round(q * (sorted.length - 1))]!;
  const spread = at(0.95) / 2 - at(0.05) / 2 || Math.abs(at(0.5)) || 1e-30;
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, at(share) + times * spread));
}

describe('a feature all of whose values move', () => {
  for (const [name, sample] of Object.entries(distributions)) {
    it.each(Object.entries(moves))(`%s has drifted: ${name}`, (_, move) => {
      const to = move(sample);
      if (sample.includes(to)) return;
      for (const rows of [50, 300]) {
        expect(
          verdict(
            sample,
            many(rows, () => to),
            'numeric',
          ),
        ).toBe('drift');
      }
    });

    it(`not at all is stable: ${name}`, () => {
      expect(verdict(sample, sample, 'numeric')).toBe('stable');
    });
  }

  it('has drifted wherever in the gaps of its range it went', () => {
    const sample = distributions['zeros with an outlier']!;
    for (const [low, high] of [
      [20, 500],
      [1e3, 1e6],
      [-3, -2],
      [1e8, 2e8],
    ] as const) {
      expect(
        verdict(
          sample,
          many(1_000, () => low + (high - low) * random()),
          'numeric',
        ),
      ).toBe('drift');
    }
  });

  it('has drifted, for any sample and any value that is far from each of the sample', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.double({ min: -10, max: 10, noNaN: true }),
      fc.integer({ min: -3, max: 3 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ value, weight: fc.integer({ min: 1, max: 400 }) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.nat(),
        (runs, pick) => {
          const sample = runs.flatMap(({ value, weight }) => many(weight, () => value));
          while (sample.length < 50) sample.push(...sample);
          const sorted = [...new Set(sample)].sort((a, b) => a - b);
          const at = pick % (sorted.length + 1);
          // Into the middle of a gap, or beyond an end.
          const [below, above] = [sorted[at - 1], sorted[at]];
          const to =
            below === undefined
              ? above! - 1 - Math.abs(above!)
              : above === undefined
                ? below + 1 + Math.abs(below)
                : below / 2 + above / 2;
          const nearest = Math.min(...sorted.map((value) => Math.abs(value - to)));
          fc.pre(Number.isFinite(to) && nearest > 1e-3 * Math.abs(to) && nearest > 1e-30);
          expect(
            verdict(
              sample,
              many(300, () => to),
              'numeric',
            ),
          ).not.toBe('stable');
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a feature that is alive where training had nothing', () => {
  const empty = many(200, () => Number.NaN);

  it('has drifted, as soon as values come', () => {
    expect(
      verdict(
        empty,
        many(60, () => 0.5),
        'numeric',
      ),
    ).toBe('drift');
    expect(
      verdict(
        empty,
        many(60, (i) => (i % 3 === 0 ? 1e30 * random() : Number.NaN)),
        'numeric',
      ),
    ).toBe('drift');
    expect(verdict(empty, empty, 'numeric')).toBe('stable');
  });

  it.each<[string, FeatureValue[], FeatureValue[], FeaturePlan['kind']]>([
    ['a second value of a constant whole number', many(200, () => 0), many(200, (i) => i % 2), 'integers'],
    ['a second value of a constant number', many(200, () => 0), many(200, (i) => i % 2), 'numeric'],
    ['another text', many(200, () => 0).map(() => 'on'), many(60, () => 0).map(() => 'off'), []],
    [
      'another id beyond 2^53',
      many(200, () => 0).map(() => 2n ** 60n),
      many(60, () => 0).map(() => 2n ** 60n + 1n),
      'integers',
    ],
    [
      'classes of which none was listed',
      many(600, (i) => i % 300).map((i) => `c${i}`),
      many(60, () => 0).map(() => 'new'),
      [],
    ],
    [
      'one of very many texts alone',
      many(600, (i) => i % 200).map((i) => `c${i}`),
      many(60, () => 0).map(() => 'c7'),
      [],
    ],
  ])('has drifted by %s', (_, before, now, kind) => {
    expect(verdict(before, now, kind)).toBe('drift');
  });
});

describe('a feature that does not move', () => {
  const zipf = () => Math.floor(Math.exp(6 * random()));
  const sources: [string, () => FeatureValue, FeaturePlan['kind']][] = [
    [
      'zeros, a spread and outliers',
      () => (random() < 0.9 ? 0 : random() < 0.9 ? random() : 1e9 * random()),
      'numeric',
    ],
    ['spikes in a spread', () => (random() < 0.3 ? 5 : random() < 0.5 ? 7 : 4 + 4 * random()), 'numeric'],
    ['few levels', () => Math.floor(7 * random()), 'numeric'],
    ['a sentinel', () => (random() < 0.2 ? -200 : normal()), 'numeric'],
    ['a seldom value', () => (random() < 0.01 ? 1 : 0), 'numeric'],
    ['hundreds of texts, most of them rare', () => `c${zipf()}`, []],
  ];

  it.each(sources)('raises few false alarms: %s', (_, draw, kind) => {
    const drawn = (rows: number) => Array.from({ length: rows }, draw);
    let alarms = 0;
    let drifts = 0;
    const runs = 300;
    for (let run = 0; run < runs; run += 1) {
      const found = verdict(
        drawn(run % 2 === 0 || kind !== 'numeric' ? 1_000 : 200),
        drawn(run % 3 === 0 ? 60 : 300),
        kind,
      );
      if (found !== 'stable') alarms += 1;
      if (found === 'drift') drifts += 1;
    }
    // alpha is 1 % a feature, against edges and lists that were made of the very sample.
    expect(alarms / runs).toBeLessThan(0.04);
    expect(drifts / runs).toBeLessThan(0.02);
  });
});
