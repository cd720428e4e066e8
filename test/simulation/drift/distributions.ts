/**
 * Distributions that columns are drawn from. Each gives values, for the reference sample that is packed, and the probability of
 * lying below a value, from which the probabilities of the packed cells follow exactly.
 */
import { chiSquareTail } from '../../../hub/drift/chi-square.ts';
import type { Random } from '../../../shared/base/clock.ts';

export interface Distribution {
  readonly name: string;
  /** As a plan for packing says it. */
  readonly kind: 'numeric' | 'integers' | 'texts';
  /** Values one after the other. */
  draws(random: Random): () => number;
  /** P(X < x). */
  below(x: number): number;
}

/** P(Z < z) of the standard normal: Z² is χ² of one degree of freedom. */
export function normalBelow(z: number): number {
  const beyond = chiSquareTail(z * z, 1) / 2;
  return z < 0 ? beyond : 1 - beyond;
}

/** Standard normal values: G. E. P. Box, M. E. Muller, Annals of Mathematical Statistics 29, 1958. */
export function normalPairs(random: Random): () => number {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

export const normal = shiftedNormal(0, 1);

/** Normal, moved by `shift` and stretched by `scale`. */
export function shiftedNormal(shift: number, scale: number): Distribution {
  return {
    name: 'normal',
    kind: 'numeric',
    draws(random) {
      const normal = normalPairs(random);
      return () => shift + scale * normal();
    },
    below: (x) => normalBelow((x - shift) / scale),
  };
}

export const lognormal: Distribution = {
  name: 'lognormal',
  kind: 'numeric',
  draws(random) {
    const normal = normalPairs(random);
    return () => Math.exp(normal());
  },
  below: (x) => (x <= 0 ? 0 : normalBelow(Math.log(x))),
};

/** Whole numbers 0 to 11, of geometrically falling frequency: packed as categories. */
export const discrete = ofAtoms(
  'discrete',
  'integers',
  Array.from({ length: 12 }, (_, i) => ({ value: i, weight: 0.75 ** i })),
);

/** Four in ten are zero, the others tenths of falling frequency: a rain gauge. */
export const heavyTies = ofAtoms('heavy ties', 'numeric', [
  { value: 0, weight: 0.4 },
  ...Array.from({ length: 80 }, (_, i) => ({
    value: (i + 1) / 10,
    weight: (0.6 * 0.9 ** i * 0.1) / (1 - 0.9 ** 80),
  })),
]);

/** 400 names whose frequency falls as 1/rank: more than a profile lists. */
export const manyCategories = ofAtoms(
  '400 categories',
  'texts',
  Array.from({ length: 400 }, (_, i) => ({ value: i, weight: 1 / (i + 1) })),
);

function ofAtoms(
  name: string,
  kind: Distribution['kind'],
  atoms: readonly { readonly value: number; readonly weight: number }[],
): Distribution {
  const total = atoms.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  const upTo = atoms.map(({ weight }) => {
    sum += weight / total;
    return sum;
  });
  return {
    name,
    kind,
    draws: (random) => () => {
      const u = random();
      const at = upTo.findIndex((share) => u < share);
      return atoms[at === -1 ? atoms.length - 1 : at]!.value;
    },
    below(x) {
      const at = atoms.findIndex(({ value }) => value >= x);
      return at === -1 ? 1 : (upTo[at - 1] ?? 0);
    },
  };
}
