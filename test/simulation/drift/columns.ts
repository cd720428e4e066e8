/**
 * Columns of a simulated model: packed into a reference profile by the code that `models pack` uses, then drawn as counts over
 * its cells.
 */
import { profileFeature } from '../../../cli/packing/reference-profile.ts';
import type { Random } from '../../../shared/base/clock.ts';
import type { FeatureProfile } from '../../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../../shared/protocol/telemetry-report.ts';
import { addBlockNumbers, OpenBlocks, scoreOf } from '../../../shared/sketch/block-sums.ts';
import { cellOf } from '../../../shared/sketch/histogram-counts.ts';
import { binomial, multinomial } from './binomial.ts';
import { type Distribution, normalPairs } from './distributions.ts';

const CELLS = 20;

export function packedColumn(
  name: string,
  kind: Distribution['kind'],
  values: readonly number[],
): FeatureProfile {
  const plan = { name, role: 'input', source: { tensor: 'x', column: 0 } } as const;
  return kind === 'texts'
    ? profileFeature({ ...plan, kind: [] }, values.map(String), CELLS)
    : profileFeature({ ...plan, kind }, values, CELLS);
}

/** Of a column in the order of time, as `sample.ordered` has it: with its block sums. */
export function orderedProfile(name: string, values: readonly number[]): FeatureProfile {
  const profile = packedColumn(name, 'numeric', values);
  if (profile.kind !== 'numeric') throw new Error('Expected a numeric feature.');
  const open = new OpenBlocks();
  for (const value of values) {
    open.add(scoreOf(cellOf(profile.edges, value), profile.counts.length));
  }
  return { ...profile, blocks: open.take() };
}

/** Counts that grow as rows are drawn. */
export interface Column {
  readonly counts: FeatureCounts;
  draw(rows: number): void;
  clear(): void;
}

/** Independent rows: each falls into a cell with the probability that the distribution gives it, or is missing. */
export function independentColumn(
  profile: FeatureProfile,
  { distribution, missing = 0, random }: { distribution: Distribution; missing?: number; random: Random },
): Column {
  const upTo = cellBounds(profile, distribution);
  const counts = emptyCounts(profile);
  return {
    counts,
    draw(rows) {
      const gone = binomial(rows, missing, random);
      counts.missing += gone;
      for (const [cell, more] of multinomial(rows - gone, upTo, random).entries())
        counts.counts[cell]! += more;
    },
    clear: () => clear(counts),
  };
}

/** Readings of a stationary normal process whose neighbours correlate by `rho`, around the numeric edges of the profile. */
export function autoregressiveColumn(
  profile: FeatureProfile,
  { rho, random }: { rho: number; random: Random },
): Column {
  if (profile.kind !== 'numeric') throw new Error('A normal process needs a numeric feature.');
  const counts = { ...emptyCounts(profile), blocks: [] as number[] };
  const next = autoregressive(rho, random);
  const open = new OpenBlocks();
  const cells = counts.counts.length;
  return {
    counts,
    draw(rows) {
      for (let i = 0; i < rows; i += 1) {
        const cell = cellOf(profile.edges, next());
        counts.counts[cell]! += 1;
        open.add(scoreOf(cell, cells));
      }
      addBlockNumbers(counts.blocks, open.take());
    },
    clear: () => clear(counts),
  };
}

/** Values one after the other, of mean 0 and deviation 1. */
export function autoregressive(rho: number, random: Random): () => number {
  const spread = Math.sqrt(1 - rho * rho);
  const normal = normalPairs(random);
  let value = normal();
  return () => {
    value = rho * value + spread * normal();
    return value;
  };
}

/** Probability of each cell and all before it. */
function cellBounds(profile: FeatureProfile, { below }: Distribution): readonly number[] {
  if (profile.kind === 'numeric') {
    // A last edge that is itself a value belongs to the bin before it.
    const last = profile.edges.length - 1;
    return [...profile.edges.map((edge, i) => below(i === last ? edge + 1e-12 : edge)), 1];
  }
  let sum = 0;
  const known = profile.categories.map((category) => {
    sum += below(Number(category) + 0.5) - below(Number(category) - 0.5);
    return sum;
  });
  return [...known, 1];
}

function emptyCounts(profile: FeatureProfile) {
  const cells = profile.kind === 'numeric' ? profile.counts.length : profile.counts.length + 1;
  return { name: profile.name, counts: new Array<number>(cells).fill(0), missing: 0 };
}

function clear(counts: { counts: number[]; missing: number }): void {
  counts.counts.fill(0);
  counts.missing = 0;
}
